#include "providers/callrail_report.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "base/phone.hpp"
#include "base/says_nothing.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "callrail/body.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "telemetry/metrics.hpp"

namespace otto::providers::callrail {

namespace pb = otto::inbound::v1;

namespace {

const tel::Counters kStrange{"otto_callrail_strange_members_total",
                             "Members of CallRail's reports that are of another type than theirs: what was known stays.",
                             {"member"}};

constexpr std::int64_t kLongestCall = 7 * 86'400;

using Members = std::initializer_list<std::string_view>;
const Members kTracking = {"tracking_phone_number", "tracking_number", "trackingnum", "called_number"};
const Members kStarted = {"start_time", "started_at", "datetime", "timestamp", "created_at"};
const Members kTextTime = {"timestamp", "sent_at", "created_at"};
constexpr std::size_t kLongestUrl = 4'000, kMostMedia = 100;

Phone phone_of(std::string_view said) {
    auto phone = normalize_phone(said);
    phone.text = clip_utf8(phone.text, 200);
    return phone;
}

/// The ends of a text, as far as its body can tell which is whose: CallRail names the person who sent one, and nobody in one that
/// came in. A text that a program sent looks as if it had come in; whose the numbers are says so later (Addressee.other_number).
struct Ends {
    bool sent;
    Phone company, customer;
    static Ends in(const Body& body) {
        bool sent = iequals(body.text({"direction"}).value_or(""), "outbound") || body.said({"agent"}).has_value();
        auto company = body.text({"destination_number", "to_number"}), customer = body.text({"source_number", "from_number"});
        if (sent) std::swap(company, customer);
        if (!company) company = body.text({"tracking_number", "tracking_phone_number"});
        if (!customer) customer = body.text({"caller_number", "customer_phone_number"});
        return {sent, phone_of(company.value_or("")), phone_of(customer.value_or(""))};
    }
};

/// Whose a report could be: what the ids in its body name; number and time are its kind's.
pb::Addressee addressee_in(const Body& body, Report::Of of) {
    bool text = of == Report::Of::text;
    pb::Addressee a;
    if (text) {
        auto ends = Ends::in(body);
        a.set_number(std::move(ends.company.text));
        if (ends.customer.e164) a.set_other_number(std::move(ends.customer.text));
    } else {
        a.set_number(phone_of(body.text(kTracking).value_or("")).text);
    }
    a.set_purpose(text ? pb::PURPOSE_TEXT : pb::PURPOSE_VOICE);
    a.set_account_id(body.id({"account_id", "account_resource_id"}).value_or(""));
    auto& ids = *a.mutable_provider_company_ids();
    for (auto name : {"company_resource_id", "callrail_company_id", "company_id"})
        if (auto id = body.id({name}); id && std::find(ids.begin(), ids.end(), *id) == ids.end()) *ids.Add() = std::move(*id);
    a.set_claimed_company_id(body.text({"tenant_id"}).value_or(""));
    a.set_mapped_company_id(body.id({"callrail_company_id"}).value_or(""));
    if (auto at = body.time(text ? kTextTime : kStarted)) a.set_at_us(to_micros(*at));
    return a;
}

/// The words for how a call ended, in letters only: those of CallRail's calls, of its filters (plural) and of those who speak in
/// its place. The first that fits counts.
struct Word {
    std::string_view letters, status;
    enum { within, whole, at_start } where = within;
};
constexpr Word kWords[] = {{"voicemail", "voicemail"},
                           {"voicemessage", "voicemail"},
                           {"vmail", "voicemail"},
                           {"leftmessage", "voicemail"},
                           {"vm", "voicemail", Word::whole},
                           {"vms", "voicemail", Word::whole},
                           {"missed", "missed"},
                           {"abandon", "missed"},
                           {"unanswered", "missed"},
                           {"notanswered", "missed"},
                           {"noanswer", "missed"},
                           {"nopickup", "missed"},
                           {"busy", "missed"},
                           {"hangup", "missed"},
                           {"hungup", "missed"},
                           {"reject", "missed"},
                           {"decline", "missed"},
                           {"cancel", "missed"},
                           {"fail", "failed"},
                           {"answered", "completed"},
                           {"completed", "completed"},
                           {"connected", "completed", Word::at_start}};

/// What `call_type` says.
struct Type {
    std::string status;  ///< "" if it says none: first_call, inbound
    bool outbound = false;
};

Type type_in(const Body& body) {
    std::string letters;
    for (char c : lower(body.text({"call_type"}).value_or("")))
        if (c >= 'a' && c <= 'z') letters += c;
    Type t;
    t.outbound = letters.find("outbound") != std::string::npos || letters.find("outgoing") != std::string::npos;
    auto fits = [&](const Word& w) {
        return w.where == Word::whole      ? letters == w.letters
               : w.where == Word::at_start ? letters.starts_with(w.letters)
                                           : letters.find(w.letters) != std::string::npos;
    };
    if (auto word = std::find_if(std::begin(kWords), std::end(kWords), fits); word != std::end(kWords)) t.status = word->status;
    return t;
}

struct Classified {
    pb::Stage stage;
    std::string status, kind;
};

/// By payload; where it cannot tell, the path decides (http-api.md, "Webhooks"). A Pre-Call looks like a missed call, and nothing
/// may be concluded from it.
Classified classify(const Body& body, std::string_view path) {
    auto answered = body.truth({"answered"});
    auto type = type_in(body);
    bool voicemail = body.truth({"voicemail"}).value_or(false) || type.status == "voicemail";
    auto duration = body.number({"duration"}).value_or(0);
    bool recording = body.text({"recording_url", "recording"}).has_value();
    bool over = duration > 0 || recording || voicemail || body.text({"end_time", "ended_at"}).has_value();
    bool modified = path == "call.modified" || body.has("changes");

    auto ended = [&]() -> std::string {
        if (voicemail) return "voicemail";
        if (answered) return *answered ? "completed" : "missed";
        if (path == "call.missed") return "missed";
        return type.status.empty() ? "completed" : type.status;
    };
    if (modified) return {pb::STAGE_MODIFIED, over || answered || !type.status.empty() ? ended() : "", "call.modified"};
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

/// Every id under which CallRail speaks of this call; the lasting one first.
void fill_ids(const Body& body, pb::CallReport& r) {
    for (auto name : {"resource_id", "call_id", "id"})
        if (auto id = body.id({name});
            id && id->size() <= 200 && std::find(r.aliases().begin(), r.aliases().end(), *id) == r.aliases().end())
            r.add_aliases(*id);
    if (r.aliases_size() > 0) r.set_provider_call_id(r.aliases(0));
}

void fill(const Body& body, const Classified& what, pb::CallReport& r) {
    fill_ids(body, r);
    r.set_stage(what.stage);
    r.set_status(what.status);
    auto customer = normalize_phone(
        body.text({"customer_phone_number", "caller_number", "caller_id", "callernum", "from_number"}).value_or(""));
    r.set_customer_phone(clip_utf8(customer.text, 200));
    r.set_customer_phone_callable(customer.e164);
    r.set_tracking_number(phone_of(body.text(kTracking).value_or("")).text);
    if (auto d = body.text({"direction"})) {
        if (iequals(*d, "inbound") || iequals(*d, "outbound")) r.set_direction(lower(*d));
    } else if (type_in(body).outbound) {
        r.set_direction("outbound");
    }
    // What is said, but is not what its field takes, leaves what is known, whatever `changes` says.
    std::vector<std::string_view> strange;
    auto taken = [&](std::string_view field, Members names, auto value) {
        if (!value && body.says(names)) strange.push_back(field);
        return value;
    };
    auto said = [&](std::string_view field, Members names, Of of = Of::anything) {
        auto t = body.said(names, of);
        if (!t && body.no_text(names)) strange.push_back(field);
        return t;
    };
    auto seconds = [&](std::string_view field) {
        auto n = body.number({field});
        if (n && (*n < 0 || *n > kLongestCall)) n.reset();
        return taken(field, {field}, n);
    };
    // A Pre-Call's "answered: false" and zeros say nothing: the call has only begun.
    bool begun = what.stage == pb::STAGE_PRE_CALL;
    if (auto a = taken("answered", {"answered"}, body.truth({"answered"})); a && (*a || what.stage >= pb::STAGE_POST_CALL))
        r.set_answered(*a);
    if (auto d = seconds("duration"); d && !begun) r.set_duration_s(*d);
    auto recording = body.text({"recording_url", "recording"});
    if (recording && !recording->starts_with("https://") && !recording->starts_with("http://")) recording.reset();
    if (auto u = taken("recording_url", {"recording_url", "recording"}, std::move(recording))) r.set_recording_url(std::move(*u));
    if (auto d = seconds("recording_duration")) r.set_recording_duration_s(*d);
    auto started = taken("started_at", kStarted, body.time(kStarted));
    if (started) r.set_started_at_us(to_micros(*started));
    if (auto e = taken("ended_at", {"end_time", "ended_at"}, body.time({"end_time", "ended_at"})))
        r.set_ended_at_us(to_micros(*e));
    else if (started && r.has_duration_s() && what.stage >= pb::STAGE_POST_CALL)
        r.set_ended_at_us(to_micros(*started) + r.duration_s() * 1'000'000);
    // Carriers write words of theirs, or the place, where they have no name.
    if (auto t = said("customer_city", {"customer_city", "callercity"})) r.set_customer_city(std::move(*t));
    if (auto t = said("customer_state", {"customer_state", "callerstate"})) r.set_customer_state(std::move(*t));
    if (auto t = said("customer_country", {"customer_country", "callercountry"})) r.set_customer_country(std::move(*t));
    if (auto t = said("customer_name", {"customer_name", "callername"}, Of::person);
        t && !says_place(*t, r.customer_city(), r.customer_state()))
        r.set_customer_name(std::move(*t));
    if (auto t = said("source", {"source_name", "source", "formatted_tracking_source", "callsource"}))
        r.set_source(std::move(*t));
    if (auto t = said("campaign", {"campaign", "utm_campaign"})) r.set_campaign(std::move(*t));
    if (auto t = said("keywords", {"keywords"})) r.set_keywords(std::move(*t));
    if (auto t = body.text({"note"}))
        r.set_note(std::move(*t));  // as the person wrote it
    else if (body.no_text({"note"}))
        strange.push_back("note");
    if (auto t = said("value", {"value"})) r.set_value(std::move(*t));
    if (auto t = said("lead_status", {"lead_status"})) r.set_lead_status(std::move(*t));
    if (auto b = taken("first_call", {"first_call"}, body.truth({"first_call"}))) r.set_first_call(*b);
    if (auto t = said("agent_email", {"agent_email"})) r.set_agent_email(std::move(*t));
    auto tags = body.list("tags");
    if (!tags) strange.push_back("tags");
    for (const auto& t : tags.value_or(std::vector<std::string>{}))
        if (!says_nothing(t)) r.add_tags(t);
    auto is_strange = [&](std::string_view field) { return std::find(strange.begin(), strange.end(), field) != strange.end(); };
    for (auto& c : body.changes())
        if (!is_strange(c)) r.add_changed(c);
    bool tags_changed = std::find(r.changed().begin(), r.changed().end(), "tags") != r.changed().end();
    r.set_has_tags(r.tags_size() > 0 || tags_changed);
    for (auto field : strange) kStrange({std::string(field)}).inc();
}

/// A text message, to a tracking number or from one, in CallRail's names and in those of seed 001.
void fill(const Body& body, pb::MessageReport& r) {
    auto ends = Ends::in(body);
    r.set_direction(ends.sent ? "outbound" : "inbound");
    r.set_status(ends.sent ? "sent" : "received");
    r.set_customer_phone(std::move(ends.customer.text));
    r.set_customer_phone_callable(ends.customer.e164);
    r.set_company_number(std::move(ends.company.text));
    r.set_has_body(true);  // whoever sends a picture alone writes none
    r.set_body(body.text({"content", "message", "text", "body"}).value_or(""));
    for (auto& url : body.list("media_urls", kLongestUrl + 1).value_or(std::vector<std::string>{}))
        if (url.size() <= kLongestUrl && (url.starts_with("https://") || url.starts_with("http://")) &&
            static_cast<std::size_t>(r.media_size()) < kMostMedia)
            r.add_media()->set_url(std::move(url));
    if (auto agent = body.said({"agent"})) r.set_agent(clip_utf8(*agent, 200));
    if (auto at = body.time(kTextTime)) r.set_sent_at_us(to_micros(*at));
    for (auto name : {"resource_id", "message_id", "id"})
        if (auto id = body.id({name}); id && id->size() <= 200 && r.provider_message_id().empty())
            r.set_provider_message_id(std::move(*id));
}

}  // namespace

struct Report::Impl {
    Impl(Result<Body> b, Of o) : body(std::move(b)), of(o) {
        if (body) addressee = addressee_in(*body, of);
    }
    void tell_call(std::string_view path, pb::ProviderEvent&) const;
    void tell_text(pb::ProviderEvent&) const;

    Result<Body> body;
    Of of;
    pb::Addressee addressee;
};

Report::Report(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Report::Report(Report&&) noexcept = default;
Report& Report::operator=(Report&&) noexcept = default;
Report::~Report() = default;

Report Report::read(std::string_view bytes, std::string_view content_type, Of of) {
    return Report(std::make_unique<Impl>(Body::read(bytes, content_type), of));
}

const pb::Addressee& Report::addressee() const { return impl_->addressee; }

void Report::tell(std::string_view path, pb::ProviderEvent& event) const {
    event.set_kind(impl_->of == Of::text ? "message.received" : std::string(path));
    if (!impl_->body) {
        event.set_not_understood(impl_->body.error().message);
    } else {
        *event.mutable_addressee() = impl_->addressee;
        if (impl_->of == Of::text)
            impl_->tell_text(event);
        else
            impl_->tell_call(path, event);
    }
    if (event.key().empty()) event.set_key("callrail:unknown");
}

void Report::Impl::tell_call(std::string_view path, pb::ProviderEvent& event) const {
    auto what = classify(*body, path);
    auto& report = *event.mutable_call();
    fill(*body, what, report);
    event.set_kind(what.kind);
    if (report.provider_call_id().empty()) event.set_not_understood("the body names no call (id, call_id or resource_id)");
    event.set_key(report.customer_phone_callable() ? report.customer_phone() : report.provider_call_id());
}

void Report::Impl::tell_text(pb::ProviderEvent& event) const {
    auto& report = *event.mutable_message();
    fill(*body, report);
    if (report.direction() == "outbound") event.set_kind("message.sent");
    if (report.provider_message_id().empty()) event.set_not_understood("the body names no text (resource_id, message_id or id)");
    event.set_key(report.customer_phone_callable() ? report.customer_phone() : report.provider_message_id());
}

}  // namespace otto::providers::callrail
