// Who wants no texts: what texts say, what people enter and take back.
#include "rules/opt_out.hpp"

#include <algorithm>
#include <random>

#include "commands/opt_outs.hpp"
#include "texts.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// Each entry: source, its time, and when it was taken back.
std::string ledger(const std::string& company) {
    return lines(
        "SELECT concat_ws(' ', source, extract(epoch FROM opted_out_at)::bigint - 1700000000, coalesce(extract(epoch FROM "
        "revoked_at)::bigint - 1700000000, -1)) AS v FROM opt_outs WHERE company_id = $1 ORDER BY opted_out_at, source",
        company);
}

/// The answer's body; a refusal as its status.
std::string send(http::Response (OptOuts::*command)(api::Context&) const, const std::string& body, const std::string& id = "",
                 identity::Role role = identity::Role::csr) {
    static pg::Pool pool{Db::shared().service_url(), "test", 2};
    http::Request request;
    request.body = body;
    request.received_at = system_clock().now();
    request.path_params = {{"opt_out_id", id}};
    request.trace = tel::TraceContext::fresh();
    identity::Principal who;
    who.user = UserId{"user_office"};
    who.company = CompanyId{"org_opt_hand"};
    who.role = role;
    api::Context context(request, who, pool, "lead-pipeline");
    try {
        auto answer = (OptOuts{}.*command)(context);
        context.tx().commit();
        return std::to_string(answer.status) + " " + answer.body;
    } catch (const api::Refusal& refusal) {
        return std::to_string(refusal.problem.status) + " " +
               (refusal.problem.fields.empty() ? "" : refusal.problem.fields[0].first);
    }
}
std::string id_in(const std::string& answer) { return answer.substr(answer.find(R"("id":")") + 6, 36); }

}  // namespace

TEST_CASE("one word asks for no texts, one for texts again, and what begins so is for a person to read") {
    auto what = [](const std::string& body, const std::string& type = "") { return ask_of(body, type).what; };
    for (auto word : {"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT", "stop", " Stop\r\n",
                      "\u200bSTOP\u00a0", "ＳＴＯＰ"})
        CHECK(what(word) == Asks::stop);
    for (auto word : {"START", "unstop", "\tStart "}) CHECK(what(word) == Asks::start);
    CHECK(what("Yes") == Asks::yes);
    for (auto words : {"stop please", "STOP.", "Stop texting me", "Unsubscribe me", "quit it!", "stop, stop, stop"})
        CHECK(what(words) == Asks::unclear);
    for (auto words : {"", "HELP", "INFO", "Hello", "Stopping by at 5", "please stop", "stop sending me these texts",
                       "yes please", "start now", "cancel please", "Endless", "🛑"})
        CHECK(what(words) == Asks::nothing);
    CHECK(what("Adiós", "STOP") == Asks::stop);
    CHECK(what("stop", "HELP") == Asks::nothing);
    CHECK(what("whatever", "start") == Asks::start);
    CHECK(ask_of("x", "STOP").source == "provider");
    CHECK(ask_of("stop", "").source == "keyword");
    CHECK(what("stop" + std::string(1'000'000, ' ')) == Asks::stop);  // trimmed, which costs nothing
    CHECK(what("stop" + std::string(1'000'000, 'p')) == Asks::nothing);
}

TEST_CASE("whatever order STOP and START come in, each STOP is an entry, taken back by the first START after it",
          "[integration]") {
    std::mt19937 dice(17);
    for (int round = 0; round < 120; ++round) {
        auto company = "org_opt" + std::to_string(round);
        struct Said {
            std::string word, source;
            int at;
        };
        // Times are few, so that some fall together.
        std::vector<Said> said;
        for (std::size_t n = 3 + dice() % 6; n > 0; --n) {
            static const std::vector<std::pair<std::string, std::string>> kWords{{"STOP", "keyword"},  {"Stop", "keyword"},
                                                                                 {"START", "keyword"}, {"yes", "keyword"},
                                                                                 {"Alto", "provider"}, {"Hello", ""}};
            auto [word, source] = kWords[dice() % kWords.size()];
            said.push_back({word, source, static_cast<int>(dice() % 6)});
        }
        std::vector<Told> all;
        for (std::size_t i = 0; i < said.size(); ++i) {
            auto t = text("SM" + std::to_string(i), said[i].word, 1000 + static_cast<int>(dice() % 5));
            t.report.set_sent_at_us(to_micros(at(said[i].at)));
            if (said[i].source == "provider") t.report.set_opt_out_type("STOP");
            all.push_back(t);
        }
        // A person's entry, which no "yes" takes back.
        bool by_hand = dice() % 2 == 0;
        if (by_hand) {
            Db::shared().owner.execute(
                "INSERT INTO opt_outs (company_id, id, phone, source, created_by, reason, opted_out_at) VALUES ('" + company +
                "', gen_random_uuid(), '" + kCustomer + "', 'csr', 'user_x', 'said so', to_timestamp(1700000002))");
            said.push_back({"", "csr", 2});
        }
        std::string wanted;
        auto entries = said;
        std::erase_if(entries, [](const Said& s) { return s.source.empty() || s.word == "START" || s.word == "yes"; });
        std::sort(entries.begin(), entries.end(),
                  [](const Said& a, const Said& b) { return std::tie(a.at, a.source) < std::tie(b.at, b.source); });
        for (const auto& entry : entries) {
            int back = -1;
            for (const auto& s : said)
                if ((s.word == "START" || (s.word == "yes" && entry.source != "csr")) && s.at > entry.at &&
                    (back < 0 || s.at < back))
                    back = s.at;
            wanted += entry.source + " " + std::to_string(entry.at) + " " + std::to_string(back) + "\n";
        }
        std::shuffle(all.begin(), all.end(), dice);
        all.push_back(all[dice() % all.size()]);  // heard of twice
        for (std::size_t i = 0; i < all.size();) {
            auto n = std::min<std::size_t>(1 + dice() % 4, all.size() - i);
            record(company, {all.begin() + static_cast<long>(i), all.begin() + static_cast<long>(i + n)});
            i += n;
        }
        INFO("round " << round);
        REQUIRE(ledger(company) == wanted);
    }
}

TEST_CASE("STOP, START, STOP in any order of arrival end the same: opted out, by the last one", "[integration]") {
    std::vector<int> order{0, 1, 2};
    int round = 0;
    do {
        auto company = "org_opt_sss" + std::to_string(round++);
        std::vector<Told> all{text("SM0", "STOP", 10), text("SM1", "START", 20), text("SM2", "STOP", 30)};
        for (int i : order) record(company, {all[static_cast<std::size_t>(i)]});
        CHECK(ledger(company) == "keyword 10 20\nkeyword 30 -1\n");
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("who is asked: the customer alone, who has a number; whoever tells of it", "[integration]") {
    const std::string company = "org_opt_who";
    record(company, {text("SM1", "STOP", 1, "72975"), sent_text("SM2", "STOP", 2, 2), status("SM3", "delivered", 3)});
    CHECK(ledger(company).empty());
    auto told = record(company, {text("SM4", "STOP", 4)}).told;
    CHECK(told == std::multiset<std::string>{"lead", "message", "opt_out"});
    told = record(company, {text("SM5", "START", 5)}).told;
    CHECK(told.count("opt_out") == 1);
    auto callrail = text("SM6", "quit", 6);
    callrail.provider = "callrail";
    record(company, {callrail});
    CHECK(ledger(company) == "keyword 4 5\nkeyword 6 -1\n");
    // Another company's customer has said nothing.
    record("org_opt_other", {text("SM4", "Hello", 4)});
    CHECK(ledger("org_opt_other").empty());
}

TEST_CASE("what is unclear is no opt-out but one task, however often the text is heard of", "[integration]") {
    const std::string company = "org_opt_unclear";
    auto told = record(company, {text("SM1", "Stop calling me!", 100)}).told;
    CHECK(told.count("task") == 1);
    auto again = text("SM1", "Stop calling me!", 90);
    again.id += " swept";
    CHECK(record(company, {again}).told.count("task") == 0);
    CHECK(ledger(company).empty());
    CHECK(
        lines("SELECT concat_ws(' | ', t.action_type, t.assigned_to, t.priority, t.status, t.description, t.raw_text, "
              "t.message_id = "
              "m.id, t.contact_card_id = m.contact_card_id, t.lead_id = m.lead_id, t.due_at - m.sent_at) AS v FROM tasks t JOIN "
              "messages m ON m.company_id = t.company_id WHERE t.company_id = $1",
              company) ==
        "check_opt_out | csr | high | open | Ask whether +12025550100 wants no more texts: \"Stop calling me!\" | Stop calling "
        "me! | t | t | t | 02:00:10\n");
}

TEST_CASE("of the ledger nothing is changed but that an entry was taken back, and nothing goes", "[integration]") {
    const std::string company = "org_opt_lasting";
    record(company, {text("SM1", "STOP", 10), text("SM2", "START", 30)});
    auto refused = [&](const std::string& sql) -> std::string {
        auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
        try {
            tx.write_counted({"try " + sql, sql}, {});
            return "done";
        } catch (const pg::SqlFailure& e) {
            return e.sqlstate();
        }
    };
    static const std::vector<std::string> kNever{"DELETE FROM opt_outs", "UPDATE opt_outs SET phone = 'x'",
                                                 "UPDATE opt_outs SET opted_out_at = now()", "DELETE FROM opt_ins",
                                                 "UPDATE opt_ins SET at = now()"};
    for (const auto& sql : kNever) CHECK(refused(sql) == "42501");
    static const std::string kLater = "UPDATE opt_outs SET revoked_at = now()",
                             kUndone = "UPDATE opt_outs SET revoked_at = NULL, revoked_source = NULL, revoked_by = NULL";
    CHECK(refused(kLater) == "23514");
    CHECK(refused(kUndone) == "23514");
    record(company, {text("SM3", "UNSTOP", 20)});
    CHECK(ledger(company) == "keyword 10 20\n");
}

TEST_CASE("people enter and take back; a csr only what a csr entered", "[integration]") {
    const auto enter = &OptOuts::enter;
    const auto take_back = &OptOuts::take_back;
    auto on_record = [] {
        return lines("SELECT action || ' ' || detail::text AS v FROM audit_log WHERE company_id = $1 ORDER BY id",
                     "org_opt_hand");
    };
    Db::shared().owner.execute("INSERT INTO companies (id, name) VALUES ('org_opt_hand', 'x')");
    CHECK(send(enter, R"({"phone":"(202) 555-0100"})") == "422 reason");
    CHECK(send(enter, R"({"phone":"72","reason":"x"})") == "422 phone");
    CHECK(send(enter, R"({"phone":"+12025550100","reason":"x","channel":"sms"})") == "422 channel");
    auto entered = send(enter, R"({"phone":"(202) 555-0100","reason":"said so on the telephone"})");
    CHECK(entered.starts_with("201 "));
    CHECK(
        entered.find(
            R"("phone":"+12025550100","channel":"sms","source":"csr","message_id":null,"created_by":"user_office","reason":"said so on the telephone")") !=
        std::string::npos);
    CHECK(send(enter, R"({"phone":"+12025550100","reason":"x"})") == "409 phone");
    auto id = id_in(entered);
    CHECK(send(take_back, "", id) == "422 reason");
    CHECK(send(take_back, R"({"reason":"x"})", "0191e0b8-0000-7000-8000-00000000b001") == "404 ");
    for (int twice = 0; twice < 2; ++twice) {
        auto answer = send(take_back, R"({"reason":"asked to be texted"})", id);
        CHECK(answer.find(R"("revoked_source":"csr","revoked_by":"user_office")") != std::string::npos);
    }
    CHECK(on_record() ==
          "opt_out.enter {\"fields\": [\"phone\", \"reason\"]}\nopt_out.take_back {\"reason\": \"asked to be texted\"}\n");
    record("org_opt_hand", {text("SM1", "STOP", 10)});
    auto said = lines("SELECT id AS v FROM opt_outs WHERE company_id = $1 AND source = 'keyword'", "org_opt_hand").substr(0, 36);
    CHECK(send(take_back, R"({"reason":"x"})", said) == "403 ");
    CHECK(send(take_back, R"({"reason":"x"})", said, identity::Role::manager).starts_with("200 "));
    // A START that is heard of late was first.
    record("org_opt_hand", {text("SM2", "START", 20)});
    CHECK(
        lines(
            "SELECT concat_ws(' ', revoked_source, extract(epoch FROM revoked_at)::bigint - 1700000000) AS v FROM opt_outs WHERE "
            "company_id = $1 AND source = 'keyword'",
            "org_opt_hand") == "keyword 20\n");
    // What a person enters anew stands again, and a manager's word is a manager's to take back.
    entered = send(enter, R"({"phone":"+12025550100","reason":"x"})", "", identity::Role::manager);
    CHECK(entered.starts_with("201 "));
    CHECK(send(take_back, R"({"reason":"x"})", id_in(entered)) == "403 ");
    CHECK(send(take_back, R"({"reason":"x"})", id_in(entered), identity::Role::manager).starts_with("200 "));
}
