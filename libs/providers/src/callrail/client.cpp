#include <algorithm>
#include <set>

#include "base/json_page.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/callrail.hpp"
#include "providers/callrail_report.hpp"
#include "providers/webhook.hpp"

namespace otto::providers::callrail {
namespace {

constexpr const char* kPerPage = "250";
/// Beside the default fields of a call.
constexpr const char* kFields = "company_id,source,source_name,campaign,keywords,lead_status,note,tags,value,first_call";

/// Webhooks may know a call by its number only; the API tells it in the recording's address:
/// https://app.callrail.com/calls/766970532/recording?…
std::string number_in(std::string_view address) {
    constexpr std::string_view mark = "/calls/";
    auto at = address.find(mark);
    if (at == std::string_view::npos) return "";
    auto rest = address.substr(at + mark.size());
    auto digits = rest.substr(0, rest.find_first_not_of("0123456789"));
    return digits.size() < 20 && rest.substr(digits.size()).starts_with("/recording") ? std::string(digits) : "";
}

ListedCall call_in(std::string_view json, JsonView entry) {
    ListedCall call;
    call.json = json;
    call.event = new_event();
    Report::read(call.json, "application/json", Report::Of::call).tell("call.completed", *call.event);
    auto& report = *call.event->mutable_call();
    call.id = report.provider_call_id();
    for (auto name : {"recording_player", "recording"})
        if (auto address = entry[name].string(); call.other_id.empty() && address) call.other_id = number_in(*address);
    if (call.other_id == call.id) call.other_id.clear();
    if (!call.other_id.empty()) report.add_aliases(call.other_id);
    if (report.has_started_at_us()) call.started_at = from_micros(report.started_at_us());
    if (report.has_ended_at_us())
        call.ended_at = from_micros(report.ended_at_us());
    else
        call.ended_at = call.started_at;
    call.over = report.has_duration_s() || report.has_recording_url() || report.status() == "voicemail";
    return call;
}

ApiError error_of(const http::Response& answer, Instant now) {
    using Kind = ApiError::Kind;
    auto kind = answer.status == 401   ? Kind::refused_key
                : answer.status == 403 ? Kind::no_account
                : answer.status == 404 ? Kind::not_found
                : answer.status == 429 ? Kind::busy
                                       : Kind::failed;
    ApiError error{kind, "CallRail answered " + std::to_string(answer.status)};
    if (kind == Kind::busy) {
        error.why += ": the account's requests are used up for now";
        error.after = http::retry_after(answer.headers.get("Retry-After"), now);
    }
    return error;
}

template <class T>
Reply<T> page_of(Result<T> read) {
    if (!read) return ApiError{ApiError::Kind::unreadable, read.error().message};
    return std::move(*read);
}

}  // namespace

Result<CallPage> read_calls(std::string_view json) {
    auto parsed = JsonPage::parse(json, "calls");
    if (!parsed) return Error("CallRail's list of calls is no JSON: " + parsed.error().message);
    auto root = parsed->document.root(), list = root["calls"];
    if (!list.is_array()) return Error("CallRail's answer holds no list of calls");
    CallPage page;
    page.unreadable = std::move(parsed->unfit);
    page.pages =
        static_cast<std::size_t>(std::clamp<std::int64_t>(root["total_pages"].loose_integer().value_or(1), 1, 1'000'000));
    for (std::size_t i = 0; i < list.size() && i < parsed->entries.size(); ++i) {
        if (!list.at(i).is_object()) continue;
        auto call = call_in(parsed->entries[i], list.at(i));
        if (call.event->not_understood().empty()) page.calls.push_back(std::move(call));  // without an id it is nobody's
    }
    return page;
}

Result<TrackerPage> read_trackers(std::string_view json, const std::optional<std::string>& callrail_company_id) {
    auto parsed = JsonPage::parse(json, "trackers");
    if (!parsed || !parsed->document.root()["trackers"].is_array()) return Error("CallRail's answer holds no list of trackers");
    TrackerPage page;
    page.whole = parsed->unfit.empty();
    auto root = parsed->document.root(), list = root["trackers"], total = root["total_pages"];
    auto pages = total.loose_integer();
    if (!pages && total.exists() && !total.is_null()) page.whole = false;
    page.pages = static_cast<std::size_t>(std::max<std::int64_t>(1, pages.value_or(1)));
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto tracker = list.at(i);
        if (tracker["status"].string() == "disabled") continue;
        if (callrail_company_id && tracker["company"]["id"].loose_text() != callrail_company_id) continue;
        auto numbers = tracker["tracking_numbers"];
        if (!tracker.is_object() || (numbers.exists() && !numbers.is_null() && !numbers.is_array())) page.whole = false;
        for (std::size_t n = 0; numbers.is_array() && n < numbers.size(); ++n) {
            auto number = numbers.at(n);
            if (!number.is_string() && !number.is_number()) page.whole = false;
            if (auto phone = normalize_phone(number.loose_text().value_or("")); phone.e164) page.numbers.push_back(phone.text);
        }
    }
    return page;
}

FoundKey key_among(std::string_view text, const std::optional<std::string>& callrail_company_id) {
    auto parsed = JsonPage::parse(text, "integrations");
    auto list = parsed ? parsed->document.root()["integrations"] : JsonView{};
    if (!list.is_array()) return {{}, "CallRail's answer holds no list of integrations"};
    std::set<std::string> all, ours;
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto entry = list.at(i);
        if (!iequals(entry["type"].string().value_or(""), "webhooks")) continue;
        auto key = entry["signing_key"].loose_text();
        if (!key) continue;
        all.insert(*key);
        if (callrail_company_id && (entry["company_id"].loose_text() == callrail_company_id ||
                                    entry["company_resource_id"].loose_text() == callrail_company_id))
            ours.insert(*key);
    }
    const auto& fitting = callrail_company_id && !ours.empty() ? ours : all;
    if (fitting.size() == 1) return {*fitting.begin(), ""};
    if (fitting.empty()) return {{}, "CallRail has no webhook integration for this company yet"};
    return {{}, "the account has webhook integrations of several companies; set callrail_company_id"};
}

void authorize(http::Headers& headers, const Secret& key) {
    headers.add("Authorization", "Token token=\"" + key.reveal() + "\"");
}

std::optional<std::string> recording_path(std::string_view account_id, std::string_view call_id) {
    auto account = path_segment(account_id), call = path_segment(call_id);
    if (!account || !call) return std::nullopt;
    return "/v3/a/" + *account + "/calls/" + *call + "/recording.json";
}

Reply<std::string> Client::get(const Account& account, const std::string& what, const tel::TraceContext& trace) const {
    http::ClientRequest request{http::Method::get, api_ + "/v3/a/" + percent_encode(account.id) + "/" + what, {}, "", trace};
    authorize(request.headers, account.key);
    request.headers.add("Accept", "application/json");
    auto answer = http_.send(request);
    if (!answer) return ApiError{ApiError::Kind::no_answer, "CallRail does not answer: " + answer.error().message};
    if (answer->status != 200) return error_of(*answer, system_clock().now());
    return std::move(answer->body);
}

Reply<CallPage> Client::calls(const Account& account, Instant from, Instant to, std::size_t page,
                              const tel::TraceContext& trace) const {
    auto reply = get(account,
                     std::string("calls.json?order=asc&sort=start_time&sorting=start_time&per_page=") + kPerPage +
                         "&start_date=" + percent_encode(to_rfc3339(from)) + "&end_date=" + percent_encode(to_rfc3339(to)) +
                         "&fields=" + kFields + "&page=" + std::to_string(page),
                     trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    return page_of(read_calls(std::get<std::string>(reply)));
}

Reply<TrackerPage> Client::trackers(const Account& account, const std::optional<std::string>& company, std::size_t page,
                                    const tel::TraceContext& trace) const {
    auto reply = get(account, std::string("trackers.json?per_page=") + kPerPage + "&page=" + std::to_string(page), trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    return page_of(read_trackers(std::get<std::string>(reply), company));
}

Reply<FoundKey> Client::signing_key(const Account& account, const std::optional<std::string>& company,
                                    const tel::TraceContext& trace) const {
    auto reply = get(account, std::string("integrations.json?per_page=") + kPerPage, trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    return key_among(std::get<std::string>(reply), company);
}

}  // namespace otto::providers::callrail
