#include <algorithm>
#include <random>
#include <set>

#include "rules/contact.hpp"
#include "rules/lead.hpp"
#include "rules/task.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::lead_pipeline;

namespace {

Instant at(int second) { return Instant{} + std::chrono::seconds(1'700'000'000 + second); }

Verdict verdict(std::int64_t call, int started, const char* booking, const char* quality, std::int64_t version = 1) {
    Verdict v;
    v.call = call;
    if (*booking) v.booking_status = booking;
    if (*quality) v.lead_quality = quality;
    v.call_started_at = at(started);
    v.received_at = at(started + 100 + static_cast<int>(version));
    v.version = version;
    return v;
}

std::string become(const char* booking, const char* quality, const char* category = "") {
    auto v = verdict(1, 0, booking, quality);
    if (*category) v.call_outcome_category = category;
    return qualify(v).value_or("-");
}

analysis::v1::PendingAction action(const std::string& type, const std::string& text) {
    analysis::v1::PendingAction a;
    a.set_type(type);
    a.set_raw_text(text);
    return a;
}

}  // namespace

TEST_CASE("what a lead becomes by one analysis") {
    CHECK(become("booked", "hot") == "qualified_booked");
    CHECK(become("booked", "") == "qualified_booked");
    CHECK(become("booked", "unqualified") == "qualified_booked");  // booked wins over any other verdict
    CHECK(become("not_booked", "hot") == "qualified_unbooked");
    CHECK(become("not_booked", "cold") == "qualified_unbooked");
    CHECK(become("not_booked", "", "qualified_but_unbooked") == "qualified_unbooked");
    CHECK(become("not_booked", "unqualified") == "closed_lost");
    CHECK(become("not_booked", "") == "-");
    CHECK(become("service_not_offered", "warm") == "qualified_service_not_offered");
    CHECK(become("service_not_offered", "") == "qualified_service_not_offered");
    CHECK(become("", "hot") == "hot");
    CHECK(become("", "warm") == "warm");
    CHECK(become("", "cold") == "cold");
    CHECK(become("", "unqualified") == "closed_lost");
    CHECK(become("", "") == "-");
    CHECK(become("perhaps", "lukewarm") == "-");  // not known yet: kept elsewhere, concluded from nowhere
    CHECK(become("perhaps", "hot") == "hot");
}

TEST_CASE("of several calls the latest start decides, and booked wins over it") {
    auto first = verdict(1, 10, "not_booked", "hot"), second = verdict(2, 20, "", "cold"),
         booked = verdict(3, 5, "booked", "warm");
    CHECK(decide({}, {first, second}) == "cold");
    CHECK(decide({}, {second, first}) == "cold");
    CHECK(decide({}, {first, second, booked}) == "qualified_booked");
    CHECK(decide({}, {verdict(4, 30, "", ""), first}) == "qualified_unbooked");  // one that says nothing decides nothing
    CHECK_FALSE(decide({}, {}).has_value());
    CHECK_FALSE(decide({}, {verdict(4, 30, "", "")}).has_value());
    CHECK(decide({}, {verdict(1, 10, "", "hot"), verdict(2, 10, "", "cold")}) == "cold");  // the same start: the later call
}

TEST_CASE("a person's edit stands against analyses of calls that started before it") {
    Edit edit{"nurturing", at(15)};
    CHECK(decide(edit, {verdict(1, 10, "booked", "hot")}) == "nurturing");
    CHECK(decide(edit, {verdict(1, 15, "booked", "hot")}) == "nurturing");
    CHECK(decide(edit, {verdict(1, 10, "booked", "hot"), verdict(2, 20, "", "cold")}) == "cold");
    CHECK(decide(edit, {}) == "nurturing");
}

TEST_CASE("any order and repetition of several calls' analyses and a person's edits ends in the same lead") {
    struct Step {
        std::optional<Verdict> said;
        std::optional<Edit> edit;
    };
    std::vector<Step> steps{{verdict(1, 10, "not_booked", "hot"), {}},
                            {verdict(1, 10, "booked", "hot", 2), {}},
                            {verdict(2, 20, "", "unqualified"), {}},
                            {verdict(3, 30, "", "warm"), {}},
                            {verdict(3, 30, "", "", 2), {}},
                            {{}, Edit{"nurturing", at(15)}},
                            {{}, Edit{"dormant", at(12)}}};
    std::vector<std::size_t> order(steps.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    auto run = [&](const std::vector<std::size_t>& sequence) {
        std::vector<Verdict> verdicts;
        std::optional<Edit> edit;
        for (auto i : sequence) {
            if (steps[i].said) take(verdicts, *steps[i].said);
            if (steps[i].edit && (!edit || edit->at < steps[i].edit->at)) edit = steps[i].edit;
        }
        return decide(edit, verdicts).value_or("-") + " " +
               (last_qualified(verdicts) ? to_rfc3339(*last_qualified(verdicts)) : "-");
    };
    auto wanted = run(order);
    CHECK(wanted.starts_with("closed_lost "));
    std::mt19937 dice(5);
    do {
        auto repeated = order;
        for (int n = 0; n < 3; ++n)
            repeated.insert(repeated.begin() + static_cast<long>(dice() % repeated.size()), order[dice() % order.size()]);
        REQUIRE(run(order) == wanted);
        REQUIRE(run(repeated) == wanted);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("the pool follows from status and rep") {
    CHECK(pool_status("new", false) == "in_pool");
    CHECK(pool_status("hot", true) == "assigned");
    CHECK(pool_status("closed_won", true) == "closed");
    CHECK(pool_status("abandoned", false) == "archived");
}

TEST_CASE("due times: with a zone, without, a day, and what is none") {
    CHECK(parse_due("2026-11-24T10:00:00-07:00").at == parse_time("2026-11-24T17:00:00Z"));
    for (auto utc : {"2026-12-05 10:00:00 UTC", "2026-12-05 10:00 UTC", "2026-12-05T10:00:00 +0000"})
        CHECK(parse_due(utc).at == parse_time("2026-12-05T10:00:00Z"));
    CHECK(parse_due(" 2026-11-24T10:00:00Z ").at == parse_time("2026-11-24T10:00:00Z"));
    auto local = parse_due("2026-11-24T10:00:00");
    CHECK_FALSE(local.at);
    CHECK(local.wall == "2026-11-24 10:00:00");
    CHECK(parse_due("2026-11-24 10:00:00.5").wall == "2026-11-24 10:00:00.500000");
    CHECK((parse_due("2026-11-24 10:00 ET").wall == "2026-11-24 10:00:00" &&
           parse_due("2026-11-24 10:00 ET").place == "America/New_York"));
    for (auto day : {"2026-11-24", "20261124"}) CHECK(parse_due(day).wall == "2026-11-24 23:59:59");  // until the day is over
    CHECK(parse_due("1795514400").at.has_value());
    for (auto nothing :
         {"", "tomorrow", "2026-13-01", "2026-02-30", "next week", "0000-00-00T00:00:00Z", "2026", "5", "20261124100000"}) {
        auto due = parse_due(nothing);
        INFO(nothing);
        CHECK((!due.at && !due.wall));
    }
}

TEST_CASE("what a pending action asks for") {
    auto known = action("Send-Quote", "send the quote by Friday");
    known.set_due_at("2026-11-27");
    known.set_assignee("Sales Rep");
    known.set_priority("urgent");
    auto w = understand(known, 7).value();
    CHECK((w.action_type == "send_quote" && w.assigned_to == "rep" && w.priority == "high" &&
           w.description == "send the quote by Friday" && w.due.wall));
    CHECK(w.key == unique_key("shunya", "7", "send_quote", "send the quote by Friday"));
    CHECK(w.key.size() == 64);
    auto free_text = understand(action("follow up tomorrow", ""), 7).value();
    CHECK((free_text.action_type == "custom" && free_text.description == "follow up tomorrow" &&
           free_text.raw_text == "follow up tomorrow" && free_text.assigned_to == "csr"));
    CHECK(understand(action("call_back", ""), 7)->description == "Call back");
    CHECK_FALSE(understand(action("custom", " "), 7));
    CHECK_FALSE(understand(action("", ""), 7));
    CHECK(understand(action("", std::string("a\0b", 3)), 7)->description == "ab");
    CHECK(understand(action("Añadir—Foto", "x"), 7)->action_type == "custom");
    CHECK(understand(action("SEND – QUOTE", "x"), 7)->action_type == "send_quote");
    for (auto nothing : {"None", "N/A", "No action needed", "-", "No pending actions."}) {
        INFO(nothing);
        CHECK_FALSE(understand(action("custom", nothing), 7));
        CHECK_FALSE(understand(action(nothing, ""), 7));
        auto call = understand(action("call_back", nothing), 7).value();
        CHECK((call.description == "Call back" && !call.raw_text));
    }
    auto vague = action("call_back", "call her");
    vague.set_due_at("TBD");
    vague.set_contact_method("unknown");
    auto v = understand(vague, 7).value();
    CHECK((!v.due.at && !v.due.wall && !v.contact_method));
}

namespace {

/// The tasks of one call, as the rows would be.
struct Board {
    std::vector<Kept> kept;
    void apply(const std::vector<std::string>& said, std::int64_t version) {
        std::vector<Wanted> wanted;
        for (const auto& text : said)
            if (auto w = understand(action(text.substr(0, text.find(':')), text.substr(text.find(':') + 1)), 1))
                wanted.push_back(*w);
        auto plan = plan_tasks(kept, wanted, version);
        for (auto& [i, w] : plan.changes) {
            kept[i].key = w.key;
            kept[i].version = version;
        }
        for (auto& [slot, w] : plan.fresh) kept.push_back({Uuid{}, w.key, w.action_type, slot, version, false});
    }
    std::multiset<std::string> keys() const {
        std::multiset<std::string> out;
        for (const auto& k : kept) out.insert(k.key);
        return out;
    }
    bool has(const std::string& type, const std::string& text) const {
        return keys().contains(unique_key("shunya", "1", type, text));
    }
};

}  // namespace

TEST_CASE("a repeated or reworded analysis makes no second task") {
    Board b;
    b.apply({"call_back:call on Tuesday", "send_quote:send it"}, 1);
    b.apply({"call_back:call on Tuesday", "send_quote:send it"}, 1);
    CHECK(b.kept.size() == 2);
    b.apply({"call_back:ring her on Tuesday", "send_quote:send it"}, 2);
    CHECK(b.kept.size() == 2);
    CHECK(b.has("call_back", "ring her on Tuesday"));
    b.apply({"call_back:call on Tuesday"}, 1);  // late and older
    CHECK(b.kept.size() == 2);
    CHECK(b.has("call_back", "ring her on Tuesday"));
    b.apply({"call_back:ring her on Tuesday", "call_back:and her husband"}, 3);
    CHECK(b.kept.size() == 3);
    b.apply({"call_back:twice", "call_back:twice"}, 4);
    CHECK(b.kept.size() == 3);
}

TEST_CASE("a task that a person had a hand in is left alone, and has no twin") {
    Board b;
    b.apply({"call_back:call on Tuesday"}, 1);
    b.kept[0].touched = true;
    b.apply({"call_back:ring her on Tuesday"}, 2);
    REQUIRE(b.kept.size() == 1);
    CHECK(b.has("call_back", "call on Tuesday"));
}

TEST_CASE("two analyses of a call end in the same tasks, whichever comes first and however often") {
    const std::vector<std::string> texts{"call_back:a", "call_back:b", "call_back:c", "send_quote:d", "follow up:e"};
    std::mt19937 dice(3);
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::string> first, second;
        for (const auto& t : texts) {
            if (dice() % 2) first.push_back(t);
            if (dice() % 2) second.push_back(t);
        }
        Board forward, backward;
        for (auto version : {1, 2, 1, 2}) forward.apply(version == 1 ? first : second, version);
        for (auto version : {2, 1, 1, 2}) backward.apply(version == 1 ? first : second, version);
        auto keys = forward.keys();
        REQUIRE(keys == backward.keys());
        for (const auto& t : second)
            REQUIRE(keys.contains(understand(action(t.substr(0, t.find(':')), t.substr(t.find(':') + 1)), 1)->key));
        REQUIRE(std::set<std::string>(keys.begin(), keys.end()).size() == keys.size());  // none twice
    }
}

TEST_CASE(
    "who a contact is: analysis beats caller id, a later call an earlier one, a newer analysis an older one; in any order") {
    auto said = [](Voice voice, int started, std::int64_t call, std::int64_t version, const char* name, const char* address) {
        Statement s;
        s.voice = voice;
        s.started_at = at(started);
        s.calls = {call};
        s.version = version;
        if (*name) s.name = name;
        if (*address) s.address = address;
        return s;
    };
    std::vector<Statement> all{
        said(Voice::caller_id, 30, 3, 0, "K MILLS", ""), said(Voice::analysis, 10, 1, 1, "Kaylah Mills", "1 Old Street"),
        said(Voice::analysis, 20, 2, 1, "Kay Mills", ""), said(Voice::analysis, 20, 2, 2, "Kaylah Mills-Jones", ""),
        said(Voice::analysis, 20, 2, 3, "", "2 New Street")};
    std::vector<std::size_t> order{0, 1, 2, 3, 4};
    do {
        Contact c;
        for (auto i : order) merge(c, all[i]);
        for (auto i : order) merge(c, all[i]);
        REQUIRE(c.first_name == "Kaylah");
        REQUIRE(c.last_name == "Mills-Jones");
        REQUIRE(c.address == "2 New Street");
    } while (std::next_permutation(order.begin(), order.end()));
}
