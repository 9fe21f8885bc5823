// What a call meant and sounded like: its analysis with people's corrections, its transcript, its recording.
#include "query-service/sql.hpp"
#include "reads.hpp"
#include "pg/json.hpp"
#include "resources/analysis.hpp"
#include "resources/rows.hpp"

namespace otto::query_service {
namespace {

using identity::Context;
using pg::Fields;

/// How long a link to a recording may be used; long enough to hear a call through.
constexpr Millis kLinkLasts{15 * 60'000};

/// False if there is no analysis; then nothing was written.
bool write_analysis(JsonWriter& w, Context& c, std::int64_t call, bool with_raw) {
    resources::Corrections corrections;
    for (auto& correction : c.tx().many<resources::Correction>(sql::call_corrections, {c.company(), call})) {
        auto field = correction.field;
        corrections.emplace(std::move(field), std::move(correction));
    }
    std::optional<std::string> raw;
    if (with_raw) c.tx().each(sql::call_analysis_raw, {c.company(), call}, [&](const Fields& f) { raw = f.text("raw"); });
    bool found = false;
    c.tx().each(sql::call_analysis, {c.company(), call}, [&](const Fields& f) {
        found = true;
        resources::analysis_value(w, f, corrections, raw);
    });
    return found;
}

void state_value(JsonWriter& w, const Fields& f) {
    w.key("analysis_state");
    if (f.is_null("analysis_state")) {
        w.null();
        return;
    }
    w.begin_object().member("state", f.view("analysis_state"));
    time_value(w.key("since"), f, "analysis_since");
    w.member("why", f.view("analysis_why")).member("cure", f.view("analysis_cure")).end_object();
}

/// A call that this person may see; 404 if there is none. Says why what is asked for is not there (yet).
struct Standing {
    std::string why, cure;
};
Standing standing_of(Context& c, std::int64_t& call) {
    Standing standing;
    read_call(c, call, [&](const Fields& f) { standing = Standing{f.text("analysis_why"), f.text("analysis_cure")}; });
    return standing;
}
[[noreturn]] void not_there(const std::string& what, std::int64_t call, const Standing& s) {
    auto cure = s.cure.empty() ? "Ask again later; it comes by itself if it can." : s.cure;
    identity::refuse(404, "No " + what, "Call " + std::to_string(call) + " has no " + what + ": " + (s.why.empty() ? "it was not analysed." : s.why) + " " + cure);
}

}  // namespace

http::Response Reads::call(Context& c) const {
    auto id = call_id_of(c);
    JsonWriter w;
    w.begin_object();
    read_call(c, id, [&](const Fields& f) {
        resources::call_columns(w, f, resources::Texts::whole);
        resources::nested_contact(w, f);
        resources::nested_lead(w, f, Viewer::of(c));
        w.member("has_transcript", f.boolean("has_transcript"));
        state_value(w, f);
    });
    w.key("analysis");
    if (!write_analysis(w, c, id, false)) w.null();
    return c.ok(w.end_object().take());
}

http::Response Reads::call_analysis(Context& c) const {
    auto id = call_id_of(c);
    auto standing = standing_of(c, id);
    JsonWriter w;
    if (!write_analysis(w, c, id, true)) not_there("analysis", id, standing);
    return c.ok(w.take());
}

http::Response Reads::call_transcript(Context& c) const {
    auto id = call_id_of(c);
    auto standing = standing_of(c, id);
    JsonWriter w;
    c.tx().each(sql::call_transcript, {c.company(), id}, [&](const Fields& f) {
        w.begin_object().member("call_id", f.integer("call_id"));
        texts(w, f, {"transcript_text"});
        json_value(w.key("speaker_labels"), f, "speaker_labels", "[]");
        number_value(w.key("confidence_score"), f, "confidence_score");
        texts(w, f, {"language"});
        w.member("word_count", f.maybe_integer("word_count"));
        times(w, f, {"received_at", "created_at", "updated_at"});
        w.end_object();
    });
    if (w.text().empty()) not_there("transcript", id, standing);
    return c.ok(w.take());
}

http::Response Reads::call_recording(Context& c) const {
    auto id = call_id_of(c);
    auto standing = standing_of(c, id);
    struct Recording {
        std::string status, object_key, error;
        std::optional<std::string> format, sha256;
        std::optional<std::int64_t> bytes, duration;
        static Recording from(const Fields& f) {
            return {f.text("status"), f.text("object_key"), f.text("error"), f.maybe_text("format"), f.maybe_text("sha256"), f.maybe_integer("bytes"), f.maybe_integer("duration")};
        }
    };
    auto recording = c.tx().maybe<Recording>(sql::call_recording, {c.company(), id});
    if (!recording || recording->status != "stored" || recording->object_key.empty()) {
        if (recording && recording->status != "pending" && !recording->error.empty()) standing.why = "The recording cannot be had: " + recording->error + ".";
        not_there("recording", id, standing);
    }
    if (!links_.ok()) identity::refuse(503, "Recordings cannot be handed out", links_.error().message + (links_.error().hint.empty() ? "" : "; " + links_.error().hint));
    auto until = c.request.received_at + kLinkLasts;
    auto url = links_->url_until(c.company().value(), recording->object_key, until);
    JsonWriter w;
    w.begin_object().member("call_id", id).member("url", url).member("expires_at", to_rfc3339(until)).member("format", recording->format).member("sha256", recording->sha256);
    w.member("bytes", recording->bytes).member("duration", recording->duration).end_object();
    // Who asks for JSON gets the link; a player is led to it.
    bool told = c.request.headers.get("Accept").find("application/json") != std::string_view::npos;
    auto response = c.ok(w.take(), told ? 200 : 302);
    response.headers.set("Cache-Control", "no-store");
    if (!told) response.headers.set("Location", url);
    return response;
}

}  // namespace otto::query_service
