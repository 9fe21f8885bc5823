#include "sender/outside.hpp"

#include "app/common.hpp"
#include "config.hpp"
#include "providers/settings.hpp"

namespace otto::lead_pipeline {
namespace {

using providers::twilio::Account;
using providers::twilio::NewText;

http::ClientOptions options_of(const app::Settings& settings) {
    http::ClientOptions o;
    o.total_timeout = Millis{15'000};
    o.retries = 0;
    o.pool_per_host = static_cast<std::size_t>(settings.get(kTextSenders));
    o.private_addresses = settings.get(app::kPrivateAddresses);
    o.metrics_name = "twilio-texts";
    return o;
}

/// Where Twilio tells how a text stands; the text's id follows.
std::string callback_of(const app::Settings& settings) {
    auto url = settings.get(app::kPublicUrl);
    while (url.ends_with('/')) url.pop_back();
    return url + "/api/aloha/webhooks/message-status?m=";
}

}  // namespace

Outside::Outside(const app::Settings& settings)
    : http_(options_of(settings)), twilio_(settings.get(providers::kTwilioApi), http_), status_callback_(callback_of(settings)) {}

Sender::Outside Outside::texts(TermsOf terms, Sender::Unwanted unwanted) {
    return {std::move(terms),
            [this](const Account& a, const NewText& t) { return twilio_.send(a, t, tel::TraceContext::fresh()); },
            [this](const Account& a, const std::string& from, const std::string& to, const std::string& next) {
                return twilio_.messages_of_pair(a, from, to, next, tel::TraceContext::fresh());
            },
            std::move(unwanted), status_callback_};
}

Statuses::Outside Outside::statuses(TermsOf terms) {
    return {std::move(terms),
            [this](const Account& a, const std::string& sid) { return twilio_.message(a, sid, tel::TraceContext::fresh()); }};
}

}  // namespace otto::lead_pipeline
