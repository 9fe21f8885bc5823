#include "twilio_webhooks.hpp"

#include "app/common.hpp"
#include "base/text.hpp"

namespace otto::company_service {
namespace {

constexpr std::size_t kLongestShown = 300;

std::string shown(const std::string& url) { return url.empty() ? "not set" : clip_utf8(mend_utf8(url), kLongestShown); }

/// Twilio keeps what it is told of time-outs and repeats behind a #.
std::string without_fragment(const std::string& url) { return url.substr(0, url.find('#')); }

}  // namespace

TwilioWebhooks::TwilioWebhooks(const app::Settings& s) {
    auto base = s.get(app::kPublicUrl);
    while (base.ends_with('/')) base.pop_back();
    ours_ = {base + "/api/aloha/webhooks/incoming-call", base + "/sms/twilio-webhook", base + "/api/aloha/webhooks/call-status"};
    any_ = base + "/api/v1/twilio-webhook";
}

bool TwilioWebhooks::is_ours(const std::string& url, const std::string& own) const {
    auto plain = without_fragment(url);
    return plain == own || plain == any_;
}

std::string TwilioWebhooks::calls_astray(const providers::twilio::ListedNumber& n) const {
    if (!n.calls) return "";
    if (!n.calls_to.empty())
        return "its calls go to " + n.calls_to + ", an application or a trunk at Twilio, and not to this Otto";
    if (!is_ours(n.voice_url, ours_.voice_url))
        return "its voice URL at Twilio is " + shown(n.voice_url) + ", and not " + ours_.voice_url;
    if (n.voice_method == "GET") return "Twilio asks its voice URL by GET, and not by POST";
    if (!is_ours(n.status_callback, ours_.status_callback))
        return "its status callback URL at Twilio is " + shown(n.status_callback) + ", and not " + ours_.status_callback;
    if (n.status_callback_method == "GET") return "Twilio asks its status callback URL by GET, and not by POST";
    return "";
}

std::string TwilioWebhooks::texts_astray(const providers::twilio::ListedNumber& n) const {
    if (!n.texts) return "";
    if (!n.texts_to.empty()) return "its texts go to " + n.texts_to + ", an application at Twilio, and not to this Otto";
    if (!is_ours(n.sms_url, ours_.sms_url))
        return "its message URL at Twilio is " + shown(n.sms_url) + ", and not " + ours_.sms_url;
    return n.sms_method == "GET" ? "Twilio asks its message URL by GET, and not by POST" : "";
}

bool TwilioWebhooks::leads_elsewhere(const providers::twilio::ListedNumber& n) const {
    if (!n.calls_to.empty() || !n.texts_to.empty()) return true;
    auto elsewhere = [&](const std::string& url, const std::string& own) {
        return !url.empty() && !is_ours(url, own) && !url.starts_with("https://demo.twilio.com/");
    };
    return elsewhere(n.voice_url, ours_.voice_url) || elsewhere(n.sms_url, ours_.sms_url) ||
           elsewhere(n.status_callback, ours_.status_callback);
}

}  // namespace otto::company_service
