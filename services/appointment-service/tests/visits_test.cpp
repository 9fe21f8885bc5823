#include "visits.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "testing/catch.hpp"

using namespace otto;
using namespace otto::appointment_service;

namespace {

/// A moment by day and hour of December 2026.
std::optional<Instant> on(int day, int hour = 17) {
    return day ? std::optional<Instant>(std::chrono::sys_days{std::chrono::year{2026} / 12 / day} + std::chrono::hours{hour})
               : std::nullopt;
}
std::string day_of(std::optional<Instant> at) { return at ? to_rfc3339(*at).substr(8, 2) : "-"; }
Uuid id(std::int64_t n) { return Uuid::v5(*Uuid::parse("6f74746f-6170-5074-a473-00000000000a"), std::to_string(n)); }

/// Of a call on a day: for which day it booked; 0: without a time; -1: it did not.
Heard heard(std::int64_t call, int called, int booked, const char* address = nullptr) {
    Heard h;
    h.call = call;
    h.started = *on(called, 9);
    h.booked = booked >= 0;
    h.at = booked > 0 ? on(booked) : std::nullopt;
    if (address) h.address = address;
    h.version = call * 10;
    return h;
}
/// What stands for a call's day; 0: without a call, without a time.
Standing own(std::int64_t n, std::int64_t call, int day, bool planned = true) {
    auto start = on(day);
    return {id(n),   call ? std::optional(call) : std::nullopt,
            start,   start ? std::optional(*start + std::chrono::hours(1)) : std::nullopt,
            planned, false};
}
Standing persons(std::int64_t n, std::int64_t call, int day, bool planned = true) {
    auto row = own(n, call, day, planned);
    row.of_people = true;
    return row;
}

/// "1,2 for 22 from 21 as 1; off 3; double 4; 2 doubts 5"
std::string planned(const std::vector<Heard>& heard, const std::vector<Standing>& rows = {}) {
    auto name = [&](const Uuid& row) {
        for (int n = 1; n < 10; ++n)
            if (id(n) == row) return std::to_string(n);
        return std::string("?");
    };
    auto plan = plan_visits(heard, rows, std::chrono::minutes(60));
    std::string out;
    auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
    for (const auto& v : plan.visits) {
        std::string calls;
        for (auto call : v.calls) calls += (calls.empty() ? "" : ",") + std::to_string(call);
        add(calls + " for " + day_of(v.at) +
            (v.moved_from ? " from " + day_of(v.moved_from) + " by " + std::to_string(v.moved_by.value_or(0)) : "") +
            (v.row ? " as " + name(*v.row) : ""));
    }
    for (const auto& row : plan.unbooked) add("off " + name(row));
    for (const auto& row : plan.doubles) add("double " + name(row));
    for (const auto& doubt : plan.doubts) add(std::to_string(doubt.call) + " doubts " + name(doubt.appointment));
    return out;
}

}  // namespace

TEST_CASE("a lead has one visit that analyses plan, and a later call moves it") {
    CHECK(planned({heard(1, 1, 21)}) == "1 for 21");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}) == "1,2 for 22 from 21 by 2");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {own(1, 1, 21)}) == "1,2 for 22 from 21 by 2 as 1");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {own(2, 2, 22)}) ==
          "1,2 for 22 from 21 by 2 as 2");                                            // the later one was heard first
    CHECK(planned({heard(1, 2, 21), heard(2, 1, 22)}) == "2,1 for 21 from 22 by 1");  // by when they began, not by their numbers
    CHECK(planned({heard(1, 1, 21), heard(2, 1, 22)}) == "1,2 for 22 from 21 by 2");  // at the same moment by their numbers
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22), heard(3, 3, 23)}) == "1,2,3 for 23 from 22 by 3");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22), heard(3, 3, 21)}) == "1,2,3 for 21 from 22 by 3");
}

TEST_CASE("the same time again is the same one, and no time moves nothing") {
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 21)}) == "1,2 for 21");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 0)}) == "1,2 for 21");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, -1)}) == "1 for 21");   // who calls about something else calls nothing off
    CHECK(planned({heard(1, 1, 0), heard(2, 2, 22)}) == "1,2 for 22");  // it gets its time: it had none to be moved from
    CHECK(planned({heard(1, 1, 0), heard(2, 2, 0)}) == "1,2 for -");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 0), heard(3, 3, 23)}) == "1,2,3 for 23 from 21 by 3");
}

TEST_CASE("what is no longer booked takes its part back") {
    CHECK(planned({heard(1, 1, -1)}, {own(1, 1, 21)}) == "off 1");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, -1)}, {own(1, 1, 22)}) == "1 for 21 as 1");
    CHECK(planned({heard(1, 1, -1), heard(2, 2, 22)}, {own(1, 1, 22)}) == "2 for 22; off 1");
    CHECK(planned({heard(1, 1, -1)}, {own(1, 1, 21, false)}).empty());
    CHECK(planned({}, {own(1, 1, 21)}).empty());  // nothing is known of its call
}

TEST_CASE("a visit that has been is not moved by a later call") {
    CHECK(planned({heard(1, 1, 5), heard(2, 10, 22)}, {own(1, 1, 5)}) == "1 for 05 as 1; 2 for 22");
    CHECK(planned({heard(1, 1, 5), heard(2, 10, 22), heard(3, 11, 23)}) == "1 for 05; 2,3 for 23 from 22 by 3");
    CHECK(planned({heard(1, 1, 5), heard(2, 5, 22)}) == "1,2 for 22 from 05 by 2");  // on the morning of the day
    CHECK(planned({heard(1, 1, 5), heard(2, 6, 0)}) == "1 for 05; 2 for -");
}

TEST_CASE("two that stand for one visit become one") {
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {own(1, 1, 21), own(2, 2, 22)}) ==
          "1,2 for 22 from 21 by 2 as 1; double 2");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {own(1, 1, 21, false), own(2, 2, 22)}) == "1,2 for 22 from 21 by 2 as 2");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {own(1, 1, 21), own(2, 2, 22, false)}) == "1,2 for 22 from 21 by 2 as 1");
}

TEST_CASE("what people planned is not moved and not doubled; another time is for a person to look into") {
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {persons(1, 1, 21)}) == "2 doubts 1");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {persons(1, 1, 22)}).empty());  // that is what the person did
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 0)}, {persons(1, 1, 21)}).empty());
    CHECK(planned({heard(1, 1, 22)}, {persons(1, 1, 21)}).empty());  // the call's own, which the person knew
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {persons(1, 1, 0)}) == "2 doubts 1");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22), heard(3, 3, 23)}, {persons(1, 1, 21)}) == "2 doubts 1; 3 doubts 1");
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {persons(1, 1, 21, false)}) ==
          "2 for 22");  // called off or done by a person: a new one
    CHECK(planned({heard(1, 1, 5), heard(2, 10, 22)}, {persons(1, 1, 5)}) == "2 for 22");
    // Made by hand, without a call.
    CHECK(planned({heard(1, 1, 21)}, {persons(1, 0, 21)}).empty());
    CHECK(planned({heard(1, 1, 22)}, {persons(1, 0, 21)}) == "1 doubts 1");
    CHECK(planned({heard(1, 1, 0)}, {persons(1, 0, 21)}).empty());
    CHECK(planned({heard(1, 1, 22)}, {persons(1, 0, 23), persons(2, 0, 22)}).empty());
    CHECK(planned({heard(1, 1, 22)}, {persons(1, 0, 21, false)}) == "1 for 22");
    CHECK(planned({heard(1, 1, 22)}, {own(1, 1, 21), persons(2, 0, 25)}) == "1 for 22 as 1");  // the call had its own before
    // An earlier call that is heard late does not double what its successor planned and a person took over.
    CHECK(planned({heard(1, 1, 21), heard(2, 2, 22)}, {persons(2, 2, 22)}).empty());
    CHECK(planned({heard(1, 1, 1), heard(2, 10, 22)}, {persons(2, 2, 22)}) == "1 for 01");
}

TEST_CASE("a visit has the address that was said last") {
    auto plan = plan_visits({heard(1, 1, 21, "1 Old Street"), heard(2, 2, 22, "2 New Street"), heard(3, 3, 23)}, {},
                            std::chrono::minutes(60));
    REQUIRE(plan.visits.size() == 1);
    CHECK(plan.visits[0].address == "2 New Street");
    CHECK(plan.visits[0].version == 30);
}

TEST_CASE("whatever is heard, in whatever order, no call is of two visits and no appointment is planned twice") {
    std::mt19937 dice(12);
    for (int round = 0; round < 2'000; ++round) {
        std::vector<Heard> all;
        std::vector<Standing> rows;
        for (int call = 1; call <= 1 + static_cast<int>(dice() % 5); ++call) {
            all.push_back(heard(call, 1 + static_cast<int>(dice() % 12), static_cast<int>(dice() % 28) - 2));
            if (dice() % 2)
                rows.push_back(dice() % 3 ? own(call, call, static_cast<int>(dice() % 28), dice() % 4)
                                          : persons(call, call, static_cast<int>(dice() % 28), dice() % 4));
        }
        if (dice() % 4 == 0) rows.push_back(persons(9, 0, static_cast<int>(dice() % 28)));
        auto first = planned(all, rows);
        std::shuffle(all.begin(), all.end(), dice);
        std::shuffle(rows.begin(), rows.end(), dice);
        auto plan = plan_visits(all, rows, std::chrono::minutes(60));
        INFO(first);
        std::multiset<std::int64_t> calls;
        std::multiset<Uuid> used(plan.unbooked.begin(), plan.unbooked.end());
        used.insert(plan.doubles.begin(), plan.doubles.end());
        for (const auto& v : plan.visits) {
            calls.insert(v.calls.begin(), v.calls.end());
            if (v.row) used.insert(*v.row);
            CHECK(v.moved_from.has_value() == v.moved_by.has_value());
            CHECK((!v.moved_from || v.moved_from != v.at));
        }
        for (auto call : calls) CHECK(calls.count(call) == 1);
        for (const auto& row : used) CHECK(used.count(row) == 1);
        for (const auto& row : rows)
            if (row.of_people) CHECK_FALSE(used.contains(row.id));
        for (auto& visit : plan.visits) std::sort(visit.calls.begin(), visit.calls.end());
        // Planned again upon what it planned, it plans the same.
        std::vector<Standing> after;
        for (auto row : rows) {
            bool off = std::find(plan.unbooked.begin(), plan.unbooked.end(), row.id) != plan.unbooked.end() ||
                       std::find(plan.doubles.begin(), plan.doubles.end(), row.id) != plan.doubles.end();
            if (off) row.planned = false;
            for (const auto& v : plan.visits)
                if (v.row == row.id)
                    row.start = v.at, row.end = v.at ? std::optional(*v.at + std::chrono::hours(1)) : std::nullopt,
                    row.planned = true;
            after.push_back(row);
        }
        for (const auto& v : plan.visits)
            if (!v.row)
                after.push_back({Uuid::v5(id(0), std::to_string(v.calls.front())), v.calls.front(), v.at,
                                 v.at ? std::optional(*v.at + std::chrono::hours(1)) : std::nullopt, true, false});
        auto again = plan_visits(all, after, std::chrono::minutes(60));
        REQUIRE(again.visits.size() == plan.visits.size());
        for (std::size_t i = 0; i < plan.visits.size(); ++i)
            CHECK((again.visits[i].at == plan.visits[i].at && again.visits[i].moved_from == plan.visits[i].moved_from &&
                   again.visits[i].row));
        CHECK((again.unbooked.empty() && again.doubles.empty()));
    }
}
