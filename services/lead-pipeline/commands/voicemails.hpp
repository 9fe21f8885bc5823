#pragma once
#include "api/api.hpp"

namespace otto::lead_pipeline {

/// What people command about voicemails: how far they are with one. What was said stays what it is.
class VoicemailCommands {
public:
    /// 404 if there is no such voicemail. One that stands so already is answered as it is.
    http::Response change(api::Context&) const;
};

}  // namespace otto::lead_pipeline
