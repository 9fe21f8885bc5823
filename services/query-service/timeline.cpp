#include "timeline.hpp"

#include <algorithm>

#include "api/resources.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace otto::query_service {

void add_call(Timeline& out, const pg::Fields& f) {
    auto seconds = f.maybe_integer("duration");
    auto inbound = f.text("direction") == "inbound";
    auto call = std::to_string(f.integer("call_id"));
    auto began = f.time("started_at").value_or(*f.time("created_at"));
    auto ended = f.time("ended_at");
    out.push_back({began, "call", inbound ? "Call from the customer" : "Call to the customer",
                   "call " + call + ", " + f.text("status") + (seconds ? ", " + std::to_string(*seconds) + " s" : "")});
    if (f.boolean("missed_call"))
        out.push_back({ended.value_or(began), "missed_call",
                       f.text("status") == "voicemail" ? "The customer left a voicemail" : "Nobody answered", "call " + call});
    else if (ended)
        out.push_back({*ended, "call_ended", "The call ended", seconds ? std::to_string(*seconds) + " s" : ""});
    if (!f.is_null("recording_url"))
        out.push_back({ended.value_or(*f.time("updated_at")), "recording", "A recording is available",
                       "/api/v1/calls/" + call + "/recording"});
    if (auto note = f.maybe_text("note")) out.push_back({*f.time("updated_at"), "note", "Note", *note});
}

void add_appointment(Timeline& out, const pg::Fields& f) {
    auto start = f.time("scheduled_start"), former = f.time("moved_from"), moved = f.time("moved_at");
    auto made = start || former ? "An appointment was made" : "An appointment was made, without a time";
    out.push_back({*f.time("created_at"), "appointment", made, start && !former ? "for " + to_rfc3339(*start) : ""});
    if (former && moved)
        out.push_back({*moved, "appointment", "The appointment was moved",
                       "from " + to_rfc3339(*former) + (start ? " to " + to_rfc3339(*start) : ", to no time yet")});
}

void add_task(Timeline& out, const pg::Fields& f) {
    out.push_back({*f.time("created_at"), "task", "A task was made", f.text("description")});
    if (auto at = f.time("completed_at")) out.push_back({*at, "task", "A task was completed", f.text("description")});
}

namespace {

/// How a text to a customer stands, as far as that is worth a word.
std::string_view standing(const pg::Fields& f) {
    const auto status = f.view("status").value_or("");
    if (status == "scheduled") return ", which waits for its time";
    if (status == "queued" || status == "sending") return ", which is on its way";
    if (status == "canceled") return ", which was cancelled";
    if (status == "failed" || status == "undelivered") return ", which did not arrive";
    return f.boolean("status_unknown") ? ", of which nobody says whether it arrived" : "";
}

/// Why it was written, where nobody wrote it; and why it does not leave, or did not arrive.
std::string reasons(const pg::Fields& f) {
    std::string out;
    for (auto column : {"reason", "paused_why", "error_message"})
        if (auto why = f.view(column); why && !why->empty()) out.append(out.empty() ? "" : "; ").append(*why);
    return out;
}

}  // namespace

void add_message(Timeline& out, const pg::Fields& f) {
    const bool inbound = f.text("direction") == "inbound";
    auto words = f.maybe_text("body").value_or("What was written is not known; its delivery is: " + f.text("status"));
    if (f.view("media") != "[]") words.append(words.empty() ? "" : " ").append("(with attachments)");
    // A long text leaves room for what became of it.
    if (auto why = " (" + clip_utf8(reasons(f), resources::kBrief / 2) + ")"; why != " ()")
        words = clip_utf8(words, resources::kBrief - why.size()) + why;
    const std::string title = inbound                  ? "Text from the customer"
                              : f.boolean("automatic") ? "Automatic text to the customer"
                                                       : "Text to the customer";
    out.push_back({*f.time("sent_at"), "message", inbound ? title : title + std::string(standing(f)), std::move(words)});
}

void add_voicemail(Timeline& out, const pg::Fields& f) {
    auto seconds = f.maybe_integer("duration");
    auto said = f.maybe_text("summary");
    if (!said) said = f.maybe_text("transcript");
    if (!said && !f.is_null("recording_url")) said = "/api/v1/calls/" + std::to_string(f.integer("call_id")) + "/recording";
    out.push_back({*f.time("created_at"), "voicemail",
                   "The customer's voicemail" + (seconds ? ", " + std::to_string(*seconds) + " s" : ""), said.value_or("")});
}

std::string timeline_json(Timeline entries) {
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    JsonWriter w;
    w.begin_array();
    for (const auto& e : entries)
        w.begin_object()
            .member("at", to_rfc3339(e.at))
            .member("kind", e.kind)
            .member("title", e.title)
            .member("detail", resources::brief(e.detail))
            .end_object();
    return w.end_array().take();
}

}  // namespace otto::query_service
