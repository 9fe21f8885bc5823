#include "aloha.hpp"

#include "api/resources.hpp"
#include "folded.hpp"
#include "pg/json.hpp"
#include "roles.hpp"
#include "words.hpp"

namespace otto::query_service {
namespace {

using api::Context;
using pg::Fields;
using resources::Texts;

constexpr std::int64_t kPageSize = 20, kLargestPage = 100;
constexpr std::int64_t kFurthest = 10'000;  ///< rows that a page may begin behind, as of every list by `offset`

/// How a call ended, in the app's words; nothing for one that is not over.
std::optional<std::string_view> outcome_of(std::string_view status) {
    if (status == "completed") return "answered";
    if (status == "missed" || status == "failed") return "missed";
    if (status == "voicemail") return "voicemail";
    return std::nullopt;
}

/// The app knows three words; Shunya gives a number from 0 to 1.
std::optional<std::string_view> sentiment_of(const Fields& f) {
    if (f.is_null("sentiment_score")) return std::nullopt;
    const auto score = f.number("sentiment_score");
    return score < 0.4 ? "negative" : score > 0.6 ? "positive" : "neutral";
}

void recording_url(JsonWriter& w, const Fields& f, CallId call) {
    w.key("recordingUrl");
    if (f.is_null("recording_url"))
        w.null();
    else
        w.value("/api/v1/calls/" + std::to_string(call.value()) + "/recording");
}

/// Columns of a call, into an object that is open.
void call_columns(JsonWriter& w, const Fields& f, Texts length) {
    w.member("id", f.integer("call_id"));
    resources::customer_name(w.key("callerName"), f);
    w.member("callerNumber", f.view("phone_number"));
    pg::time_value(w.key("startedAt"), f, "happened_at");
    w.member("durationSeconds", f.maybe_integer("duration"))
        .member("outcome", outcome_of(f.view("status").value_or("")))
        .member("sentiment", sentiment_of(f));
    if (auto summary = f.view("summary"); summary && length == Texts::cut)
        w.member("summary", resources::brief(*summary));
    else
        w.member("summary", summary);
}

void call_item(JsonWriter& w, const Fields& f) {
    w.begin_object();
    call_columns(w, f, Texts::cut);
    w.end_object();
}

}  // namespace

void Aloha::routes(api::Api& api) const {
    api.get("/api/aloha/calls", kOffice, *this, &Aloha::list);
    api.get("/api/aloha/calls/{call_id}", kOffice, *this, &Aloha::one);
}

http::Response Aloha::list(Context& c) const {
    const api::Asked asked(c.request, {"page", "pageSize", "outcome", "search"}, api::Asked::Paged::no);
    const auto size = asked.whole("pageSize", kPageSize, 1, kLargestPage);
    const auto number = asked.whole("page", 1, 1, kFurthest / size + 1, "; GET /api/v1/calls has a cursor for what lies beyond");
    const auto outcome = asked.one_of("outcome", words::aloha_outcome);
    auto found = Found::of(c, lists_.calls.noun(), asked.search());
    auto page = api::Page::newest("started_at", size);
    page.offset = (number - 1) * size;

    JsonWriter w;
    w.begin_object().key("items");
    api::Extent extent{};
    if (outcome && outcome != "answered") {
        extent = lists_.unanswered_calls.write_items(
            w, c, page, {.unanswered = *outcome, .found = found.ids, .words = found.patterns}, call_item);
    } else {
        auto known = [&] {
            return found.rows ? *found.rows : c.tx().value<std::int64_t>(sql::answered_calls, {c.company()}).value_or(0);
        };
        extent = lists_.aloha_calls.write_items(
            w, c, page, {.answered = outcome ? pg::Param(true) : pg::Param(nullptr), .found = found.ids, .words = found.patterns},
            call_item, known);
    }
    w.member("page", number).member("pageSize", size).member("total", extent.total);
    if (extent.is_lower_bound) w.member("totalIsLowerBound", true);
    return c.ok(w.end_object().take());
}

http::Response Aloha::one(Context& c) const {
    api::takes_nothing(c);
    auto id = c.call_id();
    JsonWriter w;
    w.begin_object();
    read_call(c, id, sql::one_aloha_call, [&](const Fields& f) {
        call_columns(w, f, Texts::whole);
        recording_url(w, f, id);
    });
    w.key("voicemail");
    bool left = false;
    c.tx().each(sql::voicemail_of_call, {c.company(), id}, [&](const Fields& f) {
        left = true;
        w.begin_object().member("id", f.view("id"));
        recording_url(w, f, id);
        w.member("recordingDurationSeconds", f.maybe_integer("duration"))
            .member("transcript", f.view("transcript"))
            .member("summary", f.view("summary"))
            .member("status", f.view("status"))
            .member("isRead", f.view("status") != "new");
        pg::time_value(w.key("createdAt"), f, "created_at");
        w.end_object();
    });
    if (!left) w.null();
    return c.ok(w.end_object().take());
}

}  // namespace otto::query_service
