// What of a sending number may leave by when, and what holds a company's texts.
#include "sender/numbers.hpp"

#include "database.hpp"
#include "rules/pace.hpp"
#include "sender/pauses.hpp"
#include "sender/queues.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

const Instant kStart = *parse_time("2026-11-30T12:00:00Z");

struct Line {
    CompanyId company;
    std::string number = "+15205232772";
    Terms terms;
    bool known = true;
    int texts = 0;
    Numbers numbers{[this](const CompanyId& c) { return known && c == company ? std::optional(terms) : std::nullopt; }};

    Line() : company("org_line_" + std::to_string(++count())) { terms.credentials = "one"; }
    static int& count() {
        static int n = 0;
        return n;
    }
    /// A text that waits; a later one was accepted later.
    std::string add(bool automatic = false, int segments = 1, const std::string& state = "waiting") {
        auto id = Uuid::v7(system_clock().now()).to_string();
        Db::shared().write(
            "INSERT INTO text_sends (company_id, message_id, from_number, to_number, automatic, segments, state, accepted_at) "
            "VALUES "
            "($1, $2, $3, $4, $5, $6, $7, $8)",
            {company, id, number, "+1202555" + std::to_string(1000 + texts), automatic, segments, state,
             kStart + std::chrono::seconds(texts)});
        ++texts;
        return id;
    }
    /// A look, so many milliseconds after the start; when the next one is due, in milliseconds after the start. -1: never.
    std::int64_t look(std::int64_t ms) {
        std::vector<rt::Due> due{{company, number, kStart + Millis{ms}, {}}};
        auto tx = Db::shared().service.begin(pg::Scope::company(company));
        numbers.release(due, tx);
        tx.commit();
        return due[0].again ? std::chrono::duration_cast<Millis>(*due[0].again - kStart).count() : -1;
    }
    std::vector<std::string> released() {
        return Db::shared().texts(
            "SELECT message_id::text AS v FROM text_sends WHERE company_id = $1 AND state = 'released' ORDER BY message_id",
            {company});
    }
    /// What was released is asked for and gone.
    std::size_t go() {
        auto out = released();
        Db::shared().write("DELETE FROM text_sends WHERE company_id = $1 AND state = 'released'", {company});
        return out.size();
    }
    std::string wanted() {
        return Db::shared().value("SELECT count(*)::text AS v FROM work WHERE queue = 'lead-pipeline/texts' AND company_id = $1",
                                  {company});
    }
    std::string paused() { return Db::shared().value("SELECT why AS v FROM text_pauses WHERE company_id = $1", {company}); }
};

}  // namespace

TEST_CASE("pace: what leaves is counted in parts, and a late look catches up on a second at most") {
    Pace pace({}, 1, kStart);
    CHECK(pace.may());
    pace.take(1);
    CHECK_FALSE(pace.may());
    CHECK(pace.free_at() == kStart + Millis{1'000});
    pace.take(10);
    CHECK(pace.free_at() == kStart + Millis{11'000});
    CHECK(Pace(kStart, 1, kStart + Millis{500}).free_at() == kStart);
    CHECK(Pace(kStart, 1, kStart + Millis{60'000}).free_at() == kStart + Millis{59'000});
    CHECK(Pace({}, 0.1, kStart).most() == 1);
    CHECK(Pace({}, 100, kStart).most() == 101);
    Pace slow({}, 0.1, kStart);
    slow.take(1);
    CHECK(slow.free_at() == kStart + Millis{10'000});
}

TEST_CASE("numbers: a number's texts leave at its rate, however late looks begin", "[integration]") {
    for (double rate : {0.5, 1.0, 3.0, 20.0}) {
        INFO(rate);
        Line line;
        line.terms.rate = rate;
        const int texts = static_cast<int>(30 * rate);
        for (int i = 0; i < texts; ++i) line.add();
        std::int64_t now = 0, last = 0;
        std::size_t sent = 0;
        for (int looks = 0; sent < static_cast<std::size_t>(texts) && looks < 500; ++looks) {
            auto next = line.look(now);
            if (auto went = line.go(); went > 0) {
                sent += went;
                last = now;
            }
            if (next < 0) break;
            now = std::max(next, now) + (looks * 137) % 500;  // up to half a second late
        }
        REQUIRE(sent == static_cast<std::size_t>(texts));
        auto share = (texts - 1) / rate / (static_cast<double>(last) / 1000);
        CHECK(share > 0.95);
        CHECK(share < 1.0 + 1.5 / (static_cast<double>(last) / 1000));
        CHECK(line.look(now + 1'000) == -1);  // nothing is left
    }
}

TEST_CASE("numbers: people's texts before automatic ones, then the oldest", "[integration]") {
    Line line;
    auto automatic = line.add(true), first = line.add(), second = line.add();
    CHECK(line.look(0) == 1'000);
    CHECK(line.released() == std::vector{first});
    CHECK(line.wanted() == "1");
    line.go();
    line.look(1'000);
    CHECK(line.released() == std::vector{second});
    line.go();
    CHECK(line.look(2'000) == -1);
    CHECK(line.released() == std::vector{automatic});
}

TEST_CASE("numbers: who is behind, scheduled or in doubt is not released", "[integration]") {
    Line line;
    line.add(false, 1, "behind");
    line.add(true, 1, "scheduled");
    CHECK(line.look(0) == -1);
    CHECK(line.released().empty());
}

TEST_CASE("numbers: no more is on its way than two seconds send", "[integration]") {
    Line line;
    line.terms.rate = 2;
    for (int i = 0; i < 10; ++i) line.add();
    std::int64_t now = 0;
    for (int i = 0; i < 10; ++i) now = line.look(now);
    CHECK(line.released().size() == 4);
    CHECK(line.go() == 4);
    line.look(now);
    CHECK(line.released().size() > 0);
}

TEST_CASE("numbers: a text of many parts leaves, and takes its time", "[integration]") {
    Line line;
    line.add(false, 10);
    line.add();
    CHECK(line.look(0) == 10'000);
    CHECK(line.go() == 1);
    CHECK(line.look(9'000) == 10'000);
    CHECK(line.go() == 0);
    line.look(10'000);
    CHECK(line.go() == 1);
}

TEST_CASE("numbers: whom somebody has in hand is passed over, and looked at again", "[integration]") {
    Line line;
    auto first = line.add(), second = line.add();
    pg::Connection other(Db::shared().url, "other");
    auto held = other.begin(pg::Scope::none());
    held.each({"hold", "SELECT 1 FROM text_sends WHERE message_id = $1::uuid FOR UPDATE"}, {first}, [](const pg::Fields&) {});
    CHECK(line.look(0) == 200);
    CHECK(line.released().empty());  // it may be taken back: the next waits for the answer
    held.commit();
    line.look(200);
    CHECK(line.released() == std::vector{first});
}

TEST_CASE("numbers: ten thousand that wait are looked at as quickly as ten", "[integration]") {
    Line line;
    Db::shared().write(
        "INSERT INTO text_sends (company_id, message_id, from_number, to_number, automatic, segments, state) SELECT $1, "
        "gen_random_uuid(), "
        "$2, '+1202' || (1000000 + n), false, 1, 'waiting' FROM generate_series(1, 10000) n",
        {line.company, line.number});
    Db::shared().owner.execute("ANALYZE text_sends");
    line.terms.rate = 100;
    std::int64_t now = 0;
    auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; ++i) {
        now = line.look(now);
        line.go();
    }
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
    Db::shared().write("DELETE FROM text_sends WHERE company_id = $1", {line.company});
}

TEST_CASE("numbers: a company that may not send is paused by one row, and asked for while anything waits", "[integration]") {
    Line line;
    line.add();
    line.terms.why_not = "The company is suspended.";
    CHECK(line.look(0) == 5'000);
    CHECK(line.paused() == "The company is suspended.");
    CHECK(line.released().empty());
    line.terms.why_not.clear();
    CHECK(line.look(5'000) == -1);
    CHECK(line.paused() == "");
    CHECK(line.go() == 1);
    line.terms.why_not = "The company is suspended.";
    CHECK(line.look(10'000) == -1);  // nothing waits
}

TEST_CASE("numbers: an account that was refused is tried again after a while, others at once", "[integration]") {
    Line line;
    line.add();
    {
        auto tx = Db::shared().service.begin(pg::Scope::company(line.company));
        refuse(tx, line.company, line.terms, "Twilio answered 401, error 20003.", kStart);
        tx.commit();
    }
    CHECK(line.look(1'000) == 6'000);
    CHECK(line.look(299'000) == 300'000);
    CHECK(line.released().empty());
    SECTION("the same ones") {
        line.look(300'000);
        CHECK(line.go() == 1);
        CHECK(line.paused() != "");  // until Twilio lets it in
    }
    SECTION("others") {
        line.terms.credentials = "another";
        line.look(6'000);
        CHECK(line.go() == 1);
        CHECK(line.paused() == "");
    }
}

TEST_CASE("numbers: while the companies are not known nothing leaves", "[integration]") {
    Line line;
    line.add();
    line.known = false;
    CHECK(line.look(0) == 1'000);
    CHECK(line.released().empty());
    CHECK(line.paused() == "");
}

TEST_CASE("terms: as the directory has them") {
    directory::Profile p;
    p.id = CompanyId{"org_1"};
    p.timezone = "America/Denver";
    p.numbers.push_back({"+15205232772", false, true, {}, kStart, directory::Standing::proven, "twilio"});
    p.numbers.push_back({"+15205232773", true, true, {}, {}, directory::Standing::proven, "callrail"});
    p.numbers.push_back({"+15205232774", true, false, {}, {}, directory::Standing::proven, "twilio"});
    auto of = [&](const std::string& config) {
        auto company = p;
        company.workflow_config = config;
        return terms_of(std::make_shared<directory::Profile>(company), {});
    };
    CHECK(of("").why_not.find("No Twilio account is connected") == 0);
    CHECK(terms_of(nullptr, {}).why_not.find("suspended") != std::string::npos);
    p.accounts.push_back({"twilio", "AC1", {}, {}, Secret("token")});
    auto t = of("");
    CHECK(t.why_not == "");
    REQUIRE(t.account);
    CHECK(t.account->sid == "AC1");
    CHECK(t.rate == 1);
    CHECK(t.quiet == QuietHours{});
    CHECK(t.zone == "America/Denver");
    CHECK(t.may_send_from("+15205232772", kStart - Millis{1}));
    CHECK_FALSE(t.may_send_from("+15205232772", kStart));
    CHECK_FALSE(t.may_send_from("+15205232773", kStart));
    CHECK_FALSE(t.may_send_from("+15205232774", kStart));
    CHECK(of(R"({"text_rate_per_second": 2.5})").rate == 2.5);
    CHECK(of(R"({"text_rate_per_second": 0})").rate == 0.1);
    CHECK(of(R"({"text_rate_per_second": 1e9})").rate == 100);
    CHECK(of(R"({"text_rate_per_second": "fast", "quiet_hours": 7})").rate == 1);
    CHECK(of(R"({"quiet_hours": ["20:00", "09:30"]})").quiet == QuietHours{20 * 60, 9 * 60 + 30});
    CHECK(of(R"({"quiet_hours": ["08:00"]})").quiet == QuietHours{});
    auto former = t.credentials;
    CHECK(of("").credentials == former);
    CHECK(former.find("token") == std::string::npos);
    p.accounts[0].api_key = Secret("renewed");
    CHECK(of("").credentials != former);
    p.accounts[0].api_key.reset();
    CHECK(of("").why_not != "");
    p.accounts.clear();
    auto deployment = providers::twilio::Account::with_token("AC9", Secret("deployment"));
    CHECK(terms_of(std::make_shared<directory::Profile>(p), deployment).account->sid == "AC9");
    p.active = false;
    CHECK(terms_of(std::make_shared<directory::Profile>(p), deployment).why_not.find("suspended") != std::string::npos);
}
