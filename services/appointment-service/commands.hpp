#pragma once
#include "api/api.hpp"
#include "directory/companies.hpp"

namespace otto::appointment_service {

/// What people do with appointments. Whoever changes one takes it over: no analysis moves it any more.
class Commands {
public:
    explicit Commands(const directory::Companies& companies) : companies_(companies) {}
    http::Response create(api::Context&) const;
    http::Response change(api::Context&) const;

private:
    struct Slot {
        std::string rep;
        Uuid appointment;
        Instant start, end;
    };
    static void refuse_conflict(api::Context&, const Slot&);
    const directory::Companies& companies_;
};

}  // namespace otto::appointment_service
