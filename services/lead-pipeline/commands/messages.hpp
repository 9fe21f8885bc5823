#pragma once
#include "api/api.hpp"
#include "directory/companies.hpp"

namespace otto::lead_pipeline {

/// What people command about texts: to send one, and to cancel one that the provider has not taken. A text is accepted here, and
/// its line sends it (books/send_book.hpp).
class MessageCommands {
public:
    /// `companies` must outlive it.
    explicit MessageCommands(const directory::Companies& companies) : companies_(companies) {}
    http::Response send(api::Context&) const;
    http::Response cancel(api::Context&) const;

private:
    const directory::Companies& companies_;
};

}  // namespace otto::lead_pipeline
