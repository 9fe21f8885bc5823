// How Shunya's jobs stand, in our words.
#include <charconv>
#include <initializer_list>

#include "base/json_page.hpp"
#include "base/text.hpp"
#include "keepable.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/shunya.hpp"
#include "providers/shunya_webhook.hpp"

namespace otto::providers::shunya {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::size_t kLongestId = 500;
constexpr std::int64_t kLargestCallId = (1ll << 53) - 1;

std::string text(JsonView object, std::initializer_list<std::string_view> names) {
    for (auto name : names)
        if (auto value = object[name].loose_text(); value && !object[name].is_bool())
            if (auto kept = std::string(trim(keepable(*value, kLongestId))); !kept.empty()) return kept;
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

/// How a job stands, in one of three words; "" for a word that nobody has said yet.
std::string_view stands(const pb::JobReport& job) {
    auto progress = progress_of(job.status(), job.event_type());
    if (!progress) return "";
    switch (*progress) {
        case Progress::done:
            return "completed";
        case Progress::failed:
            return "failed";
        case Progress::running:
            return "processing";
        case Progress::unknown:
            break;
    }
    return "";
}

std::string why_not_understood(const pb::JobReport& job, std::string_view standing, bool has_call) {
    if (job.shunya_job_id().empty() && job.call_id() == 0)
        return has_call ? "its call_id is no whole number of a call, and it names no job (shunya_job_id, job_id or task_id)"
                        : "it names no job (shunya_job_id, job_id or task_id) and no call (call_id)";
    if (standing.empty())
        return job.status().empty() ? "it says neither status nor event_type"
                                    : "status '" + clip_utf8(job.status(), 60) + "' is not known";
    return "";
}

class Read final : public Reading {
public:
    // The claim stands in the body, which is not read before its signature is known to be right.
    const pb::Addressee& addressee() const override { return pb::Addressee::default_instance(); }

    Normalized normalize(const Parts& parts) const override {
        Normalized n;
        n.event = new_event();
        auto& event = *n.event;
        event.set_kind("job.report");
        event.set_key("shunya:unknown");
        auto& job = *event.mutable_job();
        auto parsed = JsonDocument::parse(parts.body);
        if (!parsed || !parsed->root().is_object())
            event.set_not_understood(parsed ? "the body is no JSON object" : "the body is no JSON: " + parsed.error().message);
        else
            tell(parsed->root(), event);
        if (!job.shunya_job_id().empty())
            event.set_key(job.shunya_job_id());
        else if (job.call_id() != 0)
            event.set_key("call:" + std::to_string(job.call_id()));
        n.identity = event.key();
        n.waits = !event.not_understood().empty();
        return n;
    }

private:
    static void tell(JsonView body, pb::ProviderEvent& event) {
        auto& job = *event.mutable_job();
        auto inner = body["result"].is_object() ? body["result"] : body["data"];
        // X-Shunya-Task-Id names a job too, but nobody has signed that header: it would choose whose the report is.
        auto id = text(body, {"shunya_job_id", "job_id", "task_id"});
        job.set_shunya_job_id(id.empty() ? text(inner, {"shunya_job_id", "job_id", "task_id"}) : id);
        auto call = body["call_id"].exists() && !body["call_id"].is_null() ? body["call_id"] : inner["call_id"];
        if (auto number = call_id(call)) job.set_call_id(*number);
        job.set_event_type(lower(text(body, {"event_type", "event"})));
        job.set_status(lower(text(body, {"status", "job_status"})));
        if (auto claimed = text(body, {"company_id"}); !claimed.empty())
            event.mutable_addressee()->set_claimed_company_id(std::move(claimed));
        auto standing = stands(job);
        event.set_not_understood(why_not_understood(job, standing, call.exists() && !call.is_null()));
        if (!standing.empty()) event.set_kind("job." + std::string(standing));
    }
};

}  // namespace

std::unique_ptr<Reading> Webhook::read(const Parts&) const { return std::make_unique<Read>(); }

std::vector<std::string_view> Webhook::signature_headers() const {
    return {"X-Shunya-Signature", "X-Shunya-Timestamp", "X-Shunya-Task-Id", "X-UWC-Signature", "X-UWC-Timestamp", "X-Event-ID"};
}

const providers::Webhook& webhook() {
    static const Webhook one(Scheme::timestamp_dot_body);
    return one;
}

}  // namespace otto::providers::shunya
