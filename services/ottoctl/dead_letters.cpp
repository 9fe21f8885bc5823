// dead-letters: events that a consumer gave up.
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "mask.hpp"
#include "ottoctl/sql.hpp"
#include "payload.hpp"

namespace otto::ottoctl {
namespace {

pg::Params chosen(const Invocation& call) {
    bool by_filter = call.has("consumer") || call.has("company") || call.has("error") || call.has("all");
    if (call.operands().empty() && !by_filter)
        throw UsageError("ids, or --consumer, --company, --error, or --all are missing",
                         "ottoctl dead-letters list shows what there is");
    if (!call.operands().empty() && by_filter)
        throw UsageError("either ids or --consumer, --company, --error, --all", "not both");
    pg::Param ids = call.operands().empty() ? pg::Param(nullptr) : pg::Param::array(ids_of(call.operands()));
    return {ids, call.option("consumer"), call.option("company"), call.option("error")};
}

struct Chosen {
    std::string id, consumer, type, value, error;
    std::optional<Uuid> event_id;
    bool passes_through;
    static Chosen from(const pg::Fields& f) {
        return {f.text("id"),
                f.text("consumer"),
                f.text("type"),
                f.bytes("value"),
                f.text("error"),
                f.maybe_uuid("event_id"),
                f.boolean("passes_through")};
    }
};

std::vector<Record> missing(pg::Tx& tx, const Invocation& call) {
    return call.operands().empty() ? std::vector<Record>{}
                                   : records(tx, sql::dead_letters_missing, {pg::Param::array(ids_of(call.operands()))});
}

void mask_unless_asked(const Invocation& call, std::vector<Record>& list) {
    if (call.has("show-persons")) return;
    for (auto& r : list) mask_persons(r);
}

Cell payload_cell(const Invocation& call, const std::string& json) {
    Cell c;
    c.json = call.has("show-persons") ? json : mask_event(JsonDocument::parse(json).value().root());
    c.text = c.json;
    return c;
}

/// What an action of a person adds to a letter's history.
std::string history_entry(const Invocation& call, std::string_view action, const Letter* former) {
    JsonWriter w;
    w.begin_array().begin_object();
    w.member("at", to_rfc3339(system_clock().now())).member("action", action).member("by", operator_name(call.settings()));
    if (auto why = call.option("reason")) w.member("reason", *why);
    if (former) w.member("former_type", former->type).member("former_value", base64_encode(former->value));
    return w.end_object().end_array().take();
}

Letter letter_of(const pg::Fields& f) {
    Letter l;
    l.topic = f.text("topic");
    l.key = f.text("key");
    l.type = f.text("type");
    l.company_id = f.text("company_id");
    l.value = f.bytes("value");
    l.partition = static_cast<int>(f.integer("partition"));
    l.offset = f.maybe_integer("offset");
    l.event_id = f.maybe_uuid("event_id");
    l.headers = headers_from(f.text("headers"));
    return l;
}

Edit edit_of(const Invocation& call) {
    Edit edit;
    edit.type = call.option("type");
    if (auto file = call.option("file")) {
        std::ifstream in(*file, std::ios::binary);
        std::stringstream text;
        text << in.rdbuf();
        if (!in) throw Failure(Error("--file names '" + *file + "', which cannot be read"));
        edit.json = text.str();
    }
    for (const auto& set : call.every("set")) {
        auto equals = set.find('=');
        if (equals == std::string::npos || equals == 0)
            throw UsageError("--set is '" + set + "'", "it takes field=value: --set call.duration_s=35");
        edit.fields.emplace_back(set.substr(0, equals), set.substr(equals + 1));
    }
    if (!edit.json && edit.fields.empty())
        throw UsageError("dead-letters edit takes --file or --set", "--set call.duration_s=35");
    return edit;
}

}  // namespace

int dead_letters_list(const Invocation& call) {
    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    auto list =
        records(tx, sql::dead_letters_list,
                {call.option("consumer"), call.option("company"), call.option("error"), call.number("limit", 50, 1, 100'000)});
    tx.commit();
    mask_unless_asked(call, list);
    bool any = !list.empty();
    Report report;
    report.many("dead_letters", std::move(list), {"id", "dead_at", "consumer", "type", "company_id", "bytes", "error"},
                "there are no dead letters");
    print(call, report);
    return any ? kDone : kRefused;
}

int dead_letters_show(const Invocation& call) {
    auto id = id_of(call.operands().front());
    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    auto found = records(tx, sql::dead_letter_one, {id});
    auto actions = records(tx, sql::actions_on, {id});
    Report report;
    if (found.empty()) {
        report.many("operators", std::move(actions), {}, "there is no dead letter " + id.to_string());
        print(call, report);
        return kRefused;
    }
    Letter letter;
    tx.each(sql::dead_letter_locked, {id}, [&](const pg::Fields& f) { letter = letter_of(f); });
    tx.rollback();
    mask_unless_asked(call, found);
    auto& record = found.front();
    auto json = payload_json(letter.type, letter.value);
    if (json)
        put(record, "payload", payload_cell(call, *json));
    else if (call.has("show-persons"))
        put(record, "payload_base64", base64_encode(letter.value));
    bool unpublished = find(record, "unpublished") && find(record, "unpublished")->json == "true";
    report.one("dead_letter", std::move(record));
    if (unpublished)
        report.note(
            "Kafka refused it; its topic is where it was to go, and those behind it went on. Cure: ottoctl topics plan shows "
            "whether the topic takes less than it should; then dead-letters redrive " +
            id.to_string() + " puts it back into the outbox, or dead-letters discard.");
    if (!actions.empty()) report.many("operators", std::move(actions));
    if (!json)
        report.note(json.error().message + ". Cure: dead-letters edit " + id.to_string() +
                    (letter.type.empty() ? " --type TYPE" : "") + " --file payload.json, or dead-letters discard.");
    print(call, report);
    return kDone;
}

int dead_letters_edit(const Invocation& call) {
    auto id = id_of(call.operands().front());
    auto edit = edit_of(call);
    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    std::optional<Letter> former;
    tx.each(sql::dead_letter_locked, {id}, [&](const pg::Fields& f) { former = letter_of(f); });
    if (!former) {
        std::fprintf(stderr, "ottoctl: there is no dead letter %s\n  ottoctl dead-letters list shows what there is\n",
                     id.to_string().c_str());
        return kRefused;
    }
    auto mended = mend(*former, edit, system_clock().now());
    if (!mended) {
        std::fprintf(stderr, "ottoctl: %s%s%s\n", mended.error().message.c_str(), mended.error().hint.empty() ? "" : "\n  ",
                     mended.error().hint.c_str());
        return kRefused;
    }
    Report report;
    auto side = [&](const Letter& l) {
        Record r{{"type", l.type},
                 {"event_id", l.event_id ? l.event_id->to_string() : ""},
                 {"company_id", l.company_id},
                 {"key", call.has("show-persons") ? l.key : mask_key(l.key)},
                 {"bytes", l.value.size()}};
        if (auto json = payload_json(l.type, l.value)) put(r, "payload", payload_cell(call, *json));
        return r;
    };
    report.one("before", side(*former));
    report.one("after", side(*mended));
    if (!call.has("yes")) return refuse_without_yes(call, std::move(report));
    tx.write(sql::note_edit, {operator_name(call.settings()), id, call.option("reason").value_or("")});
    tx.write(sql::dead_letter_edit, {id, pg::Param::bytes(mended->value), mended->key, mended->event_id, mended->company_id,
                                     mended->type, headers_json(mended->headers), history_entry(call, "edit", &*former)});
    tx.commit();
    report.note("The payload is replaced; the former one is in its history. It is tried again by: ottoctl dead-letters redrive " +
                id.to_string());
    print(call, report);
    return kDone;
}

int dead_letters_redrive(const Invocation& call) {
    auto params = chosen(call);
    auto wait = call.duration("wait", Millis{15'000});
    auto db = operators_database(call.settings());
    std::vector<Record> refused;
    std::vector<std::string> lanes, through;
    pg::Columns watched(3);
    Report summary;
    {
        auto tx = db.begin(pg::Scope::none());
        refused = missing(tx, call);
        for (auto& letter : tx.many<Chosen>(sql::dead_letters_chosen, params)) {
            auto readable = payload_json(letter.type, letter.value);
            if (!letter.event_id || !readable) {
                // It would be dead again at once.
                refused.push_back({{"id", letter.id},
                                   {"why", (readable ? std::string("the record has no id") : readable.error().message) +
                                               "; edit it first, or discard it"}});
                continue;
            }
            (letter.passes_through ? through : lanes).push_back(letter.id);
            watched.row({letter.consumer, *letter.event_id, letter.passes_through});
        }
        auto all = lanes;
        all.insert(all.end(), through.begin(), through.end());
        auto groups = records(tx, sql::dead_letters_summary, {pg::Param::array(all)});
        mask_unless_asked(call, groups);
        summary.many("to_be_tried_again", std::move(groups), {}, "no dead letter that fits can be tried again");
        if (!refused.empty()) summary.many("refused", refused);
        if (all.empty()) {
            print(call, summary);
            return kRefused;
        }
        if (all.size() > 1 && !call.has("yes")) return refuse_without_yes(call, std::move(summary));
        tx.write(sql::note_redrive, {operator_name(call.settings()), pg::Param::array(all), call.option("reason").value_or("")});
        if (!lanes.empty()) tx.write(sql::redrive, {pg::Param::array(lanes), history_entry(call, "redrive", nullptr)});
        if (!through.empty()) {
            tx.write(sql::redrive_through, {pg::Param::array(through)});
            tx.write(sql::wake_outbox);
        }
        tx.commit();
    }
    std::vector<Record> outcomes;
    std::map<std::string, std::size_t> counts;
    auto end = std::chrono::steady_clock::now() + wait;
    while (true) {
        auto tx = db.begin(pg::Scope::none());
        outcomes = records(tx, sql::redriven, watched.params());
        tx.commit();
        counts.clear();
        for (const auto& r : outcomes) ++counts[find(r, "outcome")->text];
        if (counts["waits"] == 0 || std::chrono::steady_clock::now() >= end) break;
        std::this_thread::sleep_for(Millis{100});
    }
    mask_unless_asked(call, outcomes);
    Report report;
    report.many("redriven", std::move(outcomes), {"event_id", "consumer", "outcome", "dead_letter", "error"});
    if (!refused.empty()) report.many("refused", std::move(refused));
    if (counts["waits"] > 0)
        report.note(std::to_string(counts["waits"]) +
                    " wait still: does the consumer run (ottoctl lag, deploy/status)? They are tried as soon as it does.");
    if (counts["failed, tried again"] > 0)
        report.note("What failed is tried again with growing pauses, and is a dead letter again once its attempts are used up.");
    print(call, report);
    if (counts["waits"] > 0) return kFailed;
    return counts["dead again"] > 0 || counts["failed, tried again"] > 0 ? kRefused : kDone;
}

int dead_letters_discard(const Invocation& call) {
    auto params = chosen(call);
    auto reason = call.option("reason");
    if (!reason || trim(*reason).empty())
        throw UsageError("dead-letters discard lacks --reason", "it stays on record: --reason \"CallRail's test, not a call\"");
    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    std::vector<std::string> ids;
    for (auto& letter : tx.many<Chosen>(sql::dead_letters_chosen, params)) ids.push_back(letter.id);
    auto refused = missing(tx, call);
    auto groups = records(tx, sql::dead_letters_summary, {pg::Param::array(ids)});
    mask_unless_asked(call, groups);
    Report report;
    report.many(call.has("yes") ? "discarded" : "to_be_discarded", std::move(groups), {}, "no dead letter fits");
    if (!refused.empty()) report.many("refused", std::move(refused));
    if (ids.empty()) {
        print(call, report);
        return kRefused;
    }
    if (!call.has("yes")) {
        tx.rollback();
        report.note("They would never be applied. Who, when, why and the letters themselves stay in operator_actions.");
        return refuse_without_yes(call, std::move(report));
    }
    tx.write(sql::note_discard, {operator_name(call.settings()), pg::Param::array(ids), *reason});
    tx.write(sql::discard, {pg::Param::array(ids)});
    tx.commit();
    report.note("Who, when, why and the letters themselves are in operator_actions.");
    print(call, report);
    return kDone;
}

}  // namespace otto::ottoctl
