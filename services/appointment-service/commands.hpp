#pragma once
#include "directory/companies.hpp"
#include "identity/api.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::appointment_service {

/// What people do with appointments. Whoever changes one takes it over: no analysis moves it any more.
class Commands {
public:
    explicit Commands(const directory::Companies& companies) : companies_(companies) {}
    http::Response create(identity::Context&) const;
    http::Response change(identity::Context&) const;

private:
    struct Slot { std::string rep; Uuid appointment; Instant start, end; };
    static void refuse_conflict(identity::Context&, const Slot&);
    http::Response answer(identity::Context&, const Uuid& id, int status) const;
    const directory::Companies& companies_;
    rt::Emitter<changes::v1::RowChanged> emitter_{"appointment-service"};
};

}  // namespace otto::appointment_service
