// The limit of lead-pipeline: the same rows (contact, lead, call, its alias, inbox, outbox) written by libpq alone, set-based and
// pipelined, one transaction a batch. It reads nothing, decides nothing and knows no Kafka: ids and merged fields are made up, of
// the size that the service writes. Same backlog, same batches of one partition as the service's lanes; outbox rows go with the
// next batch, as the service's do once Kafka has them.
#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "events/event.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "webhooks.hpp"

using namespace otto;
using namespace otto::bench;

namespace {

/// One array parameter.
class Array {
public:
    Array& add(std::string_view value) {
        text_ += text_.empty() ? '{' : ',';
        text_ += '"';
        for (char c : value) {
            if (c == '"' || c == '\\') text_ += '\\';
            text_ += c;
        }
        text_ += '"';
        return *this;
    }
    const char* done() {
        if (text_.empty()) text_ = '{';
        text_ += '}';
        return text_.c_str();
    }

private:
    std::string text_;
};

struct Statement {
    const char *name, *sql;
};
constexpr Statement kInbox{"inbox",
                           "INSERT INTO inbox (consumer, company_id, event_id) SELECT 'lead-pipeline', c, e FROM "
                           "unnest($1::text[], $2::uuid[]) AS i (c, e) ORDER BY c, e ON CONFLICT DO NOTHING"};
constexpr Statement kContacts{
    "contacts", R"(INSERT INTO contact_cards (company_id, id, primary_phone, first_name, last_name, city, state, merge_state)
 SELECT c, i, p, 'Kaylah', 'Mills', 'Phoenix', 'AZ', m FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[]) AS t (c, i, p, m) ORDER BY c, p
 ON CONFLICT (company_id, primary_phone) WHERE primary_phone IS NOT NULL DO NOTHING)"};
constexpr Statement kLeads{
    "leads", R"(INSERT INTO leads AS l (company_id, id, contact_card_id, source, source_at, source_call, last_contacted_at)
 SELECT c, i, k, 'Google AdWords', a, s, a FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[]) AS t (c, i, k, a, s) ORDER BY c, i
 ON CONFLICT (company_id, id) DO UPDATE SET last_contacted_at = greatest(l.last_contacted_at, excluded.last_contacted_at), version = l.version + 1, updated_at = now())"};
constexpr Statement kCalls{
    "calls",
    R"(INSERT INTO calls AS c (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, duration,
 recording_url, started_at, contact_card_id, lead_id, source, campaign, received_at, merge_state, version, traceparent)
 SELECT company, id, 'callrail', provider_id, phone, tracking, 'inbound', status, false, true, 100, recording, started, contact, lead, 'Google AdWords', 'Google AdWords', started, state, 1, trace
 FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::uuid[], $10::uuid[], $11::text[], $12::text[])
 AS t (company, id, provider_id, phone, tracking, status, recording, started, contact, lead, state, trace) ORDER BY company, id
 ON CONFLICT (company_id, call_id) DO UPDATE SET status = excluded.status, recording_url = excluded.recording_url, merge_state = excluded.merge_state, version = c.version + 1, updated_at = now())"};
constexpr Statement kAliases{"aliases", R"(INSERT INTO call_aliases (company_id, provider, alias, call_id)
 SELECT c, 'callrail', a, i FROM unnest($1::text[], $2::text[], $3::bigint[]) AS t (c, a, i) ORDER BY c, a ON CONFLICT DO NOTHING)"};
constexpr Statement kOutbox{"outbox", R"(INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers)
 SELECT 'lead-pipeline', 'otto.routed', $1, t, k, v, h FROM unnest($2::text[], $3::text[], $4::bytea[], $5::jsonb[]) WITH ORDINALITY AS o (t, k, v, h, n) ORDER BY n RETURNING id)"};
constexpr Statement kPublished{"published", "DELETE FROM outbox WHERE id = ANY ($1::bigint[])"};

[[noreturn]] void fail(const char* what, const std::string& why) {
    std::fprintf(stderr, "%s: %s\n", what, why.c_str());
    std::exit(1);
}

Uuid named(const std::string& name) {
    static const Uuid space = *Uuid::parse("6f74746f-6265-5e6e-a473-000000000009");
    return Uuid::v5(space, name);
}

/// About as much as the service keeps of where each field comes from.
const std::string& merge_state() {
    static const std::string text =
        R"({"status":"completed","answered":true,"callable":true,"name":"Kaylah Mills","city":"Phoenix","state":"AZ","origins":")" +
        std::string(700, 'x') + "\"}";
    return text;
}

class Writer {
public:
    Writer(const std::string& url, const std::vector<Company>& companies, std::uint64_t seed, std::uint64_t first_call,
           std::uint64_t first_number, Instant start)
        : conn_(PQconnectdb(url.c_str())),
          companies_(companies),
          seed_(seed),
          first_call_(first_call),
          first_number_(first_number),
          start_(start) {
        if (PQstatus(conn_) != CONNECTION_OK) fail("connecting", PQerrorMessage(conn_));
        for (const auto& s : {kInbox, kContacts, kLeads, kCalls, kAliases, kOutbox, kPublished})
            PQclear(PQprepare(conn_, s.name, s.sql, 0, nullptr));
        PQclear(PQprepare(conn_, "begin", "BEGIN", 0, nullptr));
        PQclear(PQprepare(conn_, "commit", "COMMIT", 0, nullptr));
        PQenterPipelineMode(conn_);
    }
    ~Writer() { PQfinish(conn_); }

    void batch(int partition, const Due* events, std::size_t count) {
        Array inbox_company, inbox_id;
        struct Card {
            std::string company, phone;
            Uuid id;
        };
        struct Lead {
            Uuid contact, id;
            Instant at;
            std::string call;
        };
        std::map<std::string, Card> cards;  // by phone: a phone belongs to one company here
        std::map<std::string, Lead> leads;
        struct Row {
            bench::Call call;
            std::string status;
            bool over = false;
            Uuid cause;
        };
        std::map<std::int64_t, Row> calls;
        std::set<std::uint32_t> fresh;
        for (std::size_t i = 0; i < count; ++i) {
            const auto& d = events[i];
            auto call = call_of(seed_, first_call_ + d.call, first_number_ + d.number, companies_,
                                start_ + std::chrono::milliseconds(3 * d.call));
            auto id = named(call.resource_id + static_cast<char>('0' + static_cast<int>(d.stage)));
            inbox_company.add(call.company->id);
            inbox_id.add(id.to_string());
            if (seen_.insert(d.call).second) fresh.insert(d.call);
            auto contact = named(call.customer), lead = named(call.customer + " lead");
            if (cards_.insert(call.customer).second) cards[call.customer] = {call.company->id, call.customer, contact};
            if (fresh.contains(d.call)) leads[call.customer] = {contact, lead, call.started, call.resource_id};
            auto& row = calls[call.id];
            row.call = call;
            row.cause = id;
            row.over = row.over || d.stage == Stage::completed;
            row.status = row.over ? "completed" : "in_progress";
        }
        send("begin", {});
        send(kInbox.name, {inbox_company.done(), inbox_id.done()});
        Array deleted;
        for (const auto& id : published_) deleted.add(id);
        if (!published_.empty()) send(kPublished.name, {deleted.done()});
        Array c1, c2, c3, c4;
        for (const auto& [phone, card] : cards)
            c1.add(card.company), c2.add(card.id.to_string()), c3.add(phone), c4.add(std::string(200, 'x'));
        if (!cards.empty()) send(kContacts.name, {c1.done(), c2.done(), c3.done(), c4.done()});
        Array l1, l2, l3, l4, l5;
        Outbox out;
        for (const auto& [phone, lead] : leads) {
            l1.add(company_of(phone)), l2.add(lead.id.to_string()), l3.add(lead.contact.to_string()), l4.add(to_rfc3339(lead.at)),
                l5.add(lead.call);
            changed(out, company_of(phone), "lead", lead.id.to_string(), lead.contact);
            changed(out, company_of(phone), "contact", lead.contact.to_string(), lead.id);
        }
        if (!leads.empty()) send(kLeads.name, {l1.done(), l2.done(), l3.done(), l4.done(), l5.done()});
        Array a[12], s1, s2, s3;
        for (const auto& [id, row] : calls) {
            const auto& call = row.call;
            auto contact = named(call.customer).to_string(), lead = named(call.customer + " lead").to_string();
            auto number = std::to_string(id), recording = row.over ? "https://app.callrail.com/calls/" + number +
                                                                         "/recording/redirect?access_key=aaaaccccddddeeee"
                                                                   : std::string();
            const std::string_view values[12] = {call.company->id,
                                                 number,
                                                 call.resource_id,
                                                 call.customer,
                                                 call.company->tracking,
                                                 row.status,
                                                 recording,
                                                 "",
                                                 contact,
                                                 lead,
                                                 merge_state(),
                                                 "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
            auto started = to_rfc3339(call.started);
            for (int i = 0; i < 12; ++i) a[i].add(i == 7 ? std::string_view(started) : values[i]);
            if (fresh.contains(static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) - 1'000'000'000 - first_call_)))
                for (const auto& alias : {call.resource_id, number}) s1.add(call.company->id), s2.add(alias), s3.add(number);
            recorded(out, row.call, row.status, contact, lead, recording, row.cause);
            changed(out, call.company->id, "call", number, row.cause);
        }
        send(kCalls.name, {a[0].done(), a[1].done(), a[2].done(), a[3].done(), a[4].done(), a[5].done(), a[6].done(), a[7].done(),
                           a[8].done(), a[9].done(), a[10].done(), a[11].done()});
        if (!fresh.empty()) send(kAliases.name, {s1.done(), s2.done(), s3.done()});
        auto number = std::to_string(partition);
        send(kOutbox.name, {number.c_str(), out.topic.done(), out.key.done(), out.value.done(), out.headers.done()}, true);
        send("commit", {});
        PQpipelineSync(conn_);
        published_ = finish();
    }

private:
    struct Outbox {
        Array topic, key, value, headers;
    };

    const std::string& company_of(const std::string& phone) {
        return companies_[(std::stoull(phone.substr(5)) - 2'000'000) % companies_.size()].id;
    }

    void emit(Outbox& out, const google::protobuf::Message& m, const Uuid& cause) {
        events::Meta meta;
        meta.id = events::derived_event_id(EventId{cause}, "lead-pipeline", m.GetTypeName(), 0);
        meta.source = "/lead-pipeline";
        meta.time = start_;
        meta.cause = EventId{cause};
        meta.trace = trace_;
        auto wire = events::encode(m, meta);
        JsonWriter headers;
        headers.begin_array();
        for (const auto& [name, value] : wire.headers) headers.begin_array().value(name).value(value).end_array();
        out.topic.add(wire.topic), out.key.add(wire.key), out.value.add("\\x" + hex_encode(wire.value)),
            out.headers.add(headers.end_array().take());
    }
    void changed(Outbox& out, const std::string& company, const char* kind, const std::string& id, const Uuid& cause) {
        changes::v1::RowChanged m;
        m.set_company_id(company);
        m.set_kind(kind);
        m.set_id(id);
        m.set_version(1);
        emit(out, m, cause);
    }
    void recorded(Outbox& out, const bench::Call& c, const std::string& status, const std::string& contact,
                  const std::string& lead, const std::string& recording, const Uuid& cause) {
        calls::v1::CallRecorded m;
        m.set_company_id(c.company->id);
        m.set_phone(c.customer);
        m.set_call_id(c.id);
        m.set_version(1);
        m.set_provider("callrail");
        m.set_provider_call_id(c.resource_id);
        m.set_contact_card_id(contact);
        m.set_lead_id(lead);
        m.set_status(status);
        m.set_answered(true);
        m.set_direction("inbound");
        m.set_duration_s(c.duration_s);
        m.set_recording_url(recording);
        m.set_started_at_us(to_micros(c.started));
        m.set_tracking_number(c.company->tracking);
        m.set_received_at_us(to_micros(c.started));
        emit(out, m, cause);
    }
    void send(const char* name, std::vector<const char*> values, bool ids = false) {
        if (!PQsendQueryPrepared(conn_, name, static_cast<int>(values.size()), values.data(), nullptr, nullptr, 0))
            fail(name, PQerrorMessage(conn_));
        expected_.push_back({name, ids});
    }
    std::vector<std::string> finish() {
        std::vector<std::string> ids;
        for (const auto& [name, wanted] : expected_) {
            PGresult* r = nullptr;
            while ((r = PQgetResult(conn_))) {
                if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
                    fail(name, PQresultErrorMessage(r));
                if (wanted)
                    for (int i = 0; i < PQntuples(r); ++i) ids.emplace_back(PQgetvalue(r, i, 0));
                PQclear(r);
            }
        }
        expected_.clear();
        PQclear(PQgetResult(conn_));  // the Sync's mark
        return ids;
    }

    PGconn* conn_;
    const std::vector<Company>& companies_;
    std::uint64_t seed_, first_call_, first_number_;
    Instant start_;
    tel::TraceContext trace_ = tel::TraceContext::fresh();
    std::set<std::uint32_t> seen_;
    std::set<std::string> cards_;
    std::vector<std::pair<const char*, bool>> expected_;
    std::vector<std::string> published_;
};

}  // namespace

int main(int argc, char** argv) {
    Args args(argc, argv, "url company seed calls numbers first-call first-number spread-s start-us connections batch");
    auto companies = Company::of(args);
    auto seed = static_cast<std::uint64_t>(args.number("seed"));
    auto first_call = static_cast<std::uint64_t>(args.number("first-call", 0)),
         first_number = static_cast<std::uint64_t>(args.number("first-number", 0));
    auto start = from_micros(args.number("start-us"));
    auto due = backlog_of(seed + first_call, static_cast<std::uint64_t>(args.number("calls")),
                          static_cast<std::uint64_t>(args.number("numbers")), args.number("spread-s", 30));
    constexpr std::size_t kPartitions = 12;
    std::vector<std::vector<Due>> partitions(kPartitions);
    for (const auto& d : due) partitions[random_of(7, first_number + d.number) % kPartitions].push_back(d);
    auto connections = static_cast<std::size_t>(args.number("connections")),
         most = static_cast<std::size_t>(args.number("batch"));

    std::vector<std::unique_ptr<Writer>> writers;
    for (std::size_t c = 0; c < connections; ++c)
        writers.push_back(std::make_unique<Writer>(args.text("url"), companies, seed, first_call, first_number, start));
    auto began = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (std::size_t c = 0; c < connections; ++c)
        threads.emplace_back([&, c] {
            std::vector<std::size_t> at(kPartitions, 0);
            for (bool more = true; more;) {
                more = false;
                for (std::size_t p = c; p < kPartitions; p += connections) {
                    auto n = std::min(most, partitions[p].size() - at[p]);
                    if (n == 0) continue;
                    writers[c]->batch(static_cast<int>(p), partitions[p].data() + at[p], n);
                    at[p] += n;
                    more = true;
                }
            }
        });
    for (auto& t : threads) t.join();
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("{\"events\": %zu, \"seconds\": %.6f, \"events_per_s\": %.1f}\n", due.size(), took.count(),
                static_cast<double>(due.size()) / took.count());
}
