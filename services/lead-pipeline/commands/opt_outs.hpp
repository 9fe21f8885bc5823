#pragma once
#include "api/api.hpp"

namespace otto::lead_pipeline {

/// What people command about the ledger of who wants no texts. It is never rewritten: an entry is taken back, once, and stays.
class OptOuts {
public:
    http::Response enter(api::Context&) const;
    /// A csr takes back only what a csr entered; who has said STOP, or told a manager, is the manager's to answer for.
    http::Response take_back(api::Context&) const;
};

}  // namespace otto::lead_pipeline
