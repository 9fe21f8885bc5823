#include "audit.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "lists.hpp"
#include "pg/json.hpp"
#include "roles.hpp"

namespace otto::query_service {
namespace {

using pg::Fields;

/// What was done, as "did it" and to what. The target stands behind the noun where it tells more than the noun does.
struct Words {
    std::string_view action, did, to;
    enum class Target { named, left_out } target = Target::named;
};
constexpr auto kLeftOut = Words::Target::left_out;
constexpr Words kWords[] = {
    {"analysis.correct", "corrected", "the analysis of call"},
    {"analysis.retry", "had the analysis tried again of call", ""},
    {"appointment.change", "changed", "the appointment"},
    {"appointment.create", "made", "the appointment"},
    {"appointment.release", "took the rep off", "the appointment"},
    {"callrail.credentials", "set the CallRail credentials of", "the company", kLeftOut},
    {"callrail.test", "had the CallRail account tested of", "the company", kLeftOut},
    {"company.create", "created", "the company", kLeftOut},
    {"company.created", "finished what a request had left undone, and made", "the company", kLeftOut},
    {"company.resume", "let in again", "the company", kLeftOut},
    {"company.suspend", "suspended", "the company", kLeftOut},
    {"company.update", "changed", "the company", kLeftOut},
    {"dead_letter.discard", "gave up an event that had failed,", ""},
    {"dead_letter.edit", "mended an event that had failed,", ""},
    {"dead_letter.redrive", "had an event tried again that had failed,", ""},
    {"held.release", "let in a webhook that had been held,", ""},
    {"lead.change", "changed", "the lead"},
    {"lead.claim", "claimed", "the lead"},
    {"lead.release", "gave back to the pool", "the lead"},
    {"message.cancel", "cancelled", "the text"},
    {"message.send", "sent", "the text"},
    {"number.add", "registered", "the number"},
    {"number.bought", "registered, as it was bought after all,", "the number"},
    {"number.buy", "bought", "the number"},
    {"number.change", "changed", "the number"},
    {"number.end", "gave up", "the number"},
    {"number.webhooks", "let Twilio send calls and texts here of", "the number"},
    {"opt_out.enter", "entered", "the opt-out"},
    {"opt_out.take_back", "took back", "the opt-out"},
    {"task.cancel", "cancelled", "the task"},
    {"task.change", "changed", "the task"},
    {"task.complete", "completed", "the task"},
    {"task.create", "made", "the task"},
    {"task.release", "took the assignee off", "the task"},
    {"text.retry", "had a text tried again,", ""},
    {"twilio.credentials", "connected to Twilio", "the company", kLeftOut},
    {"twilio.test", "had the Twilio account tested of", "the company", kLeftOut},
    {"user.add", "added", ""},
    {"user.change", "changed", ""},
    {"user.invite", "invited", ""},
    {"user.remove", "removed from the company", ""},
    {"user.revoke", "took back the invitation of", ""},
    {"voicemail.change", "changed", "the voicemail"},
};

const Words* words_of(std::string_view action) {
    auto found = std::find_if(std::begin(kWords), std::end(kWords), [&](const Words& w) { return w.action == action; });
    return found == std::end(kWords) ? nullptr : found;
}

/// "assigned_rep_id" as people say it: "assigned rep".
std::string spoken(std::string_view field) {
    if (field == "due_at") return "due time";
    if (field.ends_with("_id")) field.remove_suffix(3);
    std::string out(field);
    std::replace(out.begin(), out.end(), '_', ' ');
    return out;
}

std::string name_of(const Deed& d, std::string_view id) { return std::string(d.names[id].string().value_or(id)); }

std::string value_of(const Deed& d, const JsonView& value) {
    if (!value.exists() || value.is_null()) return "none";
    if (auto text = value.string()) return name_of(d, *text);
    return value.dump();
}

std::string who(const Deed& d) {
    if (d.actor == "system") return "Otto";
    if (d.actor == "clerk") return "Clerk";
    return (d.actor == "operator" ? "The operator " : "") + name_of(d, d.user);
}

std::string target_of(const Deed& d, const Words& w) {
    std::string out(w.to);
    if (w.target == kLeftOut) return out;
    auto number = d.action.starts_with("number.") ? d.detail["e164"].string() : std::nullopt;
    return out + (out.empty() ? "" : " ") + (number ? std::string(*number) : name_of(d, d.target));
}

/// "the status of the task 7 from open to completed, and its priority from low to high"; "" if no values are known.
std::string changes(const Deed& d, const std::string& target) {
    std::string out;
    const auto fields = d.before.members();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto field = spoken(fields[i].name);
        out += i == 0 ? "the " + field + " of " + target : (i + 1 == fields.size() ? " and its " : ", its ") + field;
        out += " from " + value_of(d, fields[i].value) + " to " + value_of(d, d.after[fields[i].name]);
    }
    return out;
}

/// The names that were given, where their values are not on record.
std::string fields(const Deed& d) {
    std::string out;
    auto given = d.detail["fields"];
    for (std::size_t i = 0; i < given.size(); ++i)
        out += (i == 0 ? "" : i + 1 == given.size() ? " and " : ", ") + spoken(given.at(i).string().value_or(""));
    return out;
}

/// Whether what changed is what is to be told, and not only that something was done.
bool tells_values(std::string_view did) { return did == "changed" || did == "corrected"; }

std::string told(const Deed& d, const Words& w) {
    const auto target = target_of(d, w);
    if (tells_values(w.did)) {
        if (d.action == "user.change" && d.after["status"].string() == "removed")
            return "removed " + target + " from the company";
        if (auto values = changes(d, target); !values.empty()) return std::string(w.did) + " " + values;
        if (auto names = fields(d); !names.empty()) return std::string(w.did) + " " + names + " of " + target;
    }
    return std::string(w.did) + " " + target;
}

}  // namespace

bool has_words(std::string_view action) { return words_of(action) != nullptr; }

std::string sentence(const Deed& d) {
    auto out = who(d) + " ";
    if (auto known = words_of(d.action))
        out += told(d, *known);
    else if (auto values = changes(d, name_of(d, d.target)); !values.empty())
        out += "changed " + values;
    else
        out += "did " + std::string(d.action) + " to " + name_of(d, d.target);
    if (d.detail["unchanged"].boolean() == true) out += "; nothing had to be changed";
    if (d.detail["impersonated"].boolean() == true) out += "; somebody else was signed in as this person";
    return out;
}

namespace {

void audit_value(JsonWriter& w, const Fields& f, const api::Viewer&, api::Texts) {
    auto parsed = [&](std::string_view column) { return JsonDocument::parse(f.view(column).value_or("null")).value(); };
    const auto detail = parsed("detail"), before = parsed("before"), after = parsed("after"), names = parsed("names");
    const auto actor = f.text("actor"), user = f.text("user_id"), action = f.text("action"), target = f.text("target");
    w.begin_object().member("id", f.integer("id"));
    pg::times(w, f, {"at"});
    pg::texts(w, f, {"actor", "user_id", "action", "target"});
    auto name = names.root()[user].string();
    w.key("user_name");
    if (name)
        w.value(*name);
    else
        w.null();
    w.member("sentence", sentence({actor, user, action, target, detail.root(), before.root(), after.root(), names.root()}));
    for (auto json : {"detail", "before", "after"}) pg::json_value(w.key(json), f, json);
    pg::texts(w, f, {"client_address", "request_id"});
    w.end_object();
}

}  // namespace

void Audit::routes(api::Api& api) const { api.get("/api/v1/audit", kManagers, *this, &Audit::list); }

http::Response Audit::list(api::Context& c) const { return answer_list(c, lines_, audit_value); }

}  // namespace otto::query_service
