#include "providers/callrail_report.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "otto/inbound/v1/inbound.pb.h"

namespace otto::providers::callrail {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::size_t kLongestText = 64u << 10;  ///< normalized parts do not repeat what is larger; the raw body has it
constexpr std::int64_t kLongestCall = 7 * 86'400;

/// A text as rows can keep it: Postgres knows no NUL, which JSON and forms may hold, and one row that cannot be written would stop all that are with it.
std::string keepable(std::string_view text, std::size_t most) {
    auto out = clip_utf8(text, most);
    std::erase(out, '\0');
    return out;
}

/// The same questions to a JSON object and to a form. Of several names for one thing the first that says something counts.
class Body {
public:
    static Result<Body> read(std::string_view bytes, std::string_view content_type) {
        Body b;
        if (content_type == "application/x-www-form-urlencoded" && !trim(bytes).starts_with('{')) {
            b.form_ = parse_form(bytes);
            if (b.form_.empty()) return Error("the form has no fields");
            for (const auto& [name, value] : b.form_)
                if (!valid_utf8(name) || !valid_utf8(value)) return Error("the form is no valid UTF-8");
            return b;
        }
        if (trim(bytes).empty()) return Error("the body is empty");
        auto parsed = JsonDocument::parse(bytes);
        if (!parsed) return Error("the body is no JSON: " + parsed.error().message);
        if (!parsed->root().is_object()) return Error("the body is no JSON object");
        b.json_.emplace(std::move(*parsed));
        b.members_.emplace(b.json_->root());
        return b;
    }
    std::optional<std::string> text(std::initializer_list<std::string_view> names) const {
        for (auto name : names) {
            std::optional<std::string> written;  // what is no text in the object
            std::optional<std::string_view> value;
            if (json_) {
                auto member = (*members_)[name];
                value = member.string();
                if (!value) value = written = member.loose_text();
            } else {
                value = form_value(form_, name);
            }
            if (!value || value->empty()) continue;
            auto kept = keepable(*value, kLongestText);
            if (!trim(kept).empty()) return kept;
        }
        return std::nullopt;
    }
    std::optional<bool> truth(std::initializer_list<std::string_view> names) const {
        for (auto name : names) {
            if (json_) {
                if (auto b = (*members_)[name].loose_boolean()) return b;
            } else if (auto field = form_value(form_, name)) {
                auto word = lower(trim(*field));
                if (word == "true" || word == "1" || word == "yes") return true;
                if (word == "false" || word == "0" || word == "no") return false;
            }
        }
        return std::nullopt;
    }
    std::optional<std::int64_t> number(std::initializer_list<std::string_view> names) const {
        for (auto name : names) {
            if (json_) {
                if (auto n = (*members_)[name].loose_integer()) return n;
                if (auto d = (*members_)[name].number(); d && *d >= 0 && *d < 1e9) return static_cast<std::int64_t>(*d);
            } else if (auto field = form_value(form_, name)) {
                auto digits = trim(*field);
                if (!digits.empty() && digits.size() < 12 && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::stoll(std::string(digits));
            }
        }
        return std::nullopt;
    }
    bool has(std::string_view name) const { return json_ ? (*members_)[name].exists() : form_value(form_, name).has_value(); }
    /// Array of texts, or a comma list.
    std::vector<std::string> list(std::string_view name) const {
        if (json_ && (*members_)[name].is_array()) {
            std::vector<std::string> out;
            auto items = (*members_)[name];
            for (std::size_t i = 0; i < items.size() && out.size() < 200; ++i)
                if (auto tag = keepable(items.at(i).loose_text().value_or(""), 1'000); !tag.empty()) out.push_back(std::move(tag));
            return out;
        }
        return split_list(text({name}).value_or(""));
    }
    /// Names of the fields that CallRail says changed, in our words.
    std::vector<std::string> changes() const {
        std::vector<std::string> out;
        auto add = [&](std::string_view name) {
            static const std::vector<std::pair<std::string_view, std::string_view>> ours{{"recording", "recording_url"}, {"customer_name", "customer_name"}, {"transcription_text", ""}, {"call_summary", ""}};
            auto mine = keepable(name, 200);
            for (const auto& [theirs, word] : ours)
                if (theirs == name) mine = word;
            if (!mine.empty()) out.push_back(mine);
        };
        if (!json_) return out;
        auto c = json_->root()["changes"];
        for (std::size_t i = 0; c.is_array() && i < c.size() && i < 100; ++i) {
            if (auto name = c.at(i).string()) add(*name);
            else if (auto field = c.at(i)["field"].string()) add(*field);
            else
                for (auto [field_name, _] : c.at(i).members()) add(field_name);
        }
        for (auto [field_name, _] : c.members()) add(field_name);
        return out;
    }

private:
    Body() = default;
    std::optional<JsonDocument> json_;
    std::optional<JsonIndex> members_;
    FormFields form_;
};

struct Classified {
    pb::Stage stage;
    std::string status, kind;
};

/// By payload; where it cannot tell, the path decides (http-api.md, "Webhooks"). A Pre-Call looks like a missed call, and nothing may be concluded from it.
Classified classify(const Body& body, std::string_view path) {
    auto answered = body.truth({"answered"});
    auto type = lower(body.text({"call_type"}).value_or(""));
    bool voicemail = body.truth({"voicemail"}).value_or(false) || type == "voicemail";
    auto duration = body.number({"duration"}).value_or(0);
    bool recording = body.text({"recording_url", "recording"}).has_value();
    bool over = duration > 0 || recording || voicemail || body.text({"end_time", "ended_at"}).has_value();
    bool modified = path == "call.modified" || body.has("changes");

    auto ended = [&]() -> std::string {
        if (voicemail) return "voicemail";
        if (answered) return *answered ? "completed" : "missed";
        if (path == "call.missed") return "missed";
        return type == "missed" || type == "abandoned" ? "missed" : "completed";
    };
    if (modified) return {pb::STAGE_MODIFIED, over || answered || type == "missed" ? ended() : "", "call.modified"};
    if (over) {
        auto status = ended();
        return {pb::STAGE_POST_CALL, status, path == "call.missed" ? "call.missed" : "call.completed"};
    }
    if (path == "call.incoming") {
        if (answered.value_or(false)) return {pb::STAGE_ROUTING_COMPLETE, "in_progress", "call.answered"};
        return {pb::STAGE_PRE_CALL, "ringing", "call.incoming"};
    }
    if (path == "call.answered") return {pb::STAGE_ROUTING_COMPLETE, "in_progress", "call.answered"};
    return {pb::STAGE_POST_CALL, ended(), path == "call.missed" ? "call.missed" : "call.completed"};
}

void fill(const Body& body, const Classified& what, pb::CallReport& r) {
    r.set_stage(what.stage);
    r.set_status(what.status);
    auto customer = normalize_phone(body.text({"customer_phone_number", "caller_number", "caller_id", "callernum", "from_number"}).value_or(""));
    r.set_customer_phone(clip_utf8(customer.text, 200));
    r.set_customer_phone_callable(customer.e164);
    auto tracking = normalize_phone(body.text({"tracking_phone_number", "tracking_number", "trackingnum", "called_number"}).value_or(""));
    r.set_tracking_number(clip_utf8(tracking.text, 200));
    auto type = lower(body.text({"call_type"}).value_or(""));
    if (auto d = body.text({"direction"})) {
        if (iequals(*d, "inbound") || iequals(*d, "outbound")) r.set_direction(lower(*d));
    } else if (type == "outbound") {
        r.set_direction("outbound");
    }
    // A Pre-Call's "answered: false" and zeros say nothing: the call has only begun.
    bool begun = what.stage == pb::STAGE_PRE_CALL;
    if (auto a = body.truth({"answered"}); a && (*a || what.stage >= pb::STAGE_POST_CALL)) r.set_answered(*a);
    if (auto d = body.number({"duration"}); d && !begun && *d >= 0 && *d <= kLongestCall) r.set_duration_s(*d);
    if (auto u = body.text({"recording_url", "recording"}); u && (u->starts_with("https://") || u->starts_with("http://"))) r.set_recording_url(*u);
    if (auto d = body.number({"recording_duration"}); d && *d >= 0 && *d <= kLongestCall) r.set_recording_duration_s(*d);
    auto time = [&](std::initializer_list<std::string_view> names) -> std::optional<Instant> {
        for (auto name : names)
            if (auto t = body.text({name}))
                if (auto at = parse_time(*t)) return at;
        return std::nullopt;
    };
    auto started = time({"start_time", "started_at", "datetime", "timestamp", "created_at"});
    if (started) r.set_started_at_us(to_micros(*started));
    if (auto e = time({"end_time", "ended_at"})) r.set_ended_at_us(to_micros(*e));
    else if (started && r.has_duration_s() && what.stage >= pb::STAGE_POST_CALL) r.set_ended_at_us(to_micros(*started) + r.duration_s() * 1'000'000);
    if (auto t = body.text({"customer_name", "callername"})) r.set_customer_name(std::move(*t));
    if (auto t = body.text({"customer_city", "callercity"})) r.set_customer_city(std::move(*t));
    if (auto t = body.text({"customer_state", "callerstate"})) r.set_customer_state(std::move(*t));
    if (auto t = body.text({"customer_country", "callercountry"})) r.set_customer_country(std::move(*t));
    if (auto t = body.text({"source_name", "source", "formatted_tracking_source", "callsource"})) r.set_source(std::move(*t));
    if (auto t = body.text({"campaign", "utm_campaign"})) r.set_campaign(std::move(*t));
    if (auto t = body.text({"keywords"})) r.set_keywords(std::move(*t));
    if (auto t = body.text({"note"})) r.set_note(std::move(*t));
    if (auto t = body.text({"value"})) r.set_value(std::move(*t));
    if (auto t = body.text({"lead_status"})) r.set_lead_status(std::move(*t));
    if (auto b = body.truth({"first_call"})) r.set_first_call(*b);
    if (auto t = body.text({"agent_email"})) r.set_agent_email(std::move(*t));
    for (auto& t : body.list("tags")) r.add_tags(t);
    for (auto& c : body.changes()) r.add_changed(c);
    bool tags_changed = std::find(r.changed().begin(), r.changed().end(), "tags") != r.changed().end();
    r.set_has_tags(r.tags_size() > 0 || tags_changed);

    // Every id under which CallRail speaks of this call; the lasting one first.
    for (auto name : {"resource_id", "call_id", "id"})
        if (auto id = body.text({name}); id && id->size() <= 200 && std::find(r.aliases().begin(), r.aliases().end(), *id) == r.aliases().end()) r.add_aliases(*id);
    if (r.aliases_size() > 0) r.set_provider_call_id(r.aliases(0));
    if (auto t = body.text({"account_id", "account_resource_id"})) r.set_account_id(std::move(*t));
    for (auto name : {"company_resource_id", "callrail_company_id", "company_id"})
        if (auto id = body.text({name}); id && std::find(r.provider_company_ids().begin(), r.provider_company_ids().end(), *id) == r.provider_company_ids().end()) r.add_provider_company_ids(*id);
    if (auto t = body.text({"tenant_id"})) r.set_claimed_company_id(std::move(*t));
}

}  // namespace

void read_report(std::string_view bytes, std::string_view content_type, std::string_view path, pb::ProviderEvent& event) {
    event.set_kind(std::string(path));
    auto body = Body::read(bytes, content_type);
    if (!body) {
        event.set_not_understood(body.error().message);
    } else {
        auto what = classify(*body, path);
        auto& report = *event.mutable_call();
        fill(*body, what, report);
        event.set_kind(what.kind);
        if (report.provider_call_id().empty()) event.set_not_understood("the body names no call (id, call_id or resource_id)");
        event.set_key(report.customer_phone_callable() ? report.customer_phone() : report.provider_call_id());
    }
    if (event.key().empty()) event.set_key("callrail:unknown");
}

}  // namespace otto::providers::callrail
