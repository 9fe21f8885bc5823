// Calls of Twilio's on their way: recordings fetched from a Twilio of the test's own, whose account asks for them, voicemails
// that are too short, and what people are told where there is none.
#include <map>

#include "base/crypto.hpp"
#include "keys.hpp"
#include "rig.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;
using namespace otto::shunya_orchestrator::tests;
using namespace std::string_literals;

namespace {

const std::string kOwn = "AC" + std::string(32, '1'), kDeployment = "AC" + std::string(32, 'd'),
                  kStranger = "AC" + std::string(32, '5');

/// So many frames of sound, 72 ms each.
std::string mp3(int frames) {
    std::string out;
    for (int i = 0; i < frames; ++i) out += std::string("\xff\xe3\x28\xc4", 4) + std::string(140, '\x11');
    return out;
}

/// Twilio and where it stores recordings, on one port.
class Twilio {
public:
    Twilio() {
        auto router = std::make_shared<http::Router>();
        router->add(http::Method::get, "/2010-04-01/Accounts/{account}/Recordings/{recording}",
                    [this](const http::Request& r) { return recording(r); });
        router->add(http::Method::get, "/stored/{name}", [this](const http::Request& r) {
            std::lock_guard guard(lock_);
            CHECK(r.headers.get("authorization") == "");
            return http::Response::text(200, sound, "audio/mpeg");
        });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server_->start().value();
    }
    ~Twilio() { server_->drain(Millis{1'000}); }
    std::string place() const { return "127.0.0.1:" + std::to_string(server_->port()); }
    std::string url(const std::string& account, const std::string& sid = "RE1") const {
        return "http://" + place() + "/2010-04-01/Accounts/" + account + "/Recordings/" + sid;
    }
    std::vector<std::string> asked() const {
        std::lock_guard guard(lock_);
        return asked_;
    }
    std::map<std::string, std::string> tokens{{kOwn, "own"}, {kDeployment, "deployment"}, {kStranger, "stranger"}};
    int missing = 0;                     ///< how often a recording is not there yet
    std::string leads_to = "/stored/1";  ///< "" = it gives the sound itself
    std::string sound = mp3(100);

private:
    http::Response recording(const http::Request& r) {
        std::lock_guard guard(lock_);
        auto account = std::string(r.param("account"));
        asked_.push_back(account + "/" + std::string(r.param("recording")));
        if (r.headers.get("authorization") != "Basic " + base64_encode(account + ":" + tokens[account]))
            return http::Response::json(401, R"({"code": 20003, "message": "Authenticate", "status": 401})");
        if (missing > 0 && missing-- > 0) return http::Response::json(404, R"({"code": 20404, "status": 404})");
        if (leads_to.empty()) return http::Response::text(200, sound, "audio/mpeg");
        auto to = http::Response::empty(302);
        to.headers.add("Location", leads_to);
        return to;
    }
    mutable std::mutex lock_;
    std::vector<std::string> asked_;
    std::unique_ptr<http::Server> server_;
};

RecordingSource account(const std::string& sid, const std::string& token) { return {Secret(token), sid, "", ""}; }

/// A company with an account of its own at Twilio, in a deployment that has one too.
struct TwilioRig {
    Twilio twilio;
    Rig rig;
    providers::Recordings recordings{options(), *World::shared().store};

    TwilioRig() {
        rig.twilio[0] = account(kOwn, "own");
        rig.twilio[1] = account(kDeployment, "deployment");
        rig.fetch_really = [this](const RecordingSource& s) {
            return s.provider == "twilio" ? recordings.fetch(s) : FetchOutcome{Again{"CallRail is away", std::nullopt}};
        };
    }
    providers::FetchOptions options() const {
        providers::FetchOptions o;
        o.twilio_api = "http://" + twilio.place();
        o.private_addresses = {twilio.place()};
        return o;
    }
    void run_all() {
        while (rig.run()) {
        }
    }
    /// As a process that begins finds it, or one that hears of a change.
    void look_for_keys() {
        KeyWatch watch(
            [this] {
                KeyWatch::Marks marks;
                for (bool deployments : {false, true})
                    marks[{CompanyId{rig.company}, "twilio", deployments}] = key_mark(rig.twilio[deployments]);
                return std::optional(marks);
            },
            [] { return 1; });
        pg::Connection db(World::shared().role, "watch");
        watch.look(db);
    }
};

}  // namespace

TEST_CASE("a voicemail at Twilio is there after a quarter of an hour, and goes the way of any recording", "[integration]") {
    TwilioRig w;
    w.twilio.missing = 12;
    w.rig.place("twilio", "voicemail");
    w.rig.record({w.rig.of_twilio(3, "voicemail", w.twilio.url(kOwn), 7)});
    for (int n = 1; n <= 12; ++n) {
        w.run_all();
        CHECK(w.rig.recording("status || attempts") == "pending" + std::to_string(n));
        w.rig.due();
        execute("UPDATE recordings SET created_at = created_at - interval '80 seconds'" + w.rig.where());
    }
    CHECK(w.rig.state("state") == "waiting_for_recording");
    CHECK(w.rig.state("cure").find("Twilio account") != std::string::npos);
    w.run_all();
    CHECK(w.rig.recording("status || ' ' || object_key || ' ' || duration || ' ' || too_short") ==
          "stored " + w.rig.company + "/calls/" + std::to_string(w.rig.call) + ".mp3 7 false");
    CHECK(w.twilio.asked() == std::vector<std::string>(13, kOwn + "/RE1.mp3"));
    CHECK(w.rig.job("transcription", "job_type || ' ' || job_status") == "voicemail running");
    w.rig.report(R"({"data": {"transcript_text": "please call back"}})", "completed", "call.transcription.complete");
    w.run_all();
    CHECK(w.rig.report(R"({"data": {"qualification": {"booking_status": "not_booked"}}})") ==
          std::vector<std::string>{"AnalysisCompleted", "RowChanged"});
    CHECK(w.rig.state("state") == "done");
}

TEST_CASE("a company that connects an account of its own keeps what the deployment's has", "[integration]") {
    TwilioRig w;
    auto recorded = [&](std::int64_t more, const std::string& of, bool of_deployment) {
        auto m = w.rig.of_twilio(3, "completed", w.twilio.url(of), 30, of_deployment);
        m.set_call_id(w.rig.call + more);
        w.rig.record({m});
        w.run_all();
        return value("SELECT status || coalesce(': ' || error, '') AS v FROM recordings WHERE company_id = '" + w.rig.company +
                     "' AND call_id = " + std::to_string(w.rig.call + more));
    };
    CHECK(recorded(0, kDeployment, true) == "stored");
    CHECK(recorded(1, kOwn, false) == "stored");
    CHECK(w.rig.job("transcription", "job_type") == "csr_call");
    auto asked = w.twilio.asked().size();
    // With the deployment's credentials nothing of another account is asked for, with the company's nothing of the deployment's.
    CHECK(recorded(2, kStranger, true) ==
          "unavailable: the recording is of the Twilio account " + kStranger + ", which is not the deployment's");
    CHECK(recorded(3, kDeployment, false) ==
          "unavailable: the recording is of the Twilio account " + kDeployment + ", which is not the company's");
    CHECK(w.twilio.asked().size() == asked);
    // An account that is connected later has what is its own, by itself.
    w.rig.twilio[0] = {};
    CHECK(recorded(4, kStranger, false).starts_with("unavailable: Otto has no credentials of the Twilio account"));
    w.rig.call += 4;
    w.rig.place("twilio");
    CHECK(w.rig.state("cure").find("/api/v1/onboarding/twilio/connect). It is then fetched by itself.") != std::string::npos);
    w.rig.twilio[0] = account(kStranger, "stranger");
    w.look_for_keys();
    w.run_all();
    CHECK(w.rig.recording("status") == "stored");
    w.rig.call -= 2;
    CHECK(w.rig.recording("status") == "unavailable");  // as the deployment's it still is nobody's
}

TEST_CASE("wrong credentials at Twilio hold up the recordings that they are for, and no others; the right ones let them go on",
          "[integration]") {
    for (bool deployments : {false, true}) {
        INFO(deployments);
        TwilioRig w;
        w.rig.place("twilio");
        const auto sid = deployments ? kDeployment : kOwn;
        w.rig.twilio[deployments] = account(sid, "mistyped");
        for (int i = 0; i < 4; ++i) {
            auto m = w.rig.of_twilio(3, "completed", w.twilio.url(sid), 30, deployments);
            m.set_call_id(w.rig.call + i);
            w.rig.record({m});
        }
        w.run_all();
        CHECK(w.twilio.asked().size() == 3);  // two make it the account's matter, a third looks
        CHECK(w.rig.state("state") == "paused");
        CHECK(w.rig.state("why") ==
              (deployments ? "Twilio refuses the deployment's own account." : "Twilio refuses the company's account."));
        CHECK(w.rig.state("cure").find(deployments ? "OTTO_TWILIO_AUTH_TOKEN" : "/api/v1/onboarding/twilio/connect") !=
              std::string::npos);
        CHECK(w.rig.recording("attempts") == "0");
        auto other = w.rig.of_twilio(3, "completed", w.twilio.url(deployments ? kOwn : kDeployment), 30, !deployments);
        other.set_call_id(w.rig.call + 9);
        w.rig.record({other});
        w.run_all();
        CHECK(value("SELECT status AS v FROM recordings WHERE company_id = '" + w.rig.company +
                    "' AND call_id = " + std::to_string(w.rig.call + 9)) == "stored");
        CHECK(w.rig.recording("status") == "pending");
        w.rig.twilio[deployments] = account(sid, deployments ? "deployment" : "own");
        w.look_for_keys();
        w.run_all();
        CHECK(value("SELECT count(*)::text AS v FROM recordings WHERE company_id = '" + w.rig.company +
                    "' AND status = 'stored'") == "5");
    }
}

TEST_CASE("what is no sound is none, and a private address is told like any that cannot be reached", "[integration]") {
    TwilioRig w;
    w.rig.place("twilio");
    w.twilio.leads_to = "http://169.254.169.254/latest/meta-data";
    w.rig.record({w.rig.of_twilio(3, "completed", w.twilio.url(kOwn), 30)});
    w.run_all();
    CHECK(w.rig.recording("status || error") == "pendingthe recording's address cannot be reached by Otto");
    w.twilio.leads_to = "";
    w.twilio.sound = "<!doctype html><title>Log in</title>";
    w.rig.due();
    w.run_all();
    CHECK(w.rig.recording("status") == "unavailable");
    CHECK(w.rig.state("why").find("gives a web page instead of a recording") != std::string::npos);
    CHECK(w.rig.state("cure").find("Twilio's console") != std::string::npos);
}

TEST_CASE("a company's recordings that fail at CallRail do not delay those that Twilio has", "[integration]") {
    TwilioRig w;
    std::vector<calls::v1::CallRecorded> away;
    for (int n = 0; n < 20; ++n) away.push_back(w.rig.recorded(3, "completed", "https://away.example/1.wav", w.rig.call + n));
    w.rig.record(away);
    w.run_all();
    execute("UPDATE work SET due_at = now() + interval '1 hour' WHERE company_id = '" + w.rig.company + "'");
    auto m = w.rig.of_twilio(3, "completed", w.twilio.url(kOwn), 30);
    m.set_call_id(w.rig.call + 30);
    w.rig.record({m, w.rig.recorded(3, "completed", "https://away.example/1.wav", w.rig.call + 31)});
    auto at_once = [&](int more) {
        return value("SELECT (due_at < created_at + interval '900 milliseconds')::text AS v FROM work WHERE company_id = '" +
                     w.rig.company + "' AND key = '" + std::to_string(w.rig.call + more) + "'");
    };
    CHECK(at_once(30) == "true");
    CHECK(at_once(31) == "false");
}

TEST_CASE("a voicemail of under two seconds is kept and not analysed, and its state says so", "[integration]") {
    struct Row {
        std::int64_t stated;
        int frames;  ///< 72 ms each
        bool too_short;
    };
    for (auto row : {Row{1, 100, true}, {2, 20, false}, {0, 20, true}, {0, 27, true}, {0, 28, false}, {7, 100, false}}) {
        INFO(row.stated << " s stated, " << row.frames << " frames");
        TwilioRig w;
        w.twilio.sound = mp3(row.frames);
        w.rig.place("twilio", "voicemail");
        w.rig.record({w.rig.of_twilio(3, "voicemail", w.twilio.url(kOwn), row.stated)});
        w.run_all();
        CHECK(w.rig.recording("status") == "stored");
        CHECK(w.rig.peer.posts("transcription") == (row.too_short ? 0 : 1));
        if (!row.too_short) continue;
        CHECK(w.rig.work() == "0");
        CHECK(w.rig.state("state") == "none");
        CHECK(w.rig.state("why") == "The voicemail is under 2 seconds long: it is kept, and not analysed.");
        CHECK(w.rig.state("cure").find("/recording") != std::string::npos);
        // The same in newer versions begins nothing; that it was a call after all does.
        w.rig.record({w.rig.of_twilio(4, "voicemail", w.twilio.url(kOwn), row.stated)});
        CHECK(w.rig.work() == "0");
        w.rig.record({w.rig.of_twilio(5, "completed", w.twilio.url(kOwn), row.stated)});
        w.run_all();
        CHECK(w.rig.job("transcription", "job_type || ' ' || job_status") == "csr_call running");
        CHECK(w.twilio.asked().size() == 1);
    }
    TwilioRig call;  // a call is a call, however short
    call.rig.record({call.rig.of_twilio(3, "completed", call.twilio.url(kOwn), 1)});
    call.run_all();
    CHECK(call.rig.peer.posts("transcription") == 1);
}

TEST_CASE("that there is no recording is told with its cause, at once, without anybody being asked", "[integration]") {
    for (auto status : {"voicemail", "completed", "missed", "failed"})
        for (auto reason : {"absent", "failed"}) {
            INFO(status << " " << reason);
            TwilioRig w;
            w.rig.profiles = false;
            w.rig.place("twilio", status);
            auto m = w.rig.of_twilio(3, status, "");
            m.set_recording_unavailable(reason);
            w.rig.record({m});
            w.run_all();
            CHECK(w.rig.work() == "0");
            CHECK(w.twilio.asked().empty());
            CHECK(w.rig.state("state") == "recording_unavailable");
            CHECK(w.rig.state("why").find(reason) != std::string::npos);
            CHECK(w.rig.state("cure") != "");
            CHECK(w.rig.state("cure").find("/analysis/retry") == std::string::npos);
            m.set_version(4);
            w.rig.record({m});
            CHECK(w.rig.work() == "0");
            w.rig.profiles = true;  // another one of the call
            w.rig.record({w.rig.of_twilio(5, "voicemail", w.twilio.url(kOwn, "RE2"), 9)});
            w.run_all();
            CHECK(w.rig.recording("status") == "stored");
        }
    TwilioRig w;  // nobody sent one
    w.rig.place("twilio", "missed");
    CHECK(w.rig.state("why").find("Twilio reported no voicemail") != std::string::npos);
    CHECK(w.rig.state("cure").find("voicemail_enabled") != std::string::npos);
    TwilioRig ringing;  // it may still come
    auto m = ringing.rig.of_twilio(3, "in_progress", "");
    m.set_recording_unavailable("absent");
    ringing.rig.record({m});
    CHECK(ringing.rig.work() == "0");
}

TEST_CASE("reports of a call of Twilio's in any order, repeated: one recording, by the newest that is known of it",
          "[integration]") {
    std::vector<int> order{0, 1, 2, 3};
    do {
        TwilioRig w;
        std::vector<calls::v1::CallRecorded> events{w.rig.of_twilio(1, "in_progress", ""), w.rig.of_twilio(2, "missed", ""),
                                                    w.rig.of_twilio(3, "voicemail", w.twilio.url(kDeployment, "RE1"), 1, true),
                                                    w.rig.of_twilio(4, "voicemail", w.twilio.url(kOwn, "RE2"), 9)};
        events[1].set_recording_unavailable("absent");
        std::int64_t seen = 0;
        for (int i : order) {
            w.rig.record({events[static_cast<std::size_t>(i)]});
            w.rig.record({events[static_cast<std::size_t>(i)]});
            seen = std::max(seen, events[static_cast<std::size_t>(i)].version());
            if (seen == 2) w.run_all();  // it is told of at once
        }
        w.run_all();
        CHECK(
            value("SELECT version || recording_sid || recording_of_deployment || recording_seconds || recording_unavailable AS v "
                  "FROM recorded_calls" +
                  w.rig.where()) == "4RE2false9");
        CHECK(w.rig.recording("status || ' ' || (source_url LIKE '%RE2') || ' ' || too_short") == "stored true false");
        CHECK(w.twilio.asked() == std::vector{kOwn + "/RE2.mp3"});
        CHECK(value("SELECT count(*)::text AS v FROM recordings" + w.rig.where()) == "1");
        CHECK(w.rig.peer.posts("transcription") == 1);
    } while (std::next_permutation(order.begin(), order.end()));
}
