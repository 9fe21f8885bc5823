#include "analysis.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <span>

#include "base/crypto.hpp"
#include "base/says_nothing.hpp"
#include "base/text.hpp"
#include "base/unicode.hpp"
#include "words.hpp"

namespace otto::shunya_orchestrator {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kObjections{{{"price_budget", "Price/Budget"},
                                                                                     {"timing", "Timing"},
                                                                                     {"competitor", "Competitor"},
                                                                                     {"trust_credibility", "Trust/Credibility"},
                                                                                     {"need_fit", "Need/Fit"},
                                                                                     {"decision_authority", "Decision Authority"},
                                                                                     {"technical", "Technical"},
                                                                                     {"contract_terms", "Contract Terms"},
                                                                                     {"diy_alternative", "DIY Alternative"},
                                                                                     {"no_response", "No Response"}}};

constexpr std::string_view kActions[] = {
    "call_back",           "follow_up_call",  "check_in",         "send_quote",           "send_estimate",     "send_contract",
    "send_info",           "send_photos",     "send_details",     "schedule_appointment", "schedule_visit",    "reschedule",
    "confirm_appointment", "site_visit",      "inspection",       "measurement",          "verify_insurance",  "verify_details",
    "check_availability",  "confirm_address", "prepare_contract", "collect_documents",    "send_invoice",      "escalate",
    "manager_review",      "get_approval",    "setup_financing",  "process_payment",      "send_payment_link", "custom"};

constexpr std::size_t kWord = 200, kLine = 1'000, kSummary = 100'000, kMostActions = 200, kMostObjections = 1'000;

/// An escaped NUL is JSON, but no jsonb. A backslash escapes what follows it, so pairs are skipped.
std::string without_nul(std::string json) {
    for (auto at = json.find('\\'); at != std::string::npos; at = json.find('\\', at + 2))
        if (json.compare(at, 6, "\\u0000") == 0) json.replace(at, 6, "\\ufffd");
    return json;
}

/// What a value says; nothing where the model had nothing and wrote "N/A".
std::optional<std::string> text_of(JsonView v, std::size_t most, Of of = Of::anything) {
    auto text = v.is_bool() ? std::nullopt : v.loose_text();
    if (!text || says_nothing(*text, of)) return std::nullopt;
    return storable(clip_utf8(trim(*text), most));
}

std::optional<double> number_of(JsonView v) {
    if (auto n = v.number()) return n;
    auto text = v.string();
    if (!text || text->empty()) return std::nullopt;
    std::string copy(*text);
    char* end = nullptr;
    double n = std::strtod(copy.c_str(), &end);
    if (end == copy.c_str() || *end != '\0' || !std::isfinite(n)) return std::nullopt;
    return n;
}

/// The first of these places that says something.
template <class F>
auto first(std::initializer_list<JsonView> places, F read) -> decltype(read(JsonView{})) {
    for (auto place : places)
        if (auto found = read(place)) return found;
    return {};
}

/// As first(); but a word for nothing is an answer: what stands in another place is something that was spoken of, not what was
/// found.
template <class F>
auto answered(std::initializer_list<JsonView> places, F read) -> decltype(read(JsonView{})) {
    for (auto place : places) {
        if (auto found = read(place)) return found;
        if (auto text = place.string(); text && !trim(*text).empty() && says_nothing(*text)) return {};
    }
    return {};
}

constexpr std::string_view kContactMethods[] = {"phone", "email", "sms", "in_person", "any"};
constexpr std::string_view kSeverities[] = {"low", "medium", "high"};

bool one_of(std::span<const std::string_view> words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// A word of a closed list, as the list writes it; another word as it was sent, and reported.
class Words {
public:
    explicit Words(std::vector<std::string>& unknown) : unknown_(unknown) {}
    std::optional<std::string> take(const char* field, std::initializer_list<JsonView> places,
                                    std::span<const std::string_view> known,
                                    std::initializer_list<std::pair<std::string_view, std::string_view>> aliases = {}) {
        auto sent = first(places, [](JsonView v) { return text_of(v, kWord); });
        if (!sent) return std::nullopt;
        auto word = slug(*sent);
        for (auto [alias, meant] : aliases)
            if (word == slug(alias)) return std::string(meant);
        for (auto k : known)
            if (word == slug(k)) return std::string(k);
        report(field, *sent);
        return sent;
    }
    void report(std::string_view field, std::string_view value) {
        auto line = std::string(field) + "=" + std::string(value);
        if (unknown_.size() < 100 && std::find(unknown_.begin(), unknown_.end(), line) == unknown_.end())
            unknown_.push_back(std::move(line));
    }

private:
    std::vector<std::string>& unknown_;
};

/// The pieces of a list; a text in its place is one.
std::vector<JsonView> pieces_of(JsonView v, std::size_t most) {
    std::vector<JsonView> out;
    if (text_of(v, kWord) && !v.is_number()) out.push_back(v);
    for (std::size_t i = 0; i < v.size() && out.size() < most; ++i)
        if (auto piece = v.at(i); piece.is_object() || text_of(piece, kWord)) out.push_back(piece);
    return out;
}

/// nullopt: it says nothing that could be done.
std::optional<PendingAction> action_of(JsonView v, Words& words) {
    PendingAction a;
    auto known = [](std::string_view type) {
        return std::find(std::begin(kActions), std::end(kActions), type) != std::end(kActions);
    };
    auto line = [](JsonView p) { return text_of(p, 4'000, Of::action); };
    if (!v.is_object()) {  // free text, which may be a type
        auto text = line(v);
        if (!text) return std::nullopt;
        auto type = slug(*text);
        a.type = known(type) ? type : "custom";
        a.raw_text = *text;
        return a;
    }
    auto type = first({v["type"], v["action_type"]}, [](JsonView p) { return text_of(p, kWord, Of::action); });
    auto action = line(v["action"]);
    if (!type && action && known(slug(*action))) type = action;
    a.type = type ? slug(*type) : "custom";
    if (!known(a.type)) {
        words.report("action_type", *type);
        a.type = "custom";
    }
    auto raw = first({v["raw_text"], v["action"], v["description"], v["text"], v["name"], v["title"], v["context"]}, line);
    if (!raw && (!type || slug(*type) == "custom")) return std::nullopt;
    a.raw_text = raw.value_or(*type);
    a.due_at = first({v["due_at"], v["due_date"], v["due"]}, [](JsonView p) { return text_of(p, kWord, Of::time); });
    a.contact_method = words.take("contact_method", {v["contact_method"]}, kContactMethods);
    a.assignee = words.take(
        "assignee_type", {v["assignee_type"], v["assignee"], v["assigned_to"]}, words::task_role,
        {{"customer_rep", "csr"}, {"sales_rep", "rep"}, {"sales_manager", "manager"}, {"admin", "manager"}, {"otto", "ai"}});
    if (a.assignee && !one_of(words::task_role, *a.assignee)) a.assignee.reset();  // reported; nobody of ours
    a.priority = words.take("priority", {v["priority"]}, words::task_priority, {{"urgent", "high"}, {"normal", "medium"}});
    if (a.priority && !one_of(words::task_priority, *a.priority)) a.priority.reset();
    return a;
}

void write_objection(JsonWriter& w, JsonView v, Words& words) {
    auto word = [](JsonView p) { return text_of(p, kWord, Of::objection); };
    auto said = v.is_object()   ? first({v["category_text"], v["category"], v["label"], v["objection_category"], v["name"]}, word)
                : v.is_number() ? std::nullopt
                                : word(v);
    auto category = v.is_number() ? v.loose_integer() : v["category_id"].loose_integer();
    auto text =
        first({v["objection_text"], v["text"], v["objection"]}, [](JsonView p) { return text_of(p, 4'000, Of::objection); });
    if (!said && !category && !text) return;  // "None": nobody objected
    auto key = objection_key(category, said.value_or(""));
    std::string label;
    if (!key.empty()) {
        label = objection_label(key);
    } else if (v.is_object() || v.is_number()) {
        if (category)
            words.report("objection_category", std::to_string(*category) + (said ? " " + *said : ""));
        else if (said)
            words.report("objection_category", *said);
        key = said ? slug(*said) : "";
        label = said.value_or("");
    } else {
        text = said;  // a bare text is what was said
    }
    if (key.empty()) key = "other";
    if (label.empty()) label = "Other";
    w.begin_object()
        .member("key", key)
        .member("label", label)
        .member("objection_text", text)
        .member("overcome", v["overcome"].loose_boolean());
    w.member("severity", words.take("objection_severity", {v["severity"]}, kSeverities));
    if (category) w.member("category_id", *category);
    if (auto speaker = text_of(v["speaker_id"], kWord)) w.member("speaker_id", *speaker);
    if (auto at = number_of(v["timestamp"])) w.member("timestamp", *at);
    if (auto sure = first({v["confidence_score"], v["confidence"]}, number_of)) w.member("confidence_score", *sure);
    if (v["response_suggestions"].is_array()) w.key("response_suggestions").raw(storable(v["response_suggestions"]));
    w.end_object();
}

/// An address is a text, or an object of its parts; of "N/A, Phoenix, AZ" the town is known.
std::optional<std::string> address_of(JsonView v) {
    std::string out;
    auto add = [&](std::string_view part) { out.append(out.empty() ? "" : ", ").append(part); };
    if (v.is_object()) {
        for (auto part : {"street", "address", "line1", "city", "state", "zip", "postal_code"})
            if (auto text = text_of(v[part], kWord)) add(*text);
    } else if (auto text = text_of(v, kLine)) {
        auto parts = split_list(*text);
        if (std::none_of(parts.begin(), parts.end(), [](const auto& part) { return says_nothing(part); })) return text;
        for (const auto& part : parts)
            if (!says_nothing(part)) add(part);
    }
    return out.empty() ? std::nullopt : std::optional(out);
}

/// A caller id that is where the caller is ("PHOENIX AZ") and that the model took for a name: by the town that it states, or by
/// the end of the address. One word is a person's: Austin, Madison.
bool is_place(const Analysis& a) {
    if (!a.customer_name || fold_words(*a.customer_name).size() < 2) return false;
    if (says_place(*a.customer_name, a.city.value_or(""), a.state.value_or(""))) return true;
    auto parts = split_list(a.address.value_or(""));
    for (auto& part : parts) part = trim(std::string_view(part).substr(0, part.find_first_of("0123456789")));  // "AZ 85001"
    std::erase(parts, "");
    return parts.size() >= 2 && says_place(*a.customer_name, parts[parts.size() - 2], parts.back());
}

/// What was found in the conversation, as sent, but null where the model had nothing and wrote a word for it.
std::string entities_of(JsonView v) {
    JsonWriter w;
    w.begin_object();
    for (auto [name, value] : v.members()) {
        auto text = value.string();
        w.key(name);
        if (text && says_nothing(*text))
            w.null();
        else
            w.raw(value.dump());
    }
    return without_nul(w.end_object().take());
}

void write_canonical(JsonView v, std::string& out, bool top) {
    if (v.is_object()) {
        // When it was told, and under which names the telling went.
        static constexpr std::string_view left_out[] = {
            "processed_at", "created_at", "analyzed_at", "completed_at", "timestamp",     "call_id",       "company_id", "status",
            "success",      "message",    "job_id",      "task_id",      "shunya_job_id", "transcript_id", "request_id"};
        auto members = v.members();
        std::stable_sort(members.begin(), members.end(),
                         [](const auto& a, const auto& b) { return a.name < b.name; });  // of doubled names the first counts
        members.erase(std::unique(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.name == b.name; }),
                      members.end());
        out += '{';
        bool any = false;
        for (auto [name, value] : members) {
            if (top && std::find(std::begin(left_out), std::end(left_out), name) != std::end(left_out)) continue;
            if (any) out += ',';
            any = true;
            JsonWriter w;
            w.value(name);
            out += w.text() + ":";
            write_canonical(value, out, false);
        }
        out += '}';
    } else if (v.is_array()) {
        out += '[';
        for (std::size_t i = 0; i < v.size(); ++i) {
            if (i) out += ',';
            write_canonical(v.at(i), out, false);
        }
        out += ']';
    } else {
        out += v.exists() ? v.dump() : "null";
    }
}

std::optional<std::string>* slot_of(Analysis& a, std::string_view field) {
    if (field == "booking_status") return &a.booking_status;
    if (field == "lead_quality") return &a.lead_quality;
    if (field == "call_outcome_category") return &a.call_outcome_category;
    if (field == "summary") return &a.summary;
    if (field == "appointment_date") return &a.appointment_date;
    if (field == "service_type") return &a.service_type;
    if (field == "address") return &a.address;
    return nullptr;
}

/// What people look for in `entities`: the person's word stands there too.
std::string entities_with(std::string_view entities, const Corrections& corrections) {
    auto parsed = JsonDocument::parse(entities);
    if (!parsed || !parsed->root().is_object()) return std::string(entities);
    JsonWriter w;
    w.begin_object();
    auto said = [&](std::string_view key) {
        return key == "appointment_date" || key == "address" || key == "service_type" ? corrections.find(key) : corrections.end();
    };
    for (auto [name, value] : parsed->root().members())
        if (said(name) == corrections.end()) w.key(name).raw(value.dump());
    for (const auto& [field, value] : corrections)
        if (said(field) != corrections.end()) w.member(field, value);
    return w.end_object().take();
}

}  // namespace

std::string storable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        if (c == '\0')
            out += "\xEF\xBF\xBD";
        else
            out += c;
    }
    return out;
}

std::string storable(JsonView v) { return without_nul(v.exists() ? v.dump() : std::string("null")); }

JsonView analysis_in(JsonView answer) {
    if (is_analysis(answer)) return answer;
    for (auto name : {"result", "data", "analysis"})
        if (auto inner = answer[name]; inner.is_object()) {
            if (is_analysis(inner)) return inner;
            if (auto deeper = analysis_in(inner); deeper.exists()) return deeper;
        }
    return {};
}

bool is_analysis(JsonView v) {
    if (!v.is_object()) return false;
    for (auto block : {"summary", "compliance", "objections", "qualification", "entities", "opportunity_analysis",
                       "booking_status", "lead_quality", "qualification_status", "call_outcome_category"})
        if (v[block].exists() && !v[block].is_null()) return true;
    return false;
}

Analysis read_analysis(JsonView root) {
    Analysis a;
    Words words(a.unknown);
    auto qualification = root["qualification"], summary = root["summary"], compliance = root["compliance"],
         entities = root["entities"];
    strange_members(root, [&](std::string_view name, JsonView v) { words.report(name, clip_utf8(v.dump(), kWord)); });
    auto word = [](std::size_t most, Of of = Of::anything) {
        return [most, of](JsonView v) { return v.is_object() || v.is_array() ? std::nullopt : text_of(v, most, of); };
    };

    a.booking_status =
        words.take("booking_status", {qualification["booking_status"], root["booking_status"]}, words::booking_status);
    a.lead_quality = words.take("lead_quality",
                                {qualification["qualification_status"], qualification["lead_quality"],
                                 root["qualification_status"], root["lead_quality"]},
                                words::lead_quality, {{"not_qualified", "unqualified"}});
    a.call_outcome_category =
        words.take("call_outcome_category", {qualification["call_outcome_category"], root["call_outcome_category"]},
                   words::call_outcome, {{"qualified_not_booked", "qualified_but_unbooked"}});
    a.summary = answered({summary["summary"], summary, root["summary_text"]}, word(kSummary));
    a.appointment_date = answered({qualification["appointment_date"], entities["appointment_date"], entities["scheduled_time"],
                                   qualification["scheduled_time"], root["appointment_date"]},
                                  word(kWord, Of::time));
    a.appointment_type =
        words.take("appointment_type", {qualification["appointment_type"], root["appointment_type"]}, words::appointment_type);
    a.service_type = answered({qualification["service_requested"], entities["service_type"], entities["service"],
                               entities["service_requested"], root["service_type"]},
                              word(500));
    a.address = answered({entities["address"], root["address"]}, address_of);
    a.city = answered({entities["city"], entities["address"]["city"]}, word(kWord));
    a.state = answered({entities["state"], entities["address"]["state"]}, word(kWord));
    a.customer_name = answered({entities["name"], entities["person_name"], entities["customer_name"], root["customer_name"]},
                               word(kWord, Of::person));
    if (is_place(a)) a.customer_name.reset();
    a.model_version = first({root["model_version"], root["model"], root["metadata"]["model_version"]}, word(kWord));
    a.sentiment_score =
        first({summary["sentiment_score"], summary["sentiment"], root["sentiment_score"], root["sentiment"]}, number_of);
    if (auto score = first({compliance["compliance_score"], compliance["sop_compliance_score"], root["compliance_score"],
                            root["sop_compliance_score"]},
                           number_of)) {
        if (*score >= 0 && *score <= 1)
            a.sop_compliance_score = std::round(*score * 10 * 1e9) / 1e9;  // 0.85 is 8.5, not 8.500000000000001
        else
            words.report("compliance_score", JsonWriter().value(*score).text());
    }

    JsonWriter list;
    list.begin_array();
    auto objections = root["objections"].is_object() ? root["objections"]["objections"] : root["objections"];
    for (auto piece : pieces_of(objections, kMostObjections)) write_objection(list, piece, words);
    a.objections = list.end_array().take();
    if (entities.is_object()) a.entities = entities_of(entities);

    for (auto place :
         {summary["pending_actions"], root["pending_actions"], qualification["pending_actions"], root["visit_actions"]}) {
        for (auto piece : pieces_of(place, kMostActions))
            if (auto action = action_of(piece, words)) a.actions.push_back(std::move(*action));
        if (!a.actions.empty()) break;
    }
    return a;
}

std::optional<Transcript> read_transcript(JsonView answer) {
    for (auto place : {answer, answer["result"], answer["data"], answer["transcription"], answer["data"]["transcription"],
                       answer["result"]["transcription"], answer["data"]["result"]}) {
        if (!place.is_object()) continue;
        Transcript t;
        auto text = place["transcript_text"].string();
        if (!text) text = place["transcript"].string();
        if (!text) text = place["text"].string();
        JsonView labels;
        for (auto name : {"speaker_labels", "speakers", "segments", "utterances"})
            if (!labels.exists() && place[name].is_array()) labels = place[name];
        if (labels.exists()) t.speaker_labels = storable(labels);
        if (text) {
            t.text = storable(*text);
        } else if (labels.exists() && labels.size() > 0) {
            for (std::size_t i = 0; i < labels.size(); ++i) {
                auto line = labels.at(i);
                auto words = line.is_object() ? line["text"].loose_text() : line.loose_text();
                if (words)
                    t.text += (t.text.empty() ? "" : "\n") + storable(line["speaker"].loose_text().value_or("?")) + ": " +
                              storable(*words);
            }
        } else {
            continue;
        }
        t.confidence = first({place["confidence_score"], place["confidence"]}, number_of);
        t.language = text_of(place["language"], kWord);
        t.words = place["word_count"].loose_integer();
        if (t.words && (*t.words < 0 || *t.words > 2'000'000'000)) t.words.reset();
        return t;
    }
    return std::nullopt;
}

Analysis corrected(Analysis a, const Corrections& corrections) {
    if (corrections.empty()) return a;
    for (const auto& [field, value] : corrections)
        if (auto* slot = slot_of(a, field)) *slot = value;
    a.entities = entities_with(a.entities, corrections);
    return a;
}

std::optional<std::string> value_of(const Analysis& a, std::string_view field) {
    auto* slot = slot_of(const_cast<Analysis&>(a), field);
    return slot ? *slot : std::nullopt;
}

std::string objection_key(std::optional<std::int64_t> category, std::string_view text) {
    if (category && *category >= 1 && *category <= 10)
        return std::string(kObjections[static_cast<std::size_t>(*category - 1)].first);
    auto word = slug(text);
    for (auto [key, label] : kObjections)
        if (word == key) return std::string(key);
    static constexpr std::pair<std::string_view, std::string_view> others[] = {{"price", "price_budget"},
                                                                               {"budget", "price_budget"},
                                                                               {"trust", "trust_credibility"},
                                                                               {"credibility", "trust_credibility"},
                                                                               {"need", "need_fit"},
                                                                               {"fit", "need_fit"},
                                                                               {"authority", "decision_authority"},
                                                                               {"diy", "diy_alternative"},
                                                                               {"contract", "contract_terms"}};
    for (auto [other, key] : others)
        if (word == other) return std::string(key);
    return "";
}

std::string objection_label(std::string_view key) {
    for (auto [k, label] : kObjections)
        if (k == key) return std::string(label);
    return std::string(key);
}

void describe(const Analysis& a, analysis::v1::AnalysisCompleted& m) {
    if (a.booking_status) m.set_booking_status(*a.booking_status);
    if (a.lead_quality) m.set_lead_quality(*a.lead_quality);
    if (a.call_outcome_category) m.set_call_outcome_category(*a.call_outcome_category);
    if (a.appointment_date) m.set_appointment_date(*a.appointment_date);
    if (a.appointment_type) m.set_appointment_type(*a.appointment_type);
    if (a.service_type) m.set_service_type(*a.service_type);
    if (a.address) m.set_address(*a.address);
    if (a.customer_name) m.set_customer_name(*a.customer_name);
    if (a.city) m.set_city(*a.city);
    if (a.state) m.set_state(*a.state);
    for (const auto& action : a.actions) {
        auto& p = *m.add_actions();
        p.set_type(action.type);
        p.set_raw_text(action.raw_text);
        if (action.due_at) p.set_due_at(*action.due_at);
        if (action.contact_method) p.set_contact_method(*action.contact_method);
        if (action.assignee) p.set_assignee(*action.assignee);
        if (action.priority) p.set_priority(*action.priority);
    }
}

std::string canonical(JsonView v) {
    std::string out;
    write_canonical(v, out, true);
    return out;
}

std::string output_hash(JsonView v) { return hex_encode(sha256(canonical(v))); }

}  // namespace otto::shunya_orchestrator
