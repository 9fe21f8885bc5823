#include "analyses.hpp"

#include "api/analysis.hpp"
#include "api/asked.hpp"
#include "folded.hpp"
#include "pg/json.hpp"
#include "query-service/sql.hpp"
#include "roles.hpp"

namespace otto::query_service {
namespace {

using api::Context;
using pg::Fields;

/// A call that this person may see, and why what is asked for is not there, if it is not.
struct Heard {
    CallId id;
    std::string why, cure;
    /// 404 if there is no such call.
    static Heard of(Context& c) {
        api::takes_nothing(c);
        Heard call{c.call_id(), {}, {}};
        read_call(c, call.id, [&](const Fields& f) {
            call.why = f.text("analysis_why");
            call.cure = f.text("analysis_cure");
        });
        return call;
    }
    [[noreturn]] void has_no(const std::string& what) const {
        api::refuse(404, "No " + what,
                    "Call " + std::to_string(id.value()) + " has no " + what + ": " +
                        (why.empty() ? "it was not analysed." : why) + " " +
                        (cure.empty() ? "Ask again later; it comes by itself if it can." : cure));
    }
};

struct Recording {
    std::string status, object_key, error;
    std::optional<std::string> format, sha256;
    std::optional<std::int64_t> bytes, duration;
    static Recording from(const Fields& f) {
        return {f.text("status"),           f.text("object_key"),   f.text("error"),
                f.maybe_text("format"),     f.maybe_text("sha256"), f.maybe_integer("bytes"),
                f.maybe_integer("duration")};
    }
};

}  // namespace

void Analyses::routes(api::Api& api) const {
    api.get("/api/v1/calls/{call_id}/analysis", kEverybody, *this, &Analyses::analysis);
    api.get("/api/v1/calls/{call_id}/transcript", kEverybody, *this, &Analyses::transcript);
    api.get("/api/v1/calls/{call_id}/recording", kEverybody, *this, &Analyses::recording);
}

http::Response Analyses::analysis(Context& c) const {
    auto call = Heard::of(c);
    JsonWriter w;
    if (!resources::write_analysis(w, c.tx(), c.company(), call.id, true)) call.has_no("analysis");
    return c.ok(w.take());
}

http::Response Analyses::transcript(Context& c) const {
    auto call = Heard::of(c);
    JsonWriter w;
    c.tx().each(sql::call_transcript, {c.company(), call.id}, [&](const Fields& f) {
        w.begin_object().member("call_id", f.integer("call_id"));
        pg::texts(w, f, {"transcript_text"});
        pg::json_value(w.key("speaker_labels"), f, "speaker_labels", "[]");
        pg::number_value(w.key("confidence_score"), f, "confidence_score");
        pg::texts(w, f, {"language"});
        w.member("word_count", f.maybe_integer("word_count"));
        pg::times(w, f, {"received_at", "created_at", "updated_at"});
        w.end_object();
    });
    if (w.text().empty()) call.has_no("transcript");
    return c.ok(w.take());
}

http::Response Analyses::recording(Context& c) const {
    auto call = Heard::of(c);
    auto recording = c.tx().maybe<Recording>(sql::call_recording, {c.company(), call.id});
    if (!recording || recording->status != "stored" || recording->object_key.empty()) {
        if (recording && recording->status != "pending" && !recording->error.empty())
            call.why = "The recording cannot be had: " + recording->error + ".";
        call.has_no("recording");
    }
    auto link = links_.to(c, recording->object_key);
    JsonWriter w;
    w.begin_object()
        .member("call_id", call.id.value())
        .member("url", link.url)
        .member("expires_at", to_rfc3339(link.until))
        .member("format", recording->format);
    w.member("sha256", recording->sha256).member("bytes", recording->bytes).member("duration", recording->duration).end_object();
    // Who asks for JSON gets the link; a player is led to it.
    bool told = c.request.headers.get("Accept").find("application/json") != std::string_view::npos;
    auto response = c.ok(w.take());
    response.headers.set("Cache-Control", "no-store");
    if (told) return response;
    return link.lead(std::move(response));
}

}  // namespace otto::query_service
