// Calls driven on a real Postgres against a Shunya of our own: results both ways, faults, crashes, two processes, people.
#include "driver.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <thread>

#include "commands.hpp"
#include "handlers.hpp"
#include "http/server.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;

namespace {

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
            made.owner = testkit::TestPostgres::shared().fresh_database();
            pg::Connection db(made.owner, "test");
            pg::migrate(db, schema::all()).value();
            made.role = testkit::TestPostgres::as_role(made.owner, "otto_shunya_orchestrator");
            made.reader = testkit::TestPostgres::as_role(made.owner, "otto_query_service");
            made.folder = (std::filesystem::temp_directory_path() / ("otto-orchestrator-" + Uuid::v7(system_clock().now()).to_string())).string();
            made.store = providers::make_object_store("file:" + made.folder).value();
            made.links = std::make_unique<providers::MediaLinks>(providers::MediaLinks::make("https://otto.example", Secret("0123456789abcdef0123456789abcdef"), Secret()).value());
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
std::string value(const std::string& sql, bool as_reader_of = false, const std::string& company = "") {
    pg::Connection db(as_reader_of ? World::shared().reader : World::shared().owner, "look");
    auto tx = db.begin(as_reader_of ? pg::Scope::company(CompanyId{company}) : pg::Scope::none());
    auto text = sql;
    auto rows = tx.many<Text>({"look", text});
    tx.commit();
    return rows.empty() ? "" : rows.front().v;
}
void execute(const std::string& sql) {
    pg::Connection db(World::shared().owner, "change");
    db.execute(sql);
}

/// A Shunya: accepts, remembers keys, answers questions, and can be made to fail.
class Peer {
public:
    struct Seen { std::string what, key, body; };
    Peer() {
        auto router = std::make_shared<http::Router>();
        router->add(http::Method::post, "/api/v1/transcription/transcribe", [this](const http::Request& r) { return post("transcription", r); });
        router->add(http::Method::post, "/api/v1/analysis/start/{id}", [this](const http::Request& r) { return post("analysis", r); });
        router->add(http::Method::get, "/api/v1/transcription/status/{id}", [this](const http::Request& r) { return get("status transcription", r); });
        router->add(http::Method::get, "/api/v1/analysis/status/{id}", [this](const http::Request& r) { return get("status analysis", r); });
        router->add(http::Method::get, "/api/v1/transcription/transcript/{id}", [this](const http::Request& r) { return get("result transcription", r); });
        router->add(http::Method::get, "/api/v1/analysis/complete/{id}", [this](const http::Request& r) { return get("result analysis", r); });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server_->start().value();
    }
    ~Peer() { server_->drain(Millis{1'000}); }
    std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

    std::vector<Seen> seen;
    int accepted = 0;
    std::map<std::string, std::string> state;                  ///< "transcription" → "processing", "completed"; absent: not known
    std::string transcript = R"({"success": true, "transcript_text": "hello", "speaker_labels": []})";
    std::string analysis = R"({"call_id": 1, "status": "completed", "qualification": {"booking_status": "booked", "qualification_status": "hot", "appointment_date": "2026-11-22T14:00:00"}, "entities": {"address": "1 A St"}})";
    std::deque<int> refuse_posts;                              ///< status of the next posts, 0 = take it
    std::function<void(bool before)> in_post;                  ///< while a post is being answered
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
            hook = in_post;
            if (!refuse_posts.empty()) {
                refuse = refuse_posts.front();
                refuse_posts.pop_front();
            }
        }
        if (hook) hook(true);
        http::Response answer = http::Response::json(refuse ? refuse : 200, R"({"success": true, "message": "", "task_id": "task_)" + step + "\"}");
        if (!refuse) {
            std::lock_guard guard(lock);
            // The same key is begun once.
            if (keys_.insert(std::string(r.headers.get("Idempotency-Key"))).second) ++accepted;
            state.try_emplace(step, "processing");
        }
        if (hook) hook(false);
        return answer;
    }
    http::Response get(const std::string& what, const http::Request&) {
        std::lock_guard guard(lock);
        seen.push_back({what, "", ""});
        auto step = what.substr(what.find(' ') + 1);
        auto found = state.find(step);
        auto missing = [] { return http::Response::json(404, R"({"success": false, "error": {"error_code": "CALL_NOT_FOUND", "message": "not there", "retryable": false}})"); };
        if (found == state.end()) return missing();
        if (what.starts_with("status")) return http::Response::json(200, R"({"success": true, "call_id": 1, "created_at": "x", "status": ")" + found->second + "\"}");
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

/// One company's calls, the process that drives them, and what stands around it.
class Rig {
public:
    explicit Rig(std::string address = "") {
        static std::atomic<int> n{0};
        company = "org_drv" + std::to_string(++n);
        call = 5'000 + n * 100;
        driver = make(address.empty() ? peer.address() : address);
        execute("DELETE FROM orchestrator_work");  // what others left
    }

    std::unique_ptr<Driver> make(const std::string& address, Driver::Options options = {}) {
        providers::shunya::Options o;
        o.api = "http://" + address;
        o.token_secret = Secret("s");
        o.private_addresses = {address};
        o.timeout = Millis{5'000};
        clients_.push_back(std::make_unique<providers::shunya::Client>(o));
        options.lease = Millis{3'000};
        auto& w = World::shared();
        return std::make_unique<Driver>(Driver::Outside{*clients_.back(), [this](const RecordingSource& s, const tel::TraceContext&, const std::function<bool()>&) { return fetch(s); },
                                                        [this](const CompanyId&) { return profiles ? std::optional(RecordingSource{}) : std::nullopt; }, *w.store, *w.links},
                                        options);
    }

    FetchOutcome fetch(const RecordingSource& s) {
        if (before_fetch) before_fetch(s.url);
        std::lock_guard guard(lock);
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
        return Fetched{std::move(file), bytes, hash, AudioFormat::wav, 12.4};
    }

    calls::v1::CallRecorded recorded(std::int64_t version = 3, const std::string& status = "completed", const std::string& url = "https://rec.example/1.wav", std::int64_t id = 0) const {
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
        Calls{}.record(ins, tx, out);
        tx.commit();
    }

    /// A webhook of Shunya's, as the router hands it over; what followed from it.
    std::vector<std::string> report(const std::string& body, const std::string& status = "completed", const std::string& event = "call.analysis.complete", const std::string& job = "", Millis later = Millis{0},
                                    rt::Outcome::Kind expected = rt::Outcome::Kind::done) {
        routed::v1::JobReported m;
        m.set_company_id(company);
        m.set_phone("+16025550123");
        m.mutable_receipt()->set_raw_body(body);
        m.mutable_receipt()->set_received_at_us(to_micros(system_clock().now() + later));
        m.mutable_job()->set_call_id(call);
        m.mutable_job()->set_status(status);
        m.mutable_job()->set_event_type(event);
        m.mutable_job()->set_shunya_job_id(job);
        auto tx = World::shared().pool->begin(pg::Scope::companies({CompanyId{company}}));
        rt::Envelope meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        rt::Sink sink("shunya-orchestrator");
        rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted, analysis::v1::AnalysisFailed, changes::v1::RowChanged> out(sink, &meta);
        auto outcome = Reports{Rules{}}.take({m, meta}, tx, out);
        CHECK(outcome.kind() == expected);
        if (!outcome.settled()) return {};
        tx.commit();
        std::vector<std::string> types;
        for (auto& item : sink.items())
            for (auto& [name, v] : item.wire.headers)
                if (name == "ce_type") types.push_back(v.substr(v.rfind('.') + 1));
        return types;
    }

    bool run() { return driver->run_one(*World::shared().pool); }
    /// As if all that it waits for had come to pass.
    void due() {
        execute("UPDATE orchestrator_work SET due_at = now(), lease = NULL, leased_until = NULL WHERE company_id = '" + company + "'");
        execute("UPDATE shunya_jobs SET next_retry_at = NULL, asked_at = asked_at - interval '20 minutes', posted_at = posted_at - interval '20 minutes' WHERE company_id = '" + company + "'");
        execute("UPDATE recordings SET next_at = NULL WHERE company_id = '" + company + "'");
    }
    void steal_lease() const { execute("UPDATE orchestrator_work SET lease = gen_random_uuid(), leased_until = now(), due_at = now() WHERE company_id = '" + company + "'"); }

    std::string where() const { return " WHERE company_id = '" + company + "' AND call_id = " + std::to_string(call); }
    std::string job(const std::string& step, const std::string& column) const { return value("SELECT " + column + "::text AS v FROM shunya_jobs" + where() + " AND step = '" + step + "'"); }
    std::string recording(const std::string& column) const { return value("SELECT " + column + "::text AS v FROM recordings" + where()); }
    std::string found(const std::string& column) const { return value("SELECT " + column + "::text AS v FROM call_analyses" + where()); }
    int told(const std::string& type) const {
        return std::stoi(value("SELECT count(*)::text AS v FROM outbox WHERE headers::text LIKE '%." + type + "\"%' AND key LIKE '" + company + "%'"));
    }
    std::string work() const { return value("SELECT count(*)::text AS v FROM orchestrator_work" + where()); }

    std::string company;
    std::int64_t call = 0;
    Peer peer;
    std::unique_ptr<Driver> driver;
    std::mutex lock;
    std::deque<FetchOutcome> recordings;
    std::vector<std::string> fetched;
    bool profiles = true;
    std::function<void(const std::string& url)> before_fetch;

private:
    std::vector<std::unique_ptr<providers::shunya::Client>> clients_;
};

}  // namespace

TEST_CASE("a silent Shunya: recording, transcript and analysis are had by asking", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    CHECK(rig.recording("status") == "pending");
    REQUIRE(rig.run());
    CHECK(rig.recording("status || ' ' || format || ' ' || bytes || ' ' || duration || ' ' || object_key") == "stored wav 16 12 " + rig.company + "/calls/" + std::to_string(rig.call) + ".wav");
    CHECK(rig.job("transcription", "job_type || ' ' || job_status || ' ' || shunya_job_id") == "csr_call running task_transcription");
    CHECK_FALSE(rig.run());  // it waits
    CHECK(rig.peer.seen.at(0).body.find("https://otto.example/media/") != std::string::npos);
    CHECK(rig.told("JobSubmitted") == 2);  // before it was posted, and with its id

    rig.due();
    REQUIRE(rig.run());  // still at it
    CHECK(rig.job("transcription", "job_status || asks") == "running1");
    rig.peer.now("transcription", "completed");
    rig.due();
    REQUIRE(rig.run());
    CHECK(rig.job("transcription", "job_status") == "succeeded");
    CHECK(value("SELECT transcript_text AS v FROM call_transcripts" + rig.where()) == "hello");
    CHECK(rig.job("analysis", "job_status") == "running");
    CHECK(rig.told("TranscriptReady") == 1);
    rig.peer.now("analysis", "completed");
    rig.due();
    REQUIRE(rig.run());
    CHECK(rig.job("analysis", "job_status || (processed_output_hash IS NOT NULL)") == "succeededtrue");
    CHECK(rig.found("booking_status || ' ' || lead_quality || ' ' || version || ' ' || (raw -> 'entities' ->> 'address')") == "booked hot 1 1 A St");
    CHECK(rig.told("AnalysisCompleted") == 1);
    CHECK(rig.work() == "0");
    CHECK(rig.peer.accepted == 2);
}

TEST_CASE("results by webhook are taken once; other content later is the newer analysis; older is nothing", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    CHECK(rig.report(R"({"task_id": "task_transcription", "data": {"transcript_text": "hi"}})", "completed", "call.transcription.complete", "task_transcription") == std::vector<std::string>{"TranscriptReady", "RowChanged"});
    REQUIRE(rig.run());  // the analysis is posted at once
    CHECK(rig.job("analysis", "job_status") == "running");
    auto result = [](const std::string& status, const std::string& more = "") { return R"({"task_id": "task_analysis", "timestamp": "t", "result": {)" + more + R"("qualification": {"booking_status": ")" + status + R"("}}})"; };
    CHECK(rig.report(result("not_booked"), "completed", "", "task_analysis") == std::vector<std::string>{"AnalysisCompleted", "RowChanged"});
    CHECK(rig.report(result("not_booked"), "completed", "", "task_analysis").empty());
    CHECK(rig.report(result("not_booked", R"("created_at": "later", )")).empty());
    CHECK(rig.report(result("not_booked", R"("key_that_nobody_reads": 1, )")).empty());  // nobody would see a difference
    CHECK(rig.found("version") == "1");
    CHECK(rig.report(result("booked"), "completed", "call.analysis.complete", "", Millis{-60'000}).empty());
    CHECK(rig.found("booking_status") == "not_booked");
    CHECK(rig.report(result("booked"), "success") == std::vector<std::string>{"AnalysisCompleted", "RowChanged"});
    CHECK(rig.found("booking_status || version") == "booked2");
    rig.due();
    rig.run();
    CHECK(rig.work() == "0");
    CHECK(rig.peer.accepted == 2);
    // After all that, a failure is too late.
    CHECK(rig.report(R"({"error": {"error_code": "ANALYSIS_FAILED", "retryable": true}})", "failed", "call.analysis.failed").empty());
    CHECK(rig.job("analysis", "job_status") == "succeeded");
}

TEST_CASE("the analysis comes before the transcript; nothing is asked for that is there", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})").size() == 2);
    CHECK(rig.job("analysis", "job_status") == "succeeded");
    CHECK(rig.work() == "1");  // the transcript is still wanted
    CHECK(rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete").size() == 2);
    rig.due();
    rig.run();
    CHECK(rig.work() == "0");
    CHECK(rig.peer.posts("analysis") == 0);
}

TEST_CASE("a webhook without the result has it fetched; one that is not understood asks too", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.peer.now("transcription", "completed");
    CHECK(rig.report(R"({"shunya_job_id": "task_transcription", "status": "completed"})", "completed", "", "task_transcription").empty());
    REQUIRE(rig.run());
    CHECK(rig.job("transcription", "job_status") == "succeeded");
    rig.peer.now("analysis", "completed");
    rig.report(R"({"data": "booked", "result": [1]})", "completed", "call.analysis.complete", "task_analysis");
    REQUIRE(rig.run());
    CHECK(rig.found("booking_status") == "booked");
    CHECK(rig.work() == "0");
    rig.report("{}", "processing", "", "task_analysis", Millis{0}, rt::Outcome::Kind::ignored);
}

TEST_CASE("a job that fails is tried anew if Shunya says so, and its success counts whenever it comes", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete");
    rig.run();
    auto key = rig.peer.seen.back().key;
    CHECK(rig.report(R"({"error": {"error_code": "ANALYSIS_FAILED", "message": "hm", "retryable": true}})", "failed", "call.analysis.failed").empty());
    CHECK(rig.job("analysis", "job_status || retry_count || (next_retry_at > now()) || error_message") == "pending1truehm (ANALYSIS_FAILED)");
    rig.due();
    REQUIRE(rig.run());
    CHECK(rig.peer.posts("analysis") == 2);
    CHECK(rig.peer.seen.back().key != key);
    CHECK(rig.report(R"({"error": {"error_code": "ANALYSIS_FAILED", "message": "no", "retryable": false}})", "failed", "call.analysis.failed") == std::vector<std::string>{"AnalysisFailed", "RowChanged"});
    CHECK(rig.job("analysis", "job_status || (finished_at IS NOT NULL)") == "failedtrue");
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})").size() == 2);  // failed, then succeeded
    CHECK(rig.job("analysis", "job_status") == "succeeded");
}

TEST_CASE("killed between the note and the answer: it is asked for, and posted once", "[integration]") {
    for (bool arrived : {false, true}) {
        Rig rig;
        rig.record({rig.recorded()});
        rig.peer.refuse_posts = arrived ? std::deque<int>{} : std::deque<int>{503};
        // Whoever posted is gone before it can write down what came of it: another has its lease.
        rig.peer.in_post = [&](bool before) {
            if (before) rig.steal_lease();
        };
        rig.run();
        rig.peer.in_post = {};
        CHECK(rig.job("transcription", "job_status || (posted_at IS NOT NULL) || (shunya_job_id IS NULL)") == "pendingtruetrue");
        CHECK(rig.told("JobSubmitted") == 1);
        auto first = rig.peer.seen.at(0);
        REQUIRE(rig.run());
        CHECK(rig.peer.seen.at(1).what == "status transcription");
        CHECK(rig.peer.posts("transcription") == (arrived ? 1 : 2));
        if (!arrived) {
            CHECK(rig.peer.seen.back().key == first.key);
            CHECK(rig.peer.seen.back().body == first.body);  // to the byte, the link too
        }
        CHECK(rig.peer.accepted == 1);
        CHECK(rig.job("transcription", "job_status") == "running");
    }
}

TEST_CASE("a webhook overtakes the answer to the post", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.peer.in_post = [&](bool before) {
        if (before) return;
        rig.peer.in_post = {};
        rig.report(R"({"data": {"transcript_text": "fast"}})", "completed", "call.transcription.complete", "task_transcription");
    };
    rig.run();
    CHECK(rig.job("transcription", "job_status") == "succeeded");
    CHECK(rig.job("analysis", "job_status") == "running");  // the same turn went on
    CHECK(rig.told("TranscriptReady") == 0);                // the webhook told it
    CHECK(rig.peer.accepted == 2);
}

TEST_CASE("several processes: each call is fetched and posted once", "[integration]") {
    Rig rig;
    std::vector<calls::v1::CallRecorded> events;
    constexpr int kCalls = 12;
    for (int i = 0; i < kCalls; ++i) events.push_back(rig.recorded(1, "completed", "https://rec.example/" + std::to_string(i), rig.call + i));
    rig.record(events);
    auto other = rig.make(rig.peer.address());
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i)
        threads.emplace_back([&, i] {
            auto& driver = i % 2 ? *rig.driver : *other;
            while (driver.run_one(*World::shared().pool)) {
            }
        });
    for (auto& t : threads) t.join();
    CHECK(rig.peer.posts("transcription") == kCalls);
    CHECK(rig.peer.accepted == kCalls);
    CHECK(rig.fetched.size() == kCalls);
    CHECK(value("SELECT count(*)::text AS v FROM shunya_jobs WHERE company_id = '" + rig.company + "' AND job_status = 'running'") == std::to_string(kCalls));
}

/// Eight workers, and a company with forty recordings that do not come before gate.open().
struct Crowd {
    Rig greedy, modest;
    Gate gate;
    std::vector<std::thread> workers;
    bool full;

    explicit Crowd(Driver::Options options = {}) {
        greedy.driver = greedy.make(greedy.peer.address(), options);
        std::vector<calls::v1::CallRecorded> events;
        for (int i = 0; i < 40; ++i) events.push_back(greedy.recorded(1, "completed", "https://slow.example/" + std::to_string(i), greedy.call + i));
        greedy.record(events);
        greedy.before_fetch = [this](const std::string& url) {
            if (url.starts_with("https://slow.")) gate.pass();
        };
        for (int i = 0; i < 8; ++i) workers.emplace_back([this] { work(); });
        full = gate.waits_for(6);
    }
    ~Crowd() { finish(); }
    void work() {
        while (greedy.run()) {
        }
    }
    bool stored() { return modest.recording("status") == "stored"; }
    void finish() {
        gate.open();
        for (auto& w : workers) w.join();
        workers.clear();
        work();
    }
};

TEST_CASE("a company with many calls whose recordings take their time leaves workers for the others", "[integration]") {
    Crowd crowd;
    crowd.modest.record({crowd.modest.recorded()});
    std::thread other([&] {  // as a worker looks again
        for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30); !crowd.stored() && std::chrono::steady_clock::now() < end;) crowd.work();
    });
    other.join();
    CHECK(crowd.full);
    CHECK(crowd.gate.waiting() == 6);  // of eight workers
    CHECK(crowd.stored());
    crowd.finish();
    CHECK(crowd.greedy.fetched.size() == 41);
}

TEST_CASE("while a company has its share of the workers, not every one that is woken searches for others' calls", "[integration]") {
    Driver::Options rarely;
    rarely.others_every = std::chrono::hours(1);
    Crowd crowd(rarely);
    CHECK(crowd.full);
    CHECK_FALSE(crowd.greedy.run());  // by now somebody has looked
    crowd.modest.record({crowd.modest.recorded()});
    CHECK_FALSE(crowd.greedy.run());
    CHECK_FALSE(crowd.stored());
    crowd.finish();
    CHECK(crowd.stored());
}

TEST_CASE("Shunya away: paused, nothing used up, and on it goes when it is back", "[integration]") {
    Rig rig("127.0.0.1:" + std::to_string(testkit::free_port()));
    execute("INSERT INTO contact_cards (company_id, id) VALUES ('" + rig.company + "', '01890000-0000-7000-8000-000000000001')");
    execute("INSERT INTO leads (company_id, id, contact_card_id) VALUES ('" + rig.company + "', '01890000-0000-7000-8000-000000000002', '01890000-0000-7000-8000-000000000001')");
    execute("INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, recording_url, ended_at) VALUES ('" + rig.company +
            "', " + std::to_string(rig.call) + ", 'callrail', 'CAL1', 'inbound', 'completed', false, true, '01890000-0000-7000-8000-000000000001', '01890000-0000-7000-8000-000000000002', now(), '', 'https://rec.example/1', now())");
    auto state = [&](const char* column) { return value("SELECT " + std::string(column) + "::text AS v FROM analysis_states" + rig.where(), true, rig.company); };
    CHECK(state("state") == "waiting_for_recording");
    rig.record({rig.recorded()});
    CHECK(state("state") == "waiting_for_recording");
    for (int i = 0; i < 8; ++i) {  // the circuit opens on the way
        rig.run();
        CHECK(state("state") == "paused");
        CHECK(state("why").find("Shunya cannot be reached") != std::string::npos);
        rig.due();
    }
    CHECK(rig.driver->breaker().standing(system_clock().now()) == 1);
    CHECK(rig.job("transcription", "job_status || retry_count || (error_message LIKE 'paused: %')") == "pending0true");
    CHECK(rig.peer.posts("transcription") == 0);
    rig.driver = rig.make(rig.peer.address());
    rig.due();
    rig.run();
    CHECK(rig.peer.accepted == 1);
    CHECK(state("state") == "transcribing");
    CHECK(state("cure") == "");
    execute("UPDATE shunya_jobs SET started_at = now() - interval '6 minutes'" + rig.where());
    CHECK(state("cure").find("SELECT id, step, job_status, error_message, retry_count FROM shunya_jobs WHERE call_id = " + std::to_string(rig.call)) != std::string::npos);
    rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete");
    CHECK(state("state") == "analysing");
    rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})");
    CHECK(state("state") == "done");
    CHECK(value("SELECT count(*)::text AS v FROM analysis_states" + rig.where(), true, "org_other") == "0");
}

TEST_CASE("what Shunya refuses for good is failed, with its reason; 500s and 429s are not", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.peer.refuse_posts = {500, 429, 400};
    rig.run();
    CHECK(rig.job("transcription", "job_status || retry_count || (posted_at IS NOT NULL)") == "pending1true");
    rig.due();
    rig.run();  // asked for, not there, posted again: 429
    CHECK(rig.job("transcription", "job_status || retry_count || (posted_at IS NULL) || (next_retry_at > now())") == "pending2truetrue");
    rig.due();
    rig.run();
    CHECK(rig.job("transcription", "job_status || (error_message LIKE 'Shunya answered 400%')") == "failedtrue");
    CHECK(rig.told("AnalysisFailed") == 1);
    CHECK(rig.work() == "0");
    CHECK(value("SELECT retry_analysis('" + rig.company + "', " + std::to_string(rig.call) + ") AS v") == "the failed step is posted again");
    rig.run();
    CHECK(rig.job("transcription", "job_status") == "running");
    CHECK(value("SELECT retry_analysis('" + rig.company + "', " + std::to_string(rig.call) + ") AS v") == "nothing was given up: nothing to do");
}

TEST_CASE("a recording that is late, broken, or never comes", "[integration]") {
    Rig rig;
    rig.recordings.push_back(NotYet{"CallRail does not have it yet"});
    rig.recordings.push_back(Again{"CallRail answered 500", std::nullopt});
    rig.recordings.push_back(Never{"it is a web page", "look at the address"});
    rig.record({rig.recorded()});
    rig.profiles = false;  // a company's key may not be known yet: nothing is asked without it
    rig.run();
    CHECK(rig.recording("status || attempts || (next_at > now())") == "pending0true");
    CHECK(rig.fetched.empty());
    rig.profiles = true;
    rig.due();
    rig.run();
    CHECK(rig.recording("status || attempts || (next_at > now())") == "pending1true");
    rig.due();
    rig.run();
    CHECK(rig.recording("status || attempts || error") == "pending2CallRail answered 500");
    rig.due();
    rig.run();
    CHECK(rig.recording("status || ' ' || error") == "unavailable it is a web page: look at the address");
    CHECK(rig.told("AnalysisFailed") == 1);
    CHECK(rig.work() == "0");
    rig.record({rig.recorded(3), rig.recorded(4)});  // the same address again: nothing
    CHECK(rig.work() == "0");
    rig.record({rig.recorded(5, "completed", "https://rec.example/other.wav")});
    CHECK(rig.work() == "1");
    rig.run();
    CHECK(rig.recording("status || (source_url LIKE '%other.wav')") == "storedtrue");
    CHECK(rig.peer.accepted == 1);

    Rig old;
    old.record({old.recorded()});
    execute("UPDATE recordings SET created_at = now() - interval '25 hours'" + old.where());
    old.recordings.push_back(NotYet{"CallRail does not have it yet"});
    old.run();
    CHECK(old.recording("status") == "manual_review");
    CHECK(old.told("AnalysisFailed") == 1);
}

TEST_CASE("calls in any order, repeated, with and without a recording", "[integration]") {
    std::vector<int> order{0, 1, 2, 3};
    do {
        Rig rig;
        std::vector<calls::v1::CallRecorded> events{rig.recorded(1, "ringing", ""), rig.recorded(2, "completed", ""), rig.recorded(3, "completed", "https://rec.example/late.wav"), rig.recorded(4, "completed", "https://rec.example/late.wav")};
        events[3].set_lead_id("01890000-0000-7000-8000-0000000000ff");
        for (int i : order) {
            rig.record({events[static_cast<std::size_t>(i)]});
            rig.record({events[static_cast<std::size_t>(i)]});
        }
        CHECK(rig.work() == "1");
        CHECK(value("SELECT version || lead_id::text || recording_url AS v FROM recorded_calls" + rig.where()) == "401890000-0000-7000-8000-0000000000ffhttps://rec.example/late.wav");
        CHECK(value("SELECT count(*)::text AS v FROM recordings" + rig.where()) == "1");
        execute("DELETE FROM orchestrator_work" + rig.where());
    } while (std::next_permutation(order.begin(), order.end()));

    Rig rig;
    rig.record({rig.recorded(1, "missed", "https://rec.example/x"), rig.recorded(2, "completed", "")});
    CHECK(value("SELECT count(*)::text AS v FROM recorded_calls" + rig.where()) == "0");
    rig.record({rig.recorded(3, "voicemail")});
    rig.run();
    CHECK(rig.job("transcription", "job_type") == "voicemail");
}

TEST_CASE("a person's word stands against later machine results, and the machine's stays visible", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete");
    rig.report(R"({"data": {"qualification": {"booking_status": "not_booked", "qualification_status": "cold"}}})");
    auto correct = [&](const std::string& body) {
        http::Request request;
        request.body = body;
        request.headers.add("Content-Type", "application/json");
        request.path_params = {{"call_id", std::to_string(rig.call)}};
        request.trace = tel::TraceContext::fresh();
        identity::Principal who;
        who.user = UserId{"user_m"};
        who.company = CompanyId{rig.company};
        who.role = identity::Role::manager;
        identity::Context context(request, who, *World::shared().pool);
        try {
            auto answer = Commands{}.correct(context);
            context.tx().commit();
            return answer.body;
        } catch (const identity::Refusal& refusal) {
            return std::to_string(refusal.problem.status) + " " + (refusal.problem.fields.empty() ? "" : refusal.problem.fields[0].first);
        }
    };
    auto before = rig.told("AnalysisCompleted");
    auto answer = correct(R"({"booking_status": "booked", "appointment_date": "2026-11-23T09:00:00"})");
    CHECK(answer.find(R"("booking_status":"booked")") != std::string::npos);
    CHECK(answer.find(R"("field":"booking_status","value":"booked","machine_value":"not_booked","user_id":"user_m")") != std::string::npos);
    CHECK(rig.found("machine_values ->> 'booking_status'") == "not_booked");
    CHECK(rig.found("booking_status || version || (raw -> 'qualification' ->> 'booking_status') || (entities ->> 'appointment_date')") == "booked2not_booked2026-11-23T09:00:00");
    CHECK(rig.told("AnalysisCompleted") == before + 1);
    CHECK(value("SELECT field || coalesce(former_value, '-') || user_id AS v FROM analysis_corrections" + rig.where() + " AND field = 'booking_status'") == "booking_statusnot_bookeduser_m");
    CHECK(value("SELECT action || target AS v FROM audit_log WHERE company_id = '" + rig.company + "'") == "analysis.correct" + std::to_string(rig.call));
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "service_not_offered", "qualification_status": "hot"}}})").size() == 2);
    CHECK(rig.found("booking_status || lead_quality || version || (raw -> 'qualification' ->> 'booking_status')") == "bookedhot3service_not_offered");
    correct(R"({"booking_status": null})");
    CHECK(rig.found("booking_status") == "");

    CHECK(correct(R"({"booking_status": "maybe"})") == "422 booking_status");
    CHECK(correct(R"({"lead_quality": "lukewarm"})") == "422 lead_quality");
    CHECK(correct(R"({"colour": "red"})") == "422 colour");
    CHECK(correct(R"({"appointment_date": "tomorrow"})") == "422 appointment_date");
    CHECK(correct("{}") == "422 body");
    execute("DELETE FROM orchestrator_work" + rig.where());
    rig.call += 1;
    CHECK(correct(R"({"booking_status": "booked"})").starts_with("404"));
}

TEST_CASE("a person may say what a call meant that no machine analysed", "[integration]") {
    Rig rig;
    rig.recordings.push_back(Never{"gone", ""});
    rig.record({rig.recorded()});
    rig.run();
    http::Request request;
    request.body = R"({"booking_status": "booked"})";
    request.path_params = {{"call_id", std::to_string(rig.call)}};
    identity::Principal who;
    who.company = CompanyId{rig.company};
    identity::Context context(request, who, *World::shared().pool);
    Commands{}.correct(context);
    context.tx().commit();
    CHECK(rig.found("booking_status || provider") == "bookedperson");
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "not_booked", "qualification_status": "hot"}}})").size() == 2);
    CHECK(rig.found("booking_status || lead_quality || provider") == "bookedhotshunya");
}

TEST_CASE("contradictions: a report that names one call's job and another call", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.call += 1;
    rig.report("{}", "completed", "", "task_transcription", Millis{0}, rt::Outcome::Kind::reject);
    rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})", "completed", "call.analysis.complete", "", Millis{0}, rt::Outcome::Kind::ignored);  // not known here
}

TEST_CASE("a lease is kept while its holder is here, and runs out when it is gone", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    pg::Connection db(World::shared().role, "renew");
    rig.peer.in_post = [&](bool before) {
        if (!before) return;
        execute("UPDATE orchestrator_work SET leased_until = now() + interval '1 second'" + rig.where());
        rig.driver->renew(db);
        CHECK(value("SELECT (leased_until > now() + interval '2 seconds')::text AS v FROM orchestrator_work" + rig.where()) == "true");
        CHECK_FALSE(rig.make(rig.peer.address())->run_one(*World::shared().pool));  // nobody else's
    };
    rig.run();
    CHECK(rig.peer.accepted == 1);
    rig.driver->renew(db);  // holds nothing any more
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    pg::Connection db(World::shared().role, "test");
    for (const auto& q : sql::all) {
        INFO(q.name);
        CHECK_NOTHROW(db.execute("PREPARE probe AS " + std::string(q.text)));
        db.execute("DEALLOCATE probe");
    }
}
