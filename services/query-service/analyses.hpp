#pragma once
#include "api/api.hpp"
#include "links.hpp"

namespace otto::query_service {

/// What a call meant and sounded like: its analysis with people's corrections, its transcript, its recording. What is not there
/// (yet) is a 404 that says why and what to do.
class Analyses {
public:
    explicit Analyses(const Links& links) : links_(links) {}
    void routes(api::Api&) const;
    http::Response analysis(api::Context&) const;
    http::Response transcript(api::Context&) const;
    http::Response recording(api::Context&) const;

private:
    const Links& links_;
};

}  // namespace otto::query_service
