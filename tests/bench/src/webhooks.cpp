#include "webhooks.hpp"

#include <algorithm>
#include <cstdio>

#include "base/crypto.hpp"
#include "events/event.hpp"
#include "providers/webhook.hpp"

namespace otto::bench {

std::vector<Company> Company::of(const Args& args) {
    std::vector<Company> out;
    for (const auto& text : args.all("company")) {
        auto first = text.find(','), second = text.find(',', first + 1);
        if (second == std::string::npos) {
            std::fprintf(stderr, "--company takes ID,TRACKING_NUMBER,SIGNING_KEY, not '%s'\n", text.c_str());
            std::exit(2);
        }
        out.push_back({text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1)});
    }
    return out;
}

std::uint64_t random_of(std::uint64_t seed, std::uint64_t n) {
    std::uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

std::string customer_number(std::uint64_t n) { return "+1602" + std::to_string(2'000'000 + n % 8'000'000); }

Call call_of(std::uint64_t seed, std::uint64_t n, std::uint64_t number, const std::vector<Company>& companies, Instant started) {
    Call c;
    auto random = random_of(seed, n);
    char hex[40];
    std::snprintf(hex, sizeof hex, "CAL%016lx%016lx", random, random_of(seed ^ 0x5eed, n));
    c.resource_id = hex;
    c.id = static_cast<std::int64_t>(1'000'000'000 + n);
    c.customer = customer_number(number);
    c.company = &companies[number % companies.size()];
    c.started = started;
    c.duration_s = static_cast<int>(20 + random % 900);
    return c;
}

std::string path_of(Stage s) {
    switch (s) {
        case Stage::incoming:
            return "/api/v1/callrail/call.incoming";
        case Stage::answered:
            return "/api/v1/callrail/call.answered";
        case Stage::completed:
            break;
    }
    return "/api/v1/callrail/call.completed";
}

std::string body_of(const Call& c, Stage stage) {
    static const std::vector<std::string> kFirst{"Kaylah", "Omar", "Priya", "Jon", "Maria", "Wei", "Amara", "Luis"},
        kLast{"Mills", "Haddad", "Nair", "Berg", "Lopez", "Chen", "Okafor", "Silva"};
    auto digits = c.customer.substr(2);
    auto which = std::stoull(digits);
    auto name = kFirst[which % kFirst.size()] + " " + kLast[which / 8 % kLast.size()];
    auto dashed = [](const std::string& e164) { return e164.substr(2, 3) + "-" + e164.substr(5, 3) + "-" + e164.substr(8); };
    auto id = std::to_string(c.id), time = to_rfc3339(c.started), duration = std::to_string(c.duration_s);
    const auto& tracking = c.company->tracking;
    bool over = stage == Stage::completed, spoken = stage != Stage::incoming;
    std::string b;
    b.reserve(2'800);
    auto put = [&b](std::string_view key, const std::string& json) {
        b.append(b.empty() ? "{\"" : ",\"").append(key).append("\":").append(json);
    };
    auto text = [&](std::string_view key, const std::string& value) { put(key, "\"" + value + "\""); };
    put("answered", spoken ? "true" : "false");
    text("business_phone_number", "");
    text("call_type", spoken ? "answered" : "missed");
    put("company_id", "155920786");
    text("company_name", "Boost Marketing");
    text("company_time_zone", "America/Phoenix");
    text("created_at", time);
    text("customer_city", "Phoenix");
    text("customer_country", "US");
    text("customer_name", name);
    text("customer_phone_number", c.customer);
    text("customer_state", "AZ");
    text("device_type", "");
    text("direction", "inbound");
    text("duration", over ? duration : "0");
    put("first_call", "false");
    text("formatted_call_type", spoken ? "Answered" : "Missed");
    text("formatted_customer_location", "Phoenix, AZ");
    text("formatted_business_phone_number", "");
    text("formatted_customer_name", name);
    put("prior_calls", "16");
    text("formatted_customer_name_or_phone_number", name);
    text("formatted_customer_phone_number", dashed(c.customer));
    if (over) text("formatted_duration", duration + "s");
    text("formatted_tracking_phone_number", dashed(tracking));
    text("formatted_tracking_source", "Google Paid");
    text("formatted_value", "--");
    if (over) {
        text("good_lead_call_id", "");
        text("good_lead_call_time", "");
    }
    put("id", id);
    if (over) {
        text("lead_status", "previously_marked_good_lead");
        text("note", "");
        text("recording",
             c.recorded ? "https://app.callrail.com/calls/" + id + "/recording/redirect?access_key=aaaaccccddddeeee" : "");
        put("recording_duration", c.recorded ? duration : "null");
    }
    text("source_name", "Google AdWords");
    text("start_time", time);
    if (over) put("tags", "[]");
    put("total_calls", "17");
    text("tracking_phone_number", tracking);
    if (over) {
        text("transcription", "");
        text("value", "");
    }
    put("voicemail", "false");
    put("tracker_id", "354024023");
    for (auto empty : {"keywords", "medium", "referring_url", "landing_page_url", "last_requested_url", "referrer_domain",
                       "conversational_transcript"})
        text(empty, "");
    text("utm_source", "google");
    text("utm_medium", "cpc");
    text("utm_term", "");
    text("utm_content", "");
    text("utm_campaign", "Google AdWords");
    for (auto empty : {"utma", "utmb", "utmc", "utmv", "utmz", "ga", "gclid"}) text(empty, "");
    put("integration_data", "[{\"integration\":\"Webhooks\",\"data\":null}]");
    text("keywords_spotted", "");
    if (over) {
        text("recording_player",
             c.recorded ? "https://app.callrail.com/calls/" + id + "/recording?access_key=aaaabbbbccccdddd" : "");
        text("speaker_percent", "");
        put("call_highlights", "[]");
    }
    text("callercity", "Phoenix");
    text("callercountry", "US");
    text("callername", name);
    text("callernum", c.customer);
    text("callerstate", "AZ");
    text("callsource", "google_paid");
    text("campaign", "");
    text("custom", "");
    text("datetime", time.substr(0, 10) + " " + time.substr(11, 8));
    for (auto empty : {"destinationnum", "ip", "kissmetrics_id", "landingpage", "referrer", "referrermedium"}) text(empty, "");
    put("score", "1");
    text("tag", "");
    text("trackingnum", tracking);
    text("timestamp", time);
    text("resource_id", c.resource_id);
    text("company_resource_id", "COM8154748ae6bd4e278a7cddd38a662f4f");
    text("tracker_resource_id", "TRK8154748ae6bd4e278a7cddd38a662f4f");
    text("person_resource_id", "PER" + c.resource_id.substr(3));
    return b += '}';
}

std::string signature_of(const std::string& body, const std::string& key) { return base64_encode(hmac_sha1(key, body)); }

namespace {

/// What an ingress makes of such a webhook of the call's company, its signature verified.
inbound::v1::ProviderEvent made_of(const providers::Webhook& provider, http::Request request, const Call& c, Instant received) {
    const auto parts = providers::Parts::of(request);
    auto normalized = provider.read(parts)->normalize(parts);
    auto event = std::move(*normalized.event);
    auto& receipt = *event.mutable_receipt();
    receipt.set_provider(std::string(provider.name()));
    receipt.set_request_target(request.target);
    receipt.set_content_type(std::string(request.headers.get("content-type")));
    for (auto name : provider.signature_headers()) {
        auto& header = *receipt.add_headers();
        header.set_name(std::string(name));
        header.set_value(std::string(request.headers.get(name)));
    }
    receipt.set_raw_body(request.body);
    receipt.set_received_at_us(to_micros(received));
    receipt.set_verdict(inbound::v1::VERDICT_AUTHENTIC);
    receipt.set_proven_company_id(c.company->id);
    receipt.set_client_address("127.0.0.1");
    return event;
}

http::Request posted(std::string target, std::string body, std::string content_type) {
    http::Request request;
    request.method = http::Method::post;
    request.target = request.path = std::move(target);
    request.body = std::move(body);
    request.headers.add("Content-Type", std::move(content_type));
    return request;
}

}  // namespace

inbound::v1::ProviderEvent event_of(const Call& c, Stage stage, Instant received) {
    static const auto& provider = *providers::webhook_of("callrail");
    auto request = posted(path_of(stage), body_of(c, stage), "application/json");
    request.headers.add("Signature", signature_of(request.body, c.company->key));
    return made_of(provider, std::move(request), c, received);
}

inbound::v1::ProviderEvent text_event_of(const Call& c, Stage stage, Instant received) {
    static const auto& provider = *providers::webhook_of("twilio");
    const bool in = stage == Stage::incoming;
    const auto sid = (in ? "SM0" : "SM1") + c.resource_id.substr(4, 31);
    auto escaped = [](const std::string& e164) { return "%2B" + e164.substr(1); };
    const auto customer = escaped(c.customer), ours = escaped(c.company->tracking);
    std::string body = "MessageSid=" + sid + "&SmsSid=" + sid +
                       "&AccountSid=AC0123456789abcdef0123456789abcdef&ApiVersion=2010-04-01&From=" + (in ? customer : ours) +
                       "&To=" + (in ? ours : customer);
    if (in)
        body += "&SmsMessageSid=" + sid + "&SmsStatus=received&Body=Is+Monday+still+good%3F+The+roof+leaks+again%2C+number+" +
                std::to_string(c.id) +
                "&NumMedia=0&NumSegments=1&FromCity=PHOENIX&FromState=AZ&FromZip=85001&FromCountry=US&ToCity=" +
                "PHOENIX&ToState=AZ&ToZip=85001&ToCountry=US";
    else
        body += stage == Stage::answered ? "&SmsStatus=sent&MessageStatus=sent" : "&SmsStatus=delivered&MessageStatus=delivered";
    auto request = posted(in ? "/sms/twilio-webhook" : "/api/aloha/webhooks/message-status", std::move(body),
                          "application/x-www-form-urlencoded");
    request.headers.add("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");  // it has been judged already
    return made_of(provider, std::move(request), c, received);
}

EventId text_event_id_of(const inbound::v1::ProviderEvent& e) {
    return events::provider_event_id("twilio", e.kind(), e.message().provider_message_id() + ":" + e.message().status(), "");
}

EventId event_id_of(const inbound::v1::ProviderEvent& e) {
    return events::provider_event_id("callrail", e.kind(), e.call().provider_call_id(), e.receipt().raw_body());
}

std::vector<Due> backlog_of(std::uint64_t seed, std::uint64_t calls, std::uint64_t numbers, std::int64_t spread_s) {
    constexpr std::int64_t kBetweenCalls = 3'000;  // µs
    std::vector<Due> out;
    out.reserve(calls * 3);
    for (std::uint64_t n = 0; n < calls; ++n)
        for (auto stage : {Stage::incoming, Stage::answered, Stage::completed}) {
            auto late = random_of(seed ^ 0x1a7e, n * 3 + static_cast<std::uint64_t>(stage)) %
                        static_cast<std::uint64_t>(spread_s * 1'000'000);
            out.push_back({static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(random_of(seed ^ 0xca11, n) % numbers),
                           stage, static_cast<std::int64_t>(n) * kBetweenCalls + static_cast<std::int64_t>(late)});
        }
    std::stable_sort(out.begin(), out.end(), [](const Due& a, const Due& b) { return a.at_us < b.at_us; });
    return out;
}

}  // namespace otto::bench
