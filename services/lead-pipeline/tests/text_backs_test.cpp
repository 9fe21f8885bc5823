// A call that stays missed is answered with a text: once a contact and day, and not where somebody took care of the caller.
#include "handlers/text_backs.hpp"

#include <barrier>
#include <thread>

#include "handlers/due.hpp"
#include "lead-pipeline/sql.hpp"
#include "sending.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

const std::string kBody = "Sorry we missed your call. How can we help?", kSecond = "+15205550002";

int seconds_since_start(Instant now) { return static_cast<int>((now - at(0)) / std::chrono::seconds(1)); }

/// A zone whose clocks show about noon, so that no test meets a midnight or quiet hours, whenever it runs.
std::string where_it_is_noon() {
    auto hour = static_cast<int>(std::chrono::floor<std::chrono::hours>(system_clock().now()).time_since_epoch() /
                                 std::chrono::hours(1) % 24);
    return "Etc/GMT" + std::string(hour > 12 ? "+" : "-") + std::to_string(std::abs(12 - hour));
}

/// A company that texts back.
struct Backs : World {
    std::optional<std::string> body = kBody;
    bool body_known = true;
    std::set<std::string> ours{kMine, kSecond};
    TextBacks text_backs{{terms_of,
                          [this](const CompanyId& c) -> std::optional<std::optional<std::string>> {
                              if (!body_known) return std::nullopt;
                              return c == company ? body : std::nullopt;
                          },
                          [this](const std::string& number) { return ours.contains(number); }}};
    DueWork due{[this](const CompanyId& c) { return text_backs.may_be_wanted(c); }};
    rt::WorkQueue graces{rt::work_of<&DueWork::call_back>(std::string(kMissedCalls), due), 1};
    rt::WorkQueue backs{rt::work_of<&TextBacks::next>(std::string(kTextBacks), text_backs), 2};

    Backs() {
        terms.zone = where_it_is_noon();
        terms.quiet = QuietHours{};
        unwanted = [this](pg::Tx& tx, const MessageKey& key, Instant now) { return text_backs.unwanted(tx, key, now); };
    }
    /// A call that began so many seconds ago, and is heard of now.
    void called(const std::string& name, const std::string& status, int ago = 60, const std::string& phone = kTheirs,
                const std::function<void(inbound::v1::CallReport&)>& more = {}) {
        auto now = seconds_since_start(system_clock().now());
        auto r = report(name, status, now - ago, phone);
        r.set_tracking_number(kMine);
        if (status == "completed") r.set_answered(true);
        if (more) more(r);
        record(company.value(), r, Millis{0}, now - std::min(ago, 30));
    }
    void missed(const std::string& name, int ago = 60, const std::string& phone = kTheirs) { called(name, "missed", ago, phone); }
    void they_are_called(const std::string& name, const std::string& status) {
        called(name, status, 5, kTheirs, [](auto& r) { r.set_direction("outbound"); });
    }
    /// The grace is over: what follows.
    void follow() {
        while (graces.run_one(pool)) {
        }
        while (backs.run_one(pool)) {
        }
    }
    std::string texts(const std::string& what = "body || ' ' || status") {
        return look("SELECT string_agg(" + what +
                    ", E'\n' ORDER BY created_at) AS v FROM messages WHERE company_id = $1 AND automatic");
    }
    std::string count() { return look("SELECT count(*)::text AS v FROM messages WHERE company_id = $1 AND automatic"); }
    std::string id() { return look("SELECT id::text AS v FROM messages WHERE company_id = $1 AND automatic"); }
    std::string works() {
        return look("SELECT count(*)::text AS v FROM work WHERE company_id = $1 AND queue = 'lead-pipeline/text-backs'");
    }
    /// It was yesterday.
    void next_day() {
        write("UPDATE text_backs SET day = day - 1 WHERE company_id = $1", {company});
        write("UPDATE messages SET sent_at = sent_at - interval '1 day' WHERE company_id = $1", {company});
        write(
            "UPDATE calls SET started_at = started_at - interval '1 day', ended_at = ended_at - interval '1 day', received_at = "
            "received_at - interval '1 day' WHERE company_id = $1",
            {company});
    }
};

}  // namespace

TEST_CASE("text backs: who was missed gets one text, from the number that was called", "[integration]") {
    Backs w;
    w.missed("C1");
    w.follow();
    CHECK(w.texts("concat_ws('|', body, from_number, to_number, reason, coalesce(sent_by, '-'), status, scheduled_at)") ==
          kBody + "|" + kMine + "|" + kTheirs + "|missed_call|-|queued");
    CHECK(w.look("SELECT count(*)::text AS v FROM tasks WHERE company_id = $1 AND action_type = 'call_back'") == "1");
    CHECK(
        w.look(
            "SELECT (m.lead_id = c.lead_id AND m.contact_card_id = c.contact_card_id)::text AS v FROM messages m, calls c WHERE "
            "m.company_id = $1 AND c.company_id = $1") == "true");
    w.run();
    CHECK(w.twilio.times(kBody) == 1);
    CHECK(w.works() == "0");
    w.write("SELECT otto_want('lead-pipeline/text-backs', company_id, call_id::text, now()) FROM calls WHERE company_id = $1",
            {w.company});
    w.follow();
    w.run();
    CHECK(w.twilio.times(kBody) == 1);
}

TEST_CASE("text backs: once a contact and day", "[integration]") {
    Backs w;
    w.missed("C1", 300);
    w.follow();
    w.run();
    w.missed("C2", 1);
    w.called("C3", "voicemail", 1);
    w.missed("other", 1, "+12025550101");
    w.follow();
    w.run();
    CHECK(w.twilio.asked.size() == 2);
    CHECK(w.look("SELECT count(*)::text AS v FROM text_backs WHERE company_id = $1") == "2");
    w.next_day();
    w.missed("C4");
    w.follow();
    w.run();
    CHECK(w.twilio.asked.size() == 3);
    CHECK(w.twilio.asked.back().to == kTheirs);
}

TEST_CASE("text backs: a day is one of the company's clocks, also in the nights in which they are moved", "[integration]") {
    const CompanyId company{"org_text_back_days"};
    auto day = [&](const char* moment, const std::string& zone) {
        auto tx = Db::shared().service.begin(pg::Scope::company(company));
        CHECK(tx.write_counted(sql::text_back_once, {company, Uuid::v7(system_clock().now()), CallId{1}, *parse_time(moment),
                                                     zone, Uuid::v7(system_clock().now())}) == 1);
        return tx.value<std::string>({"text_back_day", "SELECT day::text FROM text_backs"}).value_or("");
    };
    CHECK(day("2026-06-02T06:59:59Z", "America/Phoenix") == "2026-06-01");
    CHECK(day("2026-06-02T07:00:00Z", "America/Phoenix") == "2026-06-02");
    CHECK(day("2026-03-08T04:59:59Z", "America/New_York") == "2026-03-07");
    CHECK(day("2026-03-08T05:00:00Z", "America/New_York") == "2026-03-08");  // a day of 23 hours
    CHECK(day("2026-03-09T03:59:59Z", "America/New_York") == "2026-03-08");
    CHECK(day("2026-03-09T04:00:00Z", "America/New_York") == "2026-03-09");
    CHECK(day("2026-11-01T04:00:00Z", "America/New_York") == "2026-11-01");  // one of 25
    CHECK(day("2026-11-02T04:59:59Z", "America/New_York") == "2026-11-01");
    CHECK(day("2026-11-02T05:00:00Z", "America/New_York") == "2026-11-02");
    CHECK(day("2026-06-02T03:59:59Z", "No/Such_Zone") == "2026-06-01");  // New York's
}

TEST_CASE("text backs: who left a voicemail, or wrote, was not taken care of", "[integration]") {
    Backs w;
    SECTION("a voicemail") { w.called("C1", "voicemail"); }
    SECTION("a call that failed") { w.called("C1", "failed"); }
    SECTION("the customer wrote") {
        w.missed("C1");
        w.says("I just called you", seconds_since_start(system_clock().now()) - 10);
    }
    SECTION("a text that did not leave") {
        w.missed("C1");
        auto id = w.accept("we call back");
        w.write("UPDATE messages SET status = 'failed' WHERE company_id = $1 AND id = $2::uuid", {w.company, id});
    }
    SECTION("one that is to leave some other day") {
        w.missed("C1");
        w.accept("your appointment", kTheirs, true, system_clock().now() + std::chrono::hours(30));
        w.follow();
        CHECK(w.count() == "2");
        return;
    }
    SECTION("what was before the call") {
        w.called("C0", "completed", 900);
        w.write("UPDATE calls SET duration = 60 WHERE company_id = $1", {w.company});
        w.missed("C1");
    }
    w.follow();
    CHECK(w.texts() == kBody + " queued");
}

TEST_CASE("text backs: nobody is texted who was taken care of meanwhile", "[integration]") {
    Backs w;
    w.missed("C1");
    SECTION("the call was answered") { w.called("C1", "completed", 60); }
    SECTION("the customer called again, and was answered") { w.called("C2", "completed", 5); }
    SECTION("we called") { w.they_are_called("C2", "completed"); }
    SECTION("we called, in vain") { w.they_are_called("C2", "missed"); }
    SECTION("we call at this moment") { w.they_are_called("C2", "ringing"); }
    SECTION("he spoke to somebody all the while") {
        w.called("C0", "completed", 600, kTheirs, [](auto& r) {
            r.set_duration_s(590);
            r.set_ended_at_us(r.started_at_us() + 590'000'000);
        });
    }
    SECTION("somebody texted") { w.accept("we are on our way"); }
    SECTION("the provider's own text") {
        auto now = seconds_since_start(system_clock().now());
        record(w.company.value(), {sent_text("SMown", "You called us", now, now - 5)});
    }
    SECTION("somebody has done what was to be done") {
        while (w.graces.run_one(w.pool)) {
        }
        w.write("UPDATE tasks SET status = 'completed', completed_at = now(), completed_by = 'user_1' WHERE company_id = $1",
                {w.company});
    }
    w.follow();
    CHECK(w.look("SELECT count(*)::text AS v FROM messages WHERE company_id = $1 AND reason = 'missed_call'") == "0");
    CHECK(w.works() == "0");
}

TEST_CASE("text backs: who is never texted", "[integration]") {
    Backs w;
    SECTION("nobody can be called there") { w.missed("C1", 60, "anonymous"); }
    SECTION("it is a number of ours") { w.missed("C1", 60, kSecond); }
    SECTION("the call was long ago") { w.missed("C1", 2 * 3600 + 60); }
    SECTION("the caller wants no texts") {
        w.says("STOP", seconds_since_start(system_clock().now()) - 3600);
        w.missed("C1");
    }
    SECTION("somebody is to ask first whether he does") {
        w.says("stop calling me", seconds_since_start(system_clock().now()) - 3600);
        w.missed("C1");
    }
    SECTION("the company does not") {
        w.body.reset();
        w.missed("C1");
    }
    SECTION("the company is suspended") {
        w.terms.why_not = "The company is suspended";
        w.missed("C1");
    }
    SECTION("there is no number that texts") {
        w.terms.numbers.clear();
        w.missed("C1");
    }
    w.follow();
    CHECK(w.count() == "0");
    CHECK(w.works() == "0");
}

TEST_CASE("text backs: from the number that was called, else from the usual one", "[integration]") {
    Backs w;
    auto& numbers = w.terms.numbers;
    numbers.front().from = at(20);
    numbers.push_back({kSecond, true, false, at(1), {}, directory::Standing::proven, "twilio"});  // for calls alone
    numbers.push_back({"+15205550003", false, true, at(10), {}, directory::Standing::proven, "twilio"});
    auto on_second = [](auto& r) { r.set_tracking_number(kSecond); };
    w.called("C1", "missed", 60, kTheirs, on_second);
    w.called("C2", "missed", 60, "+12025550101");
    auto now = seconds_since_start(system_clock().now());
    record(w.company.value(), {text("SMold", "hello", now - 7200, "+12025550102")});  // to kOurs
    w.called("C3", "missed", 60, "+12025550102", on_second);
    w.follow();
    CHECK(
        w.look("SELECT string_agg(from_number, ' ' ORDER BY to_number) AS v FROM messages WHERE company_id = $1 AND automatic") ==
        "+15205550003 " + kMine + " " + kMine);
}

TEST_CASE("text backs: who is calling again is not texted until it is known what comes of it", "[integration]") {
    Backs w;
    w.missed("C1");
    w.called("C2", "in_progress", 10);
    w.follow();
    CHECK(w.count() == "0");
    CHECK(w.works() == "1");
    SECTION("he was answered") {
        w.called("C2", "completed", 10);
        w.pass(31);
        w.follow();
        CHECK(w.count() == "0");
    }
    SECTION("nobody took it either") {
        w.called("C2", "missed", 10);
        w.pass(31);
        w.follow();
        CHECK(w.count() == "1");
    }
    CHECK(w.works() == "0");
}

TEST_CASE("text backs: what is not known yet is asked again", "[integration]") {
    Backs w;
    w.missed("C1");
    w.body_known = false;
    w.follow();
    CHECK(w.works() == "1");
    w.body_known = true;
    w.pass(2);
    w.follow();
    CHECK(w.count() == "1");
}

TEST_CASE("text backs: at night it waits, and is judged anew when it leaves", "[integration]") {
    Backs w;
    w.terms.zone = "UTC";
    w.terms.quiet = quiet_now("UTC");
    w.missed("C1");
    w.follow();
    w.run();
    const auto id = w.id();
    CHECK(w.status(id) == "scheduled");
    CHECK(w.twilio.asked.empty());
    w.missed("C2", 1);
    w.follow();
    CHECK(w.count() == "1");
    w.terms.quiet = {0, 0};
    auto canceled = [&](const std::string& why) {
        w.pass(2 * 3600);
        CHECK(w.status(id) == "canceled");
        CHECK(w.of(id, "error_message") == why);
        CHECK(w.twilio.asked.empty());
    };
    SECTION("it leaves") {
        w.pass(2 * 3600);
        CHECK(w.twilio.times(kBody) == 1);
    }
    SECTION("he was spoken to") {
        w.they_are_called("C3", "completed");
        canceled("the customer was called, or spoken to, meanwhile");
    }
    SECTION("he was texted") {
        w.accept("good evening");
        w.run();
        w.twilio.asked.clear();
        canceled("the customer was texted meanwhile");
    }
    SECTION("it is known late that the call was answered") {
        w.called("C1", "completed", 60);
        canceled("the call was answered after all");
    }
    SECTION("somebody called back by another phone") {
        w.write("UPDATE tasks SET status = 'completed', completed_at = now(), completed_by = 'user_1' WHERE company_id = $1",
                {w.company});
        canceled("somebody has taken care of the call meanwhile");
    }
    SECTION("the company has switched it off") {
        w.body.reset();
        canceled("the company does not send this text after missed calls any more");
    }
    SECTION("the company says something else") {
        w.body = "We are closed.";
        canceled("the company does not send this text after missed calls any more");
    }
    SECTION("it comes too late") {
        w.pass(6 * 3600);
        CHECK(w.status(id) == "canceled");
        CHECK(w.twilio.asked.empty());
    }
}

TEST_CASE("text backs: what the company's account held up for hours does not leave any more", "[integration]") {
    Backs w;
    w.missed("C1");
    w.follow();
    const auto id = w.id();
    w.twilio.next = {Does::let_nobody_in};
    w.run();
    CHECK(w.paused() != "");
    w.write("UPDATE messages SET created_at = created_at - interval '3 hours' WHERE company_id = $1", {w.company});
    w.pass(3 * 3600);
    CHECK(w.status(id) == "canceled");
    CHECK(w.twilio.taken.empty());
}

TEST_CASE("text backs: many processes and many calls of one contact are one text", "[integration]") {
    Backs w;
    constexpr int kCalls = 12, kProcesses = 4;
    for (int i = 0; i < kCalls; ++i) w.missed("C" + std::to_string(i), 60 - i);
    std::barrier start(kProcesses);
    std::vector<std::thread> processes;
    for (int p = 0; p < kProcesses; ++p)
        processes.emplace_back([&] {
            rt::WorkQueue graces(rt::work_of<&DueWork::call_back>(std::string(kMissedCalls), w.due), 1);
            rt::WorkQueue backs(rt::work_of<&TextBacks::next>(std::string(kTextBacks), w.text_backs), 2);
            start.arrive_and_wait();
            while (graces.run_one(w.pool)) {
            }
            while (backs.run_one(w.pool)) {
            }
        });
    for (auto& p : processes) p.join();
    w.follow();
    w.run();
    CHECK(w.count() == "1");
    CHECK(w.twilio.times(kBody) == 1);
    CHECK(w.works() == "0");
}
