#include "shunya.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "base/json_page.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"

namespace otto::shunya_ingress {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::size_t kLongestId = 500;
constexpr std::int64_t kLargestCallId = (1ll << 53) - 1;

/// Postgres knows no NUL, which JSON may hold.
std::string keepable(std::string_view text, std::size_t most) {
    auto out = clip_utf8(text, most);
    std::erase(out, '\0');
    return std::string(trim(out));
}

std::string text(JsonView object, std::initializer_list<std::string_view> names) {
    for (auto name : names)
        if (auto value = object[name].loose_text(); value && !object[name].is_bool())
            if (auto kept = keepable(*value, kLongestId); !kept.empty()) return kept;
    return "";
}

/// A call's id: 4711, 4711.0 and either as text.
std::optional<std::int64_t> call_id(JsonView v) {
    auto said = v.is_bool() ? std::nullopt : v.loose_text();
    if (!said) return std::nullopt;
    auto digits = whole_number_text(*said);
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (error != std::errc{} || end != digits.data() + digits.size() || n <= 0 || n > kLargestCallId) return std::nullopt;
    return n;
}

bool any_of(std::string_view word, std::initializer_list<std::string_view> words) { return std::find(words.begin(), words.end(), word) != words.end(); }

/// How a job stands, in one of three words; "" for a word that nobody has said yet.
std::string_view stands(std::string_view status, std::string_view event_type) {
    if (any_of(status, {"completed", "complete", "succeeded", "success", "done"})) return "completed";
    if (any_of(status, {"failed", "failure", "error", "timeout", "timed_out", "cancelled", "canceled"})) return "failed";
    if (any_of(status, {"processing", "pending", "queued", "running", "started", "in_progress", "accepted", "submitted"})) return "processing";
    if (!status.empty()) return "";
    if (event_type.ends_with(".complete") || event_type.ends_with(".completed")) return "completed";
    if (event_type.ends_with(".failed")) return "failed";
    return "";
}

std::string why_not_understood(const pb::JobReport& job, std::string_view standing, bool has_call) {
    if (job.shunya_job_id().empty() && job.call_id() == 0)
        return has_call ? "its call_id is no whole number of a call, and it names no job (shunya_job_id, job_id or task_id)"
                        : "it names no job (shunya_job_id, job_id or task_id) and no call (call_id)";
    if (standing.empty()) return job.status().empty() ? "it says neither status nor event_type" : "status '" + clip_utf8(job.status(), 60) + "' is not known";
    return "";
}

ingress::Normalized normalized(const http::Request& request) {
    ingress::Normalized n;
    n.event = std::make_shared<pb::ProviderEvent>();
    auto& event = *n.event;
    event.set_kind("job.report");
    event.set_key("shunya:unknown");
    auto& job = *event.mutable_job();
    auto parsed = JsonDocument::parse(request.body);
    if (!parsed || !parsed->root().is_object()) {
        event.set_not_understood(parsed ? "the body is no JSON object" : "the body is no JSON: " + parsed.error().message);
    } else {
        auto body = parsed->root();
        auto inner = body["result"].is_object() ? body["result"] : body["data"];
        // X-Shunya-Task-Id names a job too, but nobody has signed that header: it would choose whose the report is.
        auto id = text(body, {"shunya_job_id", "job_id", "task_id"});
        job.set_shunya_job_id(id.empty() ? text(inner, {"shunya_job_id", "job_id", "task_id"}) : id);
        auto call = body["call_id"].exists() && !body["call_id"].is_null() ? body["call_id"] : inner["call_id"];
        if (auto number = call_id(call)) job.set_call_id(*number);
        job.set_event_type(lower(text(body, {"event_type", "event"})));
        job.set_status(lower(text(body, {"status", "job_status"})));
        job.set_claimed_company_id(text(body, {"company_id"}));
        auto standing = stands(job.status(), job.event_type());
        event.set_not_understood(why_not_understood(job, standing, call.exists() && !call.is_null()));
        if (!standing.empty()) event.set_kind("job." + std::string(standing));
    }
    if (!job.shunya_job_id().empty()) event.set_key(job.shunya_job_id());
    else if (job.call_id() != 0) event.set_key("call:" + std::to_string(job.call_id()));
    n.identity = event.key();
    n.waits = !event.not_understood().empty();
    return n;
}

struct Read final : ingress::Reading {
    ingress::Normalized normalize(const http::Request& request) const override { return normalized(request); }
};

std::optional<ingress::Judgement> forged(std::optional<Refusal> refusal) {
    if (!refusal) return std::nullopt;
    ingress::Judgement out{ingress::Verdict::forged, {}, std::move(refusal->why)};
    out.cure = std::move(refusal->cure);
    out.operators_cure = std::move(refusal->operators_cure);
    return out;
}

}  // namespace

std::optional<ingress::Judgement> Shunya::refused_by_head(const http::Request& request, bool allow_unsigned, Instant now) const {
    if (secrets_.empty() && allow_unsigned) return std::nullopt;
    return forged(shunya_ingress::refused_by_head(scheme_, request.headers, secrets_, now));
}

std::optional<ingress::Judgement> Shunya::judge_alone(const http::Request& request, bool allow_unsigned, Instant now) const {
    if (secrets_.empty() && allow_unsigned) return ingress::Judgement{ingress::Verdict::unsigned_};
    if (auto judgement = forged(refused_because(scheme_, request.headers, request.body, secrets_, now))) return judgement;
    return ingress::Judgement{ingress::Verdict::authentic};
}

std::unique_ptr<ingress::Reading> Shunya::read(const http::Request&) const { return std::make_unique<Read>(); }

std::vector<std::pair<std::string, std::string>> Shunya::signature_headers(const http::Request& request) const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [name, value] : request.headers.items())
        for (std::string_view wanted : {"X-Shunya-Signature", "X-Shunya-Timestamp", "X-Shunya-Task-Id", "X-UWC-Signature", "X-UWC-Timestamp", "X-Event-ID"})
            if (iequals(name, wanted)) out.emplace_back(std::string(wanted), value);
    return out;
}

}  // namespace otto::shunya_ingress
