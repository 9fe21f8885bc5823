// Calls on Twilio: what their reports make of them.
#include "voice.hpp"

#include "rules/order.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;
using namespace otto::lead_pipeline::tests::voice;

namespace {

Call applied(const std::vector<Told>& told, const std::vector<int>& order) {
    Call c;
    for (int i : order) {
        const auto& [report, second, of_deployment] = told[static_cast<std::size_t>(i)];
        merge(c, report, order_of(report, at(1000 + second), event_id(i).value().to_string()), of_deployment);
    }
    return c;
}

Call all_of(const std::vector<Told>& told) {
    std::vector<int> order;
    for (std::size_t i = 0; i < told.size(); ++i) order.push_back(static_cast<int>(i));
    return applied(told, order);
}

std::string shown(const Call& c) {
    std::string out = c.status() + (c.answered() ? " answered" : "") + (c.missed_call() ? " missed" : "") + " " +
                      std::to_string(c.duration_s.value_or(-1)) + " " + c.recording_url().value_or("-") + " " +
                      c.unavailable().value_or("-") + " " + c.notice_sha256.value_or("-") + " " +
                      (c.notice_played ? *c.notice_played ? "played" : "not played" : "-");
    for (const auto& [sid, r] : c.recordings)
        out += " [" + sid + " " + r.url + (r.voicemail ? " voicemail" : "") + (r.of_deployment ? " deployment's " : " ") +
               to_rfc3339(r.recorded_at) + "]";
    return out + " " + to_rfc3339(c.received_at) + " " + c.origins.text();
}

}  // namespace

TEST_CASE("all permutations, repeats and groupings of what Twilio tells of a call end in the same call") {
    std::mt19937 dice(3);
    for (const auto& told : {left_a_voicemail(), was_answered(), was_both()}) {
        std::vector<int> order(told.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
        const auto wanted = shown(applied(told, order));
        do {
            REQUIRE(shown(applied(told, order)) == wanted);
            auto repeated = order;
            for (int n = 0; n < 3; ++n)
                repeated.insert(repeated.begin() + static_cast<long>(dice() % repeated.size()), order[dice() % order.size()]);
            REQUIRE(shown(applied(told, repeated)) == wanted);
            // As two rows that later prove to be one call.
            auto cut = 1 + dice() % (order.size() - 1);
            auto left = applied(told, {order.begin(), order.begin() + static_cast<long>(cut)});
            merge(left, applied(told, {order.begin() + static_cast<long>(cut), order.end()}));
            REQUIRE(shown(left) == wanted);
        } while (std::next_permutation(order.begin(), order.end()));
    }
}

TEST_CASE("what a call's end means follows from all that is said of it") {
    auto voicemail = all_of(left_a_voicemail());
    CHECK((voicemail.status() == "voicemail" && voicemail.missed_call() && !voicemail.answered()));
    REQUIRE(voicemail.recording());
    CHECK((voicemail.recording()->first == "RE1" && voicemail.recording()->second.of_deployment));
    CHECK(voicemail.recording_url() == "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1");
    auto answered = all_of(was_answered());
    CHECK((answered.status() == "completed" && !answered.missed_call() && answered.recording()->first == "RE3"));
    CHECK_FALSE(answered.unavailable());  // the voicemail is, and there is another one
    auto both = all_of(was_both());
    CHECK((both.status() == "completed" && both.recording()->first == "RE5" && both.recordings.size() == 2));

    struct Row {
        const char* status;
        bool answered, voicemail;
        const char* is;
    };
    for (const auto& row :
         {Row{"ended", false, false, "missed"}, Row{"ended", true, false, "completed"}, Row{"ended", false, true, "voicemail"},
          Row{"ended", true, true, "completed"}, Row{"missed", false, true, "voicemail"}, Row{"missed", true, true, "completed"},
          Row{"missed", false, false, "missed"}, Row{"failed", false, true, "failed"},
          Row{"in_progress", false, true, "in_progress"}, Row{"ringing", true, false, "ringing"}}) {
        std::vector<Told> told{{twilio(row.status), 1}};
        if (row.answered) told.push_back({bare(), 2}), told.back().report.set_answered(true);
        if (row.voicemail) told.push_back({recorded("RE1", true), 3});
        INFO(row.status << (row.answered ? " answered" : "") << (row.voicemail ? " voicemail" : ""));
        CHECK(all_of(told).status() == row.is);
    }
    CHECK(all_of({{twilio("ended"), 1}, {recorded("RE1", true, "absent"), 2}}).status() == "missed");
    CHECK(all_of({{twilio("ended"), 1}, {recorded("RE1", true, "in_progress"), 2}}).status() == "missed");
    CHECK(all_of({{twilio("ended"), 1}, {recorded("RE1", false), 2}}).status() == "missed");
    CHECK(all_of({{twilio("ended"), 1}, {recorded("RE1", true, "failed"), 2}}).unavailable() == "failed");
}

TEST_CASE("of one call's statuses the higher sequence counts, inside a rank; one without a sequence is behind") {
    auto status = [](const std::vector<Told>& told) { return all_of(told).status(); };
    CHECK(status({{twilio("failed", 3), 1}, {twilio("missed", 2), 9}}) == "failed");
    CHECK(status({{twilio("missed", 2), 9}, {twilio("failed", 3), 1}}) == "failed");
    CHECK(status({{twilio("failed", 0), 1}, {twilio("missed"), 9}}) == "failed");
    CHECK(status({{twilio("failed", -7), 1}, {twilio("missed"), 9}}) == "missed");  // what is no sequence is none
    CHECK(status({{twilio("in_progress", 8), 1}, {twilio("failed", 1), 2}}) == "failed");
    CHECK(status({{twilio("failed", 1), 1}, {twilio("in_progress", 8), 2}}) == "failed");
}

TEST_CASE("the notice that was played stays with the call, whichever step of its flow played it") {
    auto with = [](std::vector<std::pair<std::optional<std::string>, bool>> said) {
        std::vector<Told> told;
        for (auto& [sha, played] : said) {
            auto r = twilio("in_progress");
            if (sha) r.set_consent_notice_sha256(*sha);
            r.set_consent_notice_played(played);
            told.push_back({r, static_cast<int>(told.size())});
        }
        auto c = all_of(told);
        std::reverse(told.begin(), told.end());
        auto back = applied(told, [&] {
            std::vector<int> order;
            for (std::size_t i = 0; i < told.size(); ++i) order.push_back(static_cast<int>(i));
            return order;
        }());
        CHECK((back.notice_sha256 == c.notice_sha256 && back.notice_played == c.notice_played));
        return c.notice_sha256.value_or("-") + (c.notice_played ? *c.notice_played ? " played" : " not played" : " -");
    };
    CHECK(with({{{}, false}}) == "- -");
    CHECK(with({{"", false}}) == " not played");
    CHECK(with({{"a", false}, {{}, false}}) == "a not played");
    CHECK(with({{"a", false}, {"a", true}}) == "a played");
    CHECK(with({{"a", true}, {"b", false}}) == "a played");  // the flow was changed in mid-call
    CHECK(with({{"a", false}, {"b", true}, {"c", true}}) == "b played");
}

TEST_CASE("a row of a former version reads as it was written, and a report without a sequence costs no more") {
    const std::string former =
        R"({"from":[[1,1700000010000000,"a"],[3,1700000012000000,"b"]],"by":{"duration":1,"phone_number":0,"status":1}})";
    auto origins = Origins::parse(former);
    CHECK(origins.text() == former);
    CHECK(origins.of("status") == Order{3, 1'700'000'012'000'000, "b"});
    REQUIRE(origins.take("duration", Order{5, 1, "c", 4}));
    CHECK(Origins::parse(origins.text()) == origins);
    CHECK(origins.text().find(R"([5,1,"c",4])") != std::string::npos);
    CHECK(Order{5, 9, "z", -1} < Order{5, 1, "a", 0});
    CHECK(Order{4, 9, "z", 7} < Order{5, 1, "a", -1});
}

TEST_CASE("what strangers say of recordings is bounded") {
    Call c;
    for (int n = 0; n < 100; ++n) {
        auto r = recorded("RE" + std::to_string(n), true);
        merge(c, r, order_of(r, at(n), event_id(n).value().to_string()));
    }
    CHECK(c.recordings.size() == kMostRecordings);
    auto r = recorded(std::string(1'000, 'R'), false);
    Call other;
    merge(other, r, order_of(r, at(1), "e"));
    CHECK(other.recordings.empty());
}

TEST_CASE("in the database too: any order, any batches, one row and the same end", "[integration]") {
    std::mt19937 dice(17);
    int life = 0;
    for (const auto& told : {left_a_voicemail(), was_answered(), was_both()}) {
        std::string wanted;
        ++life;
        for (int round = 0; round < 40; ++round) {
            auto company = "org_voice" + std::to_string(life) + "_" + std::to_string(round);
            std::vector<std::pair<int, Told>> events;
            for (std::size_t i = 0; i < told.size(); ++i) events.emplace_back(static_cast<int>(i), told[i]);
            if (round > 0) {
                for (int n = 0; n < 3; ++n) events.push_back(events[dice() % told.size()]);
                std::shuffle(events.begin(), events.end(), dice);
            }
            for (std::size_t i = 0; i < events.size();) {
                auto n = std::min<std::size_t>(1 + dice() % 4, events.size() - i);
                take(company, {events.begin() + static_cast<long>(i), events.begin() + static_cast<long>(i + n)});
                i += n;
            }
            auto rows = seen(company);
            if (round == 0) wanted = rows;
            INFO("life " << life << " round " << round);
            REQUIRE(rows == wanted);
            REQUIRE(lines("SELECT concat_ws(' ', (SELECT count(*) FROM calls WHERE company_id = $1), (SELECT count(*) FROM leads "
                          "WHERE company_id = $1), (SELECT string_agg(primary_phone, ',') FROM contact_cards WHERE company_id = "
                          "$1)) AS v",
                          company) == "1 1 +12025550100\n");
        }
        CHECK(wanted.find("\"consent_notice_sha256\": \"5ha\"") != std::string::npos);
        CHECK(wanted.find("\"consent_notice_played\": true") != std::string::npos);
        CHECK(std::count(wanted.begin(), wanted.end(), '\n') == (life == 2 ? 1 : 2));
    }
}

TEST_CASE("a call without a call on Twilio costs no statement more", "[integration]") {
    auto first = [](const std::string& company, const std::string& provider) {
        take(company, {{1, Told{incoming(), 1}}}, Millis{0}, provider);
        return take(company, {{2, Told{ended(9), 2}}}, Millis{0}, provider).statements;
    };
    const auto bare_end = first("org_cost_a", "callrail");
    CHECK(first("org_cost_b", "twilio") == bare_end);
    take("org_cost_c", {{1, Told{incoming(), 1}}});
    CHECK(take("org_cost_c", {{2, Told{recorded("RE1", false), 2}}}).statements < bare_end);  // nothing is missed by it
    take("org_cost_d", {{1, Told{incoming(), 1}}});
    auto two = take("org_cost_d", {{2, Told{recorded("RE1", true), 2}}}).statements;
    std::vector<std::pair<int, Told>> many;
    for (int n = 0; n < 10; ++n) many.emplace_back(10 + n, Told{recorded("RE" + std::to_string(n), true), n});
    CHECK(take("org_cost_d", many).statements == two);
}

TEST_CASE("a call that ended without an answer starts the grace, whatever comes first; an answer ends it", "[integration]") {
    auto waits = [](const std::string& company) {
        return lines("SELECT count(*) AS v FROM work WHERE queue = 'lead-pipeline/missed-calls' AND company_id = $1", company);
    };
    take("org_vgrace", incoming());
    CHECK(waits("org_vgrace") == "0\n");
    take("org_vgrace", ended(9));
    CHECK(waits("org_vgrace") == "1\n");
    take("org_vgrace", recorded("RE1", true));
    CHECK(waits("org_vgrace") == "1\n");  // a voicemail is a missed call as well
    auto leg = bare();
    leg.set_answered(true);
    take("org_vgrace", leg);
    CHECK(waits("org_vgrace") == "0\n");
    CHECK(lines("SELECT concat_ws(' ', status, answered, missed_call) AS v FROM calls WHERE company_id = $1", "org_vgrace") ==
          "completed t f\n");
}

TEST_CASE("what follows from a call's recording is told with it", "[integration]") {
    take("org_vtold", incoming());
    auto of_a_voicemail = take("org_vtold", {{900, Told{recorded("RE1", true), 2, true}}});
    auto c = of_a_voicemail.call();
    CHECK((c.recording_sid() == "RE1" && c.recording_duration_s() == 12 && c.recording_of_deployment() &&
           c.recording_unavailable().empty() && c.recording_url().ends_with("/RE1")));
    CHECK(of_a_voicemail.changed() == std::multiset<std::string>{"call", "voicemail"});
    // What was recorded of a call that nobody answered is its notice and the ringing: the voicemail stays what counts.
    CHECK(take("org_vtold", {{901, Told{recorded("RE2", false), 3}}}).call().recording_sid() == "RE1");
    auto leg = bare("CA1");
    leg.set_answered(true);
    auto of_the_call = take("org_vtold", leg);
    CHECK(of_the_call.call().version() > c.version());
    c = of_the_call.call();
    CHECK((c.recording_sid() == "RE2" && !c.recording_of_deployment() && c.recording_url().ends_with("/RE2")));
    CHECK(of_the_call.changed() == std::multiset<std::string>{"call"});
    take("org_vnone", incoming());
    CHECK(take("org_vnone", recorded("RE1", false, "absent")).call().recording_unavailable() == "absent");
    CHECK(take("org_vnone", ended(3)).call().recording_unavailable() == "absent");
    CHECK(take("org_vnone", recorded("RE9", false)).call().recording_unavailable().empty());
}

TEST_CASE("a step that comes before its call is the call's", "[integration]") {
    auto leg = bare("CA9");
    leg.add_aliases("CA0");  // its own id: less than the call's, and not what the call is known by
    leg.set_answered(true);
    take("org_vearly", leg);
    take("org_vearly", incoming("CA9"));
    take("org_vearly", ended(30, 0, "CA9"));
    CHECK(lines("SELECT concat_ws(' ', c.provider_call_id, c.status, c.phone_number, k.primary_phone) AS v FROM calls c JOIN "
                "contact_cards k ON "
                "k.company_id = c.company_id AND k.id = c.contact_card_id WHERE c.company_id = $1",
                "org_vearly") == "CA9 completed +12025550100 +12025550100\n");
    CHECK(lines("SELECT count(*) AS v FROM contact_cards WHERE company_id = $1", "org_vearly") == "1\n");
}
