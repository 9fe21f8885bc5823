#pragma once
// Calls driven on a real Postgres against a Shunya of our own.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "driver.hpp"
#include "handlers.hpp"
#include "http/server.hpp"
#include "runtime/work_queue.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

namespace otto::shunya_orchestrator::tests {

struct Text {
    std::string v;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};

struct World {
    Secret owner, role, reader;
    std::string folder;
    std::unique_ptr<providers::ObjectStore> store;
    std::unique_ptr<providers::MediaLinks> links;
    std::unique_ptr<pg::Pool> pool;
    static World& shared() {
        static World w = [] {
            World made;
            made.owner = testkit::TestPostgres::shared().migrated_database();
            made.role = testkit::TestPostgres::as_role(made.owner, "otto_shunya_orchestrator");
            made.reader = testkit::TestPostgres::as_role(made.owner, "otto_query_service");
            made.folder =
                (std::filesystem::temp_directory_path() / ("otto-orchestrator-" + Uuid::v7(system_clock().now()).to_string()))
                    .string();
            made.store = providers::make_object_store("file:" + made.folder).value();
            made.links = std::make_unique<providers::MediaLinks>(
                providers::MediaLinks::make("https://otto.example", Secret("0123456789abcdef0123456789abcdef"), Secret())
                    .value());
            made.pool = std::make_unique<pg::Pool>(made.role, "test", 8, pg::SessionLimits{}, Millis{20'000});
            return made;
        }();
        return w;
    }
    ~World() {
        std::error_code ignored;
        if (!folder.empty()) std::filesystem::remove_all(folder, ignored);
    }
    World() = default;
    World(World&&) = default;
};

/// One value as the owner of the database sees it; "" for none.
inline std::string value(const std::string& sql, bool as_reader_of = false, const std::string& company = "") {
    pg::Connection db(as_reader_of ? World::shared().reader : World::shared().owner, "look");
    auto tx = db.begin(as_reader_of ? pg::Scope::company(CompanyId{company}) : pg::Scope::none());
    auto text = sql;
    auto rows = tx.many<Text>({"look", text});
    tx.commit();
    return rows.empty() ? "" : rows.front().v;
}
inline void execute(const std::string& sql) {
    pg::Connection db(World::shared().owner, "change");
    db.execute(sql);
}

/// A Shunya: accepts, remembers keys, answers questions, and can be made to fail.
class Peer {
public:
    struct Seen {
        std::string what, key, body;
    };
    std::set<std::string> begun_for;    ///< calls' ids; what is asked of another one is not there
    std::set<std::int64_t> broken_for;  ///< calls for which every answer is a 500
    Peer() {
        auto router = std::make_shared<http::Router>();
        router->add(http::Method::post, "/api/v1/transcription/transcribe",
                    [this](const http::Request& r) { return post("transcription", r); });
        router->add(http::Method::post, "/api/v1/analysis/start/{id}",
                    [this](const http::Request& r) { return post("analysis", r); });
        router->add(http::Method::get, "/api/v1/transcription/status/{id}",
                    [this](const http::Request& r) { return get("status transcription", r); });
        router->add(http::Method::get, "/api/v1/analysis/status/{id}",
                    [this](const http::Request& r) { return get("status analysis", r); });
        router->add(http::Method::get, "/api/v1/transcription/transcript/{id}",
                    [this](const http::Request& r) { return get("result transcription", r); });
        router->add(http::Method::get, "/api/v1/analysis/complete/{id}",
                    [this](const http::Request& r) { return get("result analysis", r); });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server_->start().value();
    }
    ~Peer() { server_->drain(Millis{1'000}); }
    std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

    std::vector<Seen> seen;
    int accepted = 0;
    std::map<std::string, std::string> state;  ///< "transcription" → "processing", "completed"; absent: not known
    std::string transcript = R"({"success": true, "transcript_text": "hello", "speaker_labels": []})";
    std::string analysis =
        R"({"call_id": 1, "status": "completed", "qualification": {"booking_status": "booked", "qualification_status": "hot", "appointment_date": "2026-11-22T14:00:00"}, "entities": {"address": "1 A St"}})";
    std::deque<int> refuse_posts;              ///< status of the next posts, 0 = take it
    std::function<void(bool before)> in_post;  ///< while a post is being answered
    std::mutex lock;

    int posts(const std::string& step) {
        std::lock_guard guard(lock);
        return static_cast<int>(std::count_if(seen.begin(), seen.end(), [&](const auto& s) { return s.what == "post " + step; }));
    }
    void now(const std::string& step, const std::string& word) {
        std::lock_guard guard(lock);
        state[step] = word;
    }

private:
    http::Response post(const std::string& step, const http::Request& r) {
        std::function<void(bool)> hook;
        int refuse = 0;
        {
            std::lock_guard guard(lock);
            seen.push_back({"post " + step, std::string(r.headers.get("Idempotency-Key")), r.body});
            auto body = JsonDocument::parse(r.body);
            auto call = step == "analysis" ? std::string(r.param("id"))
                                           : std::to_string(body ? body->root()["call_id"].integer().value_or(0) : 0);
            begun_for.insert(call);
            hook = in_post;
            if (broken_for.contains(std::stoll(call))) refuse = 500;
            if (!refuse && !refuse_posts.empty()) {
                refuse = refuse_posts.front();
                refuse_posts.pop_front();
            }
        }
        if (hook) hook(true);
        http::Response answer =
            http::Response::json(refuse ? refuse : 200, R"({"success": true, "message": "", "task_id": "task_)" + step + "\"}");
        if (!refuse) {
            std::lock_guard guard(lock);
            // The same key is begun once.
            if (keys_.insert(std::string(r.headers.get("Idempotency-Key"))).second) ++accepted;
            state.try_emplace(step, "processing");
        }
        if (hook) hook(false);
        return answer;
    }
    http::Response get(const std::string& what, const http::Request& r) {
        std::lock_guard guard(lock);
        seen.push_back({what, "", ""});
        if (broken_for.contains(std::stoll(std::string(r.param("id"))))) return http::Response::json(500, "{}");
        auto step = what.substr(what.find(' ') + 1);
        auto found = state.find(step);
        auto missing = [] {
            return http::Response::json(
                404,
                R"({"success": false, "error": {"error_code": "CALL_NOT_FOUND", "message": "not there", "retryable": false}})");
        };
        if (found == state.end() || (!begun_for.empty() && !begun_for.contains(std::string(r.param("id"))))) return missing();
        if (what.starts_with("status"))
            return http::Response::json(
                200, R"({"success": true, "call_id": 1, "created_at": "x", "status": ")" + found->second + "\"}");
        if (found->second != "completed") return missing();
        return http::Response::json(200, step == "transcription" ? transcript : analysis);
    }
    std::set<std::string> keys_;
    std::unique_ptr<http::Server> server_;
};

/// Where threads wait until it is opened.
class Gate {
public:
    void pass() {
        std::unique_lock guard(lock_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait_for(guard, Millis{30'000}, [&] { return open_; });  // a test that failed must end
        --waiting_;
    }
    bool waits_for(int threads) {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, Millis{20'000}, [&] { return waiting_ >= threads; });
    }
    int waiting() {
        std::lock_guard guard(lock_);
        return waiting_;
    }
    void open() {
        std::lock_guard guard(lock_);
        open_ = true;
        changed_.notify_all();
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    int waiting_ = 0;
    bool open_ = false;
};

/// A process that drives calls.
struct Process {
    Process(Driver::Outside outside, Driver::Options options, rt::QueueOptions how)
        : driver(std::move(outside), std::move(options)),
          queue(rt::work_of<&Driver::next>(std::string(kQueue), driver, how), 8) {}
    bool run_one(pg::Pool& pool) { return queue.run_one(pool); }
    void renew(pg::Connection& db) { queue.renew(db); }
    const Breaker& breaker() const { return driver.breaker(); }
    Driver driver;
    rt::WorkQueue queue;
};

/// One company's calls, the process that drives them, and what stands around it.
class Rig {
public:
    explicit Rig(std::string address = "") {
        static std::atomic<int> n{0};
        company = "org_drv" + std::to_string(++n);
        call = 5'000 + n * 100;
        driver = make(address.empty() ? peer.address() : address);
        execute("DELETE FROM work");  // what others left
    }

    std::unique_ptr<Process> make(const std::string& address, Driver::Options options = {}, rt::QueueOptions how = {}) {
        providers::shunya::Options o;
        o.api = "http://" + address;
        o.token_secret = Secret("s");
        o.private_addresses = {address};
        o.timeout = Millis{5'000};
        clients_.push_back(std::make_unique<providers::shunya::Client>(o));
        how.lease = Millis{3'000};
        auto& w = World::shared();
        return std::make_unique<Process>(
            Driver::Outside{
                *clients_.back(),
                [this](const RecordingSource& s, const tel::TraceContext&, const std::function<bool()>&) { return fetch(s); },
                [this](const KeyOwner& who) -> std::optional<RecordingSource> {
                    if (!profiles) return std::nullopt;
                    if (who.provider == "twilio") return twilio[who.of_deployment];
                    return RecordingSource{Secret(api_key), api_key.empty() ? "" : "ACC1", "", ""};
                },
                *w.store, *w.links, failing},
            options, how);
    }

    FetchOutcome fetch(const RecordingSource& s) {
        if (before_fetch) before_fetch(s.url);
        std::lock_guard guard(lock);
        if (fetch_really) return fetch_really(s);
        fetched.push_back(s.url);
        if (!recordings.empty()) {
            auto outcome = std::move(recordings.front());
            recordings.pop_front();
            return outcome;
        }
        auto file = World::shared().store->temporary().value();
        file.write("RIFF....WAVEfmt ").value();
        auto bytes = file.bytes();
        auto hash = file.sha256();
        return Fetched{std::move(file), bytes, hash, "wav", 12.4};
    }

    /// The same of a call of Twilio's.
    calls::v1::CallRecorded of_twilio(std::int64_t version, const std::string& status, const std::string& url,
                                      std::int64_t seconds = 0, bool of_deployment = false) const {
        auto m = recorded(version, status, url);
        m.set_provider("twilio");
        m.set_provider_call_id("CA" + std::to_string(call));
        if (!url.empty()) m.set_recording_sid(url.substr(url.rfind('/') + 1));
        m.set_recording_duration_s(seconds);
        m.set_recording_of_deployment(of_deployment);
        return m;
    }

    calls::v1::CallRecorded recorded(std::int64_t version = 3, const std::string& status = "completed",
                                     const std::string& url = "https://rec.example/1.wav", std::int64_t id = 0) const {
        calls::v1::CallRecorded m;
        m.set_company_id(company);
        m.set_phone("+16025550123");
        m.set_call_id(id ? id : call);
        m.set_version(version);
        m.set_provider("callrail");
        m.set_provider_call_id("CAL" + std::to_string(id ? id : call));
        m.set_contact_card_id("01890000-0000-7000-8000-000000000001");
        m.set_lead_id("01890000-0000-7000-8000-000000000002");
        m.set_status(status);
        m.set_direction("inbound");
        m.set_recording_url(url);
        m.set_started_at_us(to_micros(system_clock().now()) - 60'000'000);
        m.set_received_at_us(to_micros(system_clock().now()));
        return m;
    }

    void record(const std::vector<calls::v1::CallRecorded>& events) {
        auto tx = World::shared().pool->begin(pg::Scope::companies({CompanyId{company}}));
        std::deque<rt::Envelope> metas(events.size());
        std::vector<rt::In<calls::v1::CallRecorded>> ins;
        for (std::size_t i = 0; i < events.size(); ++i) {
            metas[i].trace = tel::TraceContext::fresh();
            ins.push_back({events[i], metas[i]});
        }
        rt::Sink sink("shunya-orchestrator");
        rt::Out<> out(sink);
        Calls{failing}.record(ins, tx, out);
        tx.commit();
    }

    /// A webhook of Shunya's, as the router hands it over; what followed from it.
    std::vector<std::string> report(const std::string& body, const std::string& status = "completed",
                                    const std::string& event = "call.analysis.complete", const std::string& job = "",
                                    Millis later = Millis{0}, rt::Outcome::Kind expected = rt::Outcome::Kind::done,
                                    std::int64_t id = 0) {
        routed::v1::JobReported m;
        m.set_company_id(company);
        m.set_phone("+16025550123");
        m.mutable_receipt()->set_raw_body(body);
        m.mutable_receipt()->set_received_at_us(to_micros(system_clock().now() + later));
        m.mutable_job()->set_call_id(id ? id : call);
        m.mutable_job()->set_status(status);
        m.mutable_job()->set_event_type(event);
        m.mutable_job()->set_shunya_job_id(job);
        auto tx = World::shared().pool->begin(pg::Scope::companies({CompanyId{company}}));
        rt::Envelope meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        rt::Sink sink("shunya-orchestrator");
        rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                analysis::v1::AnalysisFailed, changes::v1::RowChanged>
            out(sink, &meta);
        auto outcome = Reports{Rules{}}.take({m, meta}, tx, out);
        CHECK(outcome.kind() == expected);
        if (!outcome.settled()) return {};
        tx.commit();
        return types_of(sink);
    }

    /// Two rows proved to be one call; what followed from it.
    std::vector<std::string> fold(std::int64_t from, std::int64_t into, std::int64_t version = 9) {
        calls::v1::CallFolded m;
        m.set_company_id(company);
        m.set_phone("+16025550123");
        m.set_from(from);
        m.set_into(into);
        m.set_version(version);
        auto tx = World::shared().pool->begin(pg::Scope::companies({CompanyId{company}}));
        rt::Envelope meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        rt::Sink sink("shunya-orchestrator");
        rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                analysis::v1::AnalysisFailed, changes::v1::RowChanged>
            out(sink, &meta);
        CHECK(Folds{Rules{}}.take({m, meta}, tx, out).settled());
        tx.commit();
        return types_of(sink);
    }

    static std::vector<std::string> types_of(rt::Sink& sink) {
        std::vector<std::string> types;
        for (auto& item : sink.items())
            for (auto& [name, v] : item.wire.headers)
                if (name == "ce_type") types.push_back(v.substr(v.rfind('.') + 1));
        return types;
    }

    bool run() { return driver->run_one(*World::shared().pool); }
    /// As if all that it waits for had come to pass.
    void due() {
        execute("UPDATE work SET due_at = now(), lease = NULL, leased_until = NULL WHERE company_id = '" + company + "'");
        execute(
            "UPDATE shunya_jobs SET next_retry_at = NULL, asked_at = asked_at - interval '20 minutes', posted_at = posted_at - "
            "interval '20 minutes' WHERE company_id = '" +
            company + "'");
        execute("UPDATE recordings SET next_at = NULL WHERE company_id = '" + company + "'");
    }
    void steal_lease() const {
        execute("UPDATE work SET lease = gen_random_uuid(), leased_until = now(), due_at = now() WHERE company_id = '" + company +
                "'");
    }

    std::string where() const { return " WHERE company_id = '" + company + "' AND call_id = " + std::to_string(call); }
    std::string job(const std::string& step, const std::string& column) const {
        return value("SELECT " + column + "::text AS v FROM shunya_jobs" + where() + " AND step = '" + step + "'");
    }
    std::string recording(const std::string& column) const {
        return value("SELECT " + column + "::text AS v FROM recordings" + where());
    }
    std::string found(const std::string& column) const {
        return value("SELECT " + column + "::text AS v FROM call_analyses" + where());
    }
    int told(const std::string& type) const {
        return std::stoi(value("SELECT count(*)::text AS v FROM outbox WHERE headers::text LIKE '%." + type +
                               "\"%' AND key LIKE '" + company + "%'"));
    }
    /// The call as lead-pipeline has it, with its card and lead; then its state can be asked for.
    void place(const std::string& provider = "callrail", const std::string& status = "completed") const {
        execute("INSERT INTO contact_cards (company_id, id) VALUES ('" + company +
                "', '01890000-0000-7000-8000-000000000001') ON CONFLICT DO NOTHING");
        execute("INSERT INTO leads (company_id, id, contact_card_id) VALUES ('" + company +
                "', '01890000-0000-7000-8000-000000000002', '01890000-0000-7000-8000-000000000001') ON CONFLICT DO NOTHING");
        execute(
            "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
            "contact_card_id, lead_id, received_at, merge_state, recording_url, ended_at) VALUES ('" +
            company + "', " + std::to_string(call) + ", '" + provider + "', 'CAL" + std::to_string(call) + "', 'inbound', '" +
            status +
            "', false, true, '01890000-0000-7000-8000-000000000001', "
            "'01890000-0000-7000-8000-000000000002', now(), '', 'https://rec.example/1', now())");
    }
    std::string state(const std::string& column) const {
        return value("SELECT " + column + "::text AS v FROM analysis_states" + where(), true, company);
    }
    std::string at_work() const { return " WHERE company_id = '" + company + "' AND key = '" + std::to_string(call) + "'"; }
    std::string work() const { return value("SELECT count(*)::text AS v FROM work" + at_work()); }

    std::string company;
    std::int64_t call = 0;
    Peer peer;
    FailingRecordings failing;
    std::unique_ptr<Process> driver;
    std::mutex lock;
    std::deque<FetchOutcome> recordings;
    std::vector<std::string> fetched;
    bool profiles = true;
    std::string api_key;        ///< the company's at CallRail
    RecordingSource twilio[2];  ///< accounts there: the company's own, the deployment's
    std::function<FetchOutcome(const RecordingSource&)> fetch_really;
    std::function<void(const std::string& url)> before_fetch;

private:
    std::vector<std::unique_ptr<providers::shunya::Client>> clients_;
};

}  // namespace otto::shunya_orchestrator::tests
