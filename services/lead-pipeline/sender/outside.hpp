#pragma once
#include <string>

#include "app/settings.hpp"
#include "http/client.hpp"
#include "sender/sender.hpp"
#include "sender/statuses.hpp"

namespace otto::lead_pipeline {

/// Twilio, as texts are sent by it: each request once and for fifteen seconds, by a client of its own, since only who asks knows
/// whether it may be repeated. It must outlive what it is given to. Thread-safe.
class Outside {
public:
    explicit Outside(const app::Settings&);
    Sender::Outside texts(TermsOf, Sender::Unwanted);
    Statuses::Outside statuses(TermsOf);

private:
    http::Client http_;
    providers::twilio::Client twilio_;
    std::string status_callback_;
};

}  // namespace otto::lead_pipeline
