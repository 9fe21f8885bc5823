#pragma once
#include "api/api.hpp"
#include "base/result.hpp"
#include "providers/media_links.hpp"

namespace otto::query_service {

/// What a call meant and sounded like: its analysis with people's corrections, its transcript, its recording. What is not there
/// (yet) is a 404 that says why and what to do.
class Analyses {
public:
    /// `links`: how a recording is handed out; the error if that is not set up, which is then the answer.
    explicit Analyses(Result<providers::MediaLinks> links = Error("no links"));
    void routes(api::Api&) const;
    http::Response analysis(api::Context&) const;
    http::Response transcript(api::Context&) const;
    http::Response recording(api::Context&) const;

private:
    Result<providers::MediaLinks> links_;
};

}  // namespace otto::query_service
