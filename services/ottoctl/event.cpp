// event: everything that is known of one event.
#include <cstdio>

#include "app/common.hpp"
#include "base/text.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "events/json.hpp"
#include "flight.hpp"
#include "kafka/offsets.hpp"
#include "kafka/source.hpp"
#include "mask.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "ottoctl/sql.hpp"

namespace otto::ottoctl {
namespace {

const std::vector<std::string> kTopics{"otto.inbound", "otto.routed", "otto.calls", "otto.analysis", "otto.changes"};

/// What a provider reported, from wherever it is still kept.
struct Reported {
    inbound::v1::Receipt receipt;
    std::string kind, not_understood, company;
    std::string json;      ///< the whole message
    bool message = false;  ///< about a text; else about a call, or about neither
    std::string our_number = {}, customer = {};
    std::vector<std::string> ids = {};  ///< the provider's, of the call or text
};

/// What both ends and the provider call it, of an event as it came in or went on.
template <class Event>
Reported reported(const Event& e, std::string not_understood, std::string company) {
    Reported r{e.receipt(), e.kind(), std::move(not_understood), std::move(company), events::to_json(e).value_or("{}")};
    if constexpr (requires { e.call(); })
        if (e.has_call()) {
            r.our_number = e.call().tracking_number();
            r.customer = e.call().customer_phone();
            r.ids.assign(e.call().aliases().begin(), e.call().aliases().end());
            r.ids.insert(r.ids.begin(), e.call().provider_call_id());
        }
    if constexpr (requires { e.message(); })
        if (e.has_message()) {
            r.message = true;
            r.our_number = e.message().company_number();
            r.customer = e.message().customer_phone();
            r.ids = {e.message().provider_message_id()};
        }
    return r;
}

template <class Event>
std::optional<Reported> routed_as(std::string_view type, std::string_view bytes) {
    Event e;
    if (type != events::type_of<Event>().type || !events::parse_into(e, bytes)) return std::nullopt;
    return reported(e, "", e.company_id());
}

std::optional<Reported> from_inbound(std::string_view bytes) {
    inbound::v1::ProviderEvent e;
    if (!events::parse_into(e, bytes)) return std::nullopt;
    return reported(e, e.not_understood(), "");
}

std::optional<Reported> from_routed(std::string_view type, std::string_view bytes) {
    if (auto job = routed_as<routed::v1::JobReported>(type, bytes)) return job;
    if (auto message = routed_as<routed::v1::MessageReported>(type, bytes)) return message;
    return routed_as<routed::v1::CallReported>(type, bytes);
}

const char* verdict_text(inbound::v1::Verdict v) {
    switch (v) {
        case inbound::v1::VERDICT_AUTHENTIC:
            return "authentic";
        case inbound::v1::VERDICT_OPEN:
            return "open";
        case inbound::v1::VERDICT_UNSIGNED:
            return "unsigned";
        default:
            return "";
    }
}

struct Search {
    Sightings sightings;
    std::optional<Reported> inbound, routed;
    std::vector<std::string> notes;
    /// As it was routed, else as it came in.
    const std::optional<Reported>& report() const { return routed ? routed : inbound; }
};

/// Reads the newest records of each topic, or those since a time, and says on standard error how far it is.
void search_topics(const Invocation& call, const std::set<Uuid>& ids, Search& search) {
    auto brokers = call.settings().get(app::kKafkaBrokers);
    auto limit = call.number("limit", 100'000, 1, 100'000'000);
    auto extents = kafka::extents(brokers, kTopics, Millis{10'000});
    if (!extents) {
        search.notes.push_back("The topics were not searched: " + extents.error().message +
                               (extents.error().hint.empty() ? "" : "; " + extents.error().hint));
        return;
    }
    std::vector<kafka::TopicPartition> all;
    for (const auto& e : *extents) all.push_back(e.at);
    std::vector<std::optional<std::int64_t>> since(all.size());
    if (call.has("since")) {
        auto offsets =
            kafka::offsets_from(brokers, all, system_clock().now() - call.duration("since", Millis{0}), Millis{10'000});
        if (!offsets) throw Failure(offsets.error());
        since = *offsets;
    }
    std::map<std::string, std::int64_t> partitions, older;
    for (const auto& p : all) ++partitions[p.topic];
    std::vector<std::pair<kafka::TopicPartition, std::int64_t>> starts;
    std::int64_t total = 0;
    for (std::size_t i = 0; i < extents->size(); ++i) {
        const auto& e = (*extents)[i];
        auto wanted = call.has("since") ? since[i].value_or(e.end) : e.begin;
        auto start = std::max(wanted, e.end - std::max<std::int64_t>(1, limit / partitions[e.at.topic]));
        older[e.at.topic] += start - wanted;
        total += e.end - start;
        starts.emplace_back(e.at, start);
    }
    kafka::Reader reader(brokers, "ottoctl", kTopics);
    reader.start_at(starts);
    auto end = std::chrono::steady_clock::now() + call.duration("patience", Millis{60'000});
    auto told = std::chrono::steady_clock::now();
    std::int64_t read = 0;
    while (!reader.caught_up()) {
        for (const auto& r : reader.poll(2'000, Millis{200})) {
            ++read;
            if (!search.sightings.add(r)) continue;
            if (r.topic != "otto.inbound" && r.topic != "otto.routed") continue;
            auto id = Uuid::parse(r.header("ce_id"));
            auto cause = Uuid::parse(r.header("ce_causationid"));
            if (!(id && ids.contains(*id)) && !(cause && ids.contains(*cause))) continue;
            if (r.topic == "otto.inbound")
                search.inbound = from_inbound(r.value);
            else
                search.routed = from_routed(r.header("ce_type"), r.value);
        }
        auto now = std::chrono::steady_clock::now();
        if (now > end) {
            search.notes.push_back("The search ended after " + std::to_string(read) + " of " + std::to_string(total) +
                                   " records: give it more time with --patience.");
            break;
        }
        if (now - told > std::chrono::seconds(1)) {
            std::fprintf(stderr, "searched %lld of %lld records\n", static_cast<long long>(read), static_cast<long long>(total));
            told = now;
        }
    }
    for (const auto& [topic, n] : older)
        if (n > 0)
            search.notes.push_back(std::to_string(n) + " older records of " + topic + " were not searched: --limit takes more.");
}

std::vector<std::string> texts(const std::set<Uuid>& ids) {
    std::vector<std::string> out;
    for (const auto& id : ids) out.push_back(id.to_string());
    return out;
}

std::string at(const Record& r, const char* name) {
    const auto* c = find(r, name);
    return c ? c->text : std::string{};
}

/// What the tables know of an event.
struct Stored {
    std::vector<Record> held, parked, dead, outbox, intents, inbox, actions, calls, messages;
    bool nothing() const {
        return held.empty() && parked.empty() && dead.empty() && outbox.empty() && intents.empty() && inbox.empty() &&
               actions.empty();
    }
};

/// Asks all tables; what is held says what the event is, if the topics did not.
Stored stored_of(pg::Connection& db, const std::set<Uuid>& ids, Search& search) {
    Stored s;
    auto tx = db.begin(pg::Scope::none());
    auto all = pg::Param::array(texts(ids));
    s.held = records(tx, sql::event_held, {all});
    std::set<std::string> companies;
    tx.each(sql::event_held_record, {all}, [&](const pg::Fields& f) {
        if (!search.inbound) search.inbound = from_inbound(f.bytes("record"));
        if (auto to = f.maybe_text("released_to")) companies.insert(*to);
    });
    s.parked = records(tx, sql::event_parked, {all});
    s.dead = records(tx, sql::event_dead, {all});
    s.outbox = records(tx, sql::event_outbox, {all});
    s.intents = records(tx, sql::event_intents, {all});
    s.actions = records(tx, sql::event_actions, {all});
    if (search.routed) companies.insert(search.routed->company);
    for (const auto* list : {&s.parked, &s.dead})
        for (const auto& r : *list) companies.insert(at(r, "company_id"));
    companies.erase("");
    auto of_companies = pg::Param::array(std::vector<std::string>(companies.begin(), companies.end()));
    s.inbox = companies.empty() ? records(tx, sql::inbox_of_any, {all}) : records(tx, sql::inbox_of_company, {of_companies, all});
    for (const auto& r : s.inbox) companies.insert(at(r, "company_id"));
    if (const auto& report_of = search.report()) {
        auto& rows = report_of->message ? s.messages : s.calls;
        for (const auto& company : companies)
            for (auto& r : records(tx, report_of->message ? sql::event_messages : sql::event_calls,
                                   {company, report_of->receipt.provider(), pg::Param::array(report_of->ids)}))
                rows.push_back(std::move(r));
    }
    tx.commit();
    return s;
}

/// The webhook itself, and whom it was routed to.
void describe(Record& head, const Invocation& call, const Search& search, const Stored& stored) {
    const auto& r = *search.report();
    bool persons = call.has("show-persons");
    const Cell* released_to = stored.held.empty() ? nullptr : find(stored.held.front(), "released_to");
    put(head, "provider", r.receipt.provider());
    put(head, "kind", r.kind);
    put(head, "received_at", from_micros(r.receipt.received_at_us()));
    put(head, "path", r.receipt.request_target().substr(0, r.receipt.request_target().find('?')));
    put(head, "body_bytes", r.receipt.raw_body().size());
    put(head, "verdict", verdict_text(r.receipt.verdict()));
    put(head, "swept", r.receipt.swept());
    put(head, "proven_company_id", r.receipt.proven_company_id());
    put(head, "routed_to", search.routed ? Cell(search.routed->company) : released_to ? *released_to : Cell());
    put(head, r.message ? "company_number" : "tracking_number", r.our_number);
    put(head, "customer", persons ? r.customer : mask_number(r.customer));
    put(head, r.message ? "provider_message_id" : "provider_call_id", r.ids.empty() ? "" : r.ids.front());
    if (!r.not_understood.empty()) put(head, "not_understood", r.not_understood);
    if (!call.json() && !persons) return;
    Cell payload;
    payload.json = persons ? r.json : mask_event(JsonDocument::parse(r.json).value().root());
    payload.text = payload.json;
    put(head, "payload", payload);
}

std::vector<Record> shown(const std::vector<Sighting>& sightings) {
    std::vector<Record> seen;
    for (const auto& s : sightings)
        seen.push_back({{"topic", s.at.topic},
                        {"partition", static_cast<std::int64_t>(s.at.partition)},
                        {"offset", s.offset},
                        {"type", s.type},
                        {"event_id", s.id.to_string()},
                        {"caused_by", s.cause ? Cell(s.cause->to_string()) : Cell()},
                        {"by", s.source},
                        {"time", s.time}});
    return seen;
}

/// Where it stands, in one sentence with the cure, and what an operator did to it, if that is not the sentence.
struct Conclusion {
    std::string where, discarded;
};

Conclusion concluded(const Stored& s, bool persons) {
    // Applied is what a consumer took and nobody discarded afterwards.
    std::set<std::string> appliers;
    for (const auto& r : s.inbox) appliers.insert(at(r, "consumer"));
    std::string discarded;
    for (const auto& r : s.actions)
        if (at(r, "action") == "dead_letter.discard") {
            appliers.erase(at(r, "consumer"));
            discarded = at(r, "operator") + " discarded it for " + at(r, "consumer") + " at " + at(r, "at") + ": " +
                        at(r, "reason") + ".";
        }
    auto error = [&](const Record& r) { return persons ? at(r, "error") : scrub(at(r, "error")); };
    if (!s.dead.empty()) {
        const auto& r = s.dead.back();
        return {
            "The consumer " + at(r, "consumer") + " gave it up: " + error(r) + ". Cure: ottoctl dead-letters show " + at(r, "id"),
            discarded};
    }
    if (!s.parked.empty()) {
        const auto& r = s.parked.back();
        return {"The consumer " + at(r, "consumer") + " tries it again at " + at(r, "next_at") + ": " + error(r), discarded};
    }
    if (!s.held.empty() && at(s.held.front(), "released_at").empty())
        return {"It is held: " + at(s.held.front(), "reason") + ". Cure: " + at(s.held.front(), "cure"), discarded};
    if (!discarded.empty() && appliers.empty()) return {discarded, {}};
    if (!s.calls.empty()) {
        const auto& r = s.calls.back();
        return {"It is applied: call " + at(r, "call_id") + " of " + at(r, "company_id") + " stands at " + at(r, "status") + ".",
                discarded};
    }
    if (!s.messages.empty()) {
        const auto& r = s.messages.back();
        return {"It is applied: message " + at(r, "id") + " of " + at(r, "company_id") + " stands at " + at(r, "status") + ".",
                discarded};
    }
    if (!s.inbox.empty())
        return {"It is applied by " + at(s.inbox.back(), "consumer") + " at " + at(s.inbox.back(), "applied_at") + ".",
                discarded};
    return {"It is on its way: no consumer has applied it yet (ottoctl lag).", discarded};
}

/// Everything stored, persons masked unless they are to be shown; the reason for which something is held stays.
void list_stored(Report& report, Stored s, bool persons) {
    auto masked = [persons](std::vector<Record> list, bool keep_reason = false) {
        if (persons) return list;
        for (auto& r : list) {
            Cell reason = find(r, "reason") ? *find(r, "reason") : Cell();
            mask_persons(r);
            if (keep_reason) put(r, "reason", reason);
        }
        return list;
    };
    if (!s.held.empty())
        report.many("held", masked(std::move(s.held), true), {"held_at", "reason", "released_at", "released_to"});
    report.many("inbox", std::move(s.inbox), {"consumer", "event_id", "company_id", "applied_at"}, "no consumer has applied it");
    if (!s.parked.empty())
        report.many("parked", masked(std::move(s.parked)), {"consumer", "event_id", "attempt", "error", "next_at"});
    if (!s.dead.empty()) report.many("dead_letters", masked(std::move(s.dead)), {"id", "consumer", "dead_at", "error"});
    if (!s.outbox.empty()) report.many("outbox", std::move(s.outbox));
    if (!s.intents.empty())
        report.many("intents", masked(std::move(s.intents)), {"consumer", "event_id", "state", "attempt", "error"});
    if (!s.actions.empty()) report.many("operators", std::move(s.actions));
    for (auto* rows : {&s.calls, &s.messages})
        if (!rows->empty()) report.many("rows", masked(std::move(*rows)));
}

}  // namespace

int event(const Invocation& call) {
    auto id = id_of(call.operands().front());
    auto db = operators_database(call.settings());
    // What the router makes of a webhook's event has a name that follows from it, so the tables can be asked without reading
    // topics.
    std::set<Uuid> ids{id, events::derived_event_id(EventId{id}, "tenant-router", "otto.routed.v1.CallReported", 0).value(),
                       events::derived_event_id(EventId{id}, "tenant-router", "otto.routed.v1.MessageReported", 0).value(),
                       events::derived_event_id(EventId{id}, "tenant-router", "otto.routed.v1.JobReported", 0).value()};
    Search search;
    if (!call.has("no-topics")) search_topics(call, ids, search);
    auto sightings = search.sightings.family(ids);
    auto stored = stored_of(db, ids, search);

    Report report;
    if (sightings.empty() && stored.nothing()) {
        report.note("Nothing is known of " + id.to_string() +
                    ": it is in no topic that was searched and in no table. Topics keep events for 7 days; a refused webhook "
                    "(401) leaves only a log line.");
        for (auto& n : search.notes) report.note(n);
        print(call, report);
        return kRefused;
    }
    Record head{{"event_id", id.to_string()}};
    if (search.report()) describe(head, call, search, stored);
    report.one("event", std::move(head));
    report.many("topics", shown(sightings), {"topic", "partition", "offset", "type", "event_id", "time"},
                "in no topic that was searched");
    bool persons = call.has("show-persons");
    auto conclusion = concluded(stored, persons);
    list_stored(report, std::move(stored), persons);
    for (auto& n : search.notes) report.note(n);
    if (!conclusion.discarded.empty()) report.note(conclusion.discarded);
    report.note(conclusion.where);
    print(call, report);
    return kDone;
}

}  // namespace otto::ottoctl
