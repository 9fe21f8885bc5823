// Declared lists: what is asked for becomes a statement that holds just that. (How they read is tested where lists are declared.)
#include "api/list.hpp"

#include <bit>
#include <set>

#include "api-test/sql.hpp"
#include "base/crypto.hpp"
#include "src/long_lists.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::api;

namespace {

const Viewer kManager{CompanyId{"org_a"}, "user_m"}, kRep{CompanyId{"org_a"}, "user_rep", true};

http::Request asking(const std::string& query) {
    http::Request r;
    r.query = query;
    return r;
}

/// The field that a list's parameters are refused for; "" if they are fine.
std::string refused(const std::string& query) {
    try {
        auto request = asking(query);
        Asked asked(request, {"status", "date_from", "missed_call", "lead_id", "search"});
        Page::of(asked, sql::lists::Things::text);
        asked.any_of("status", {"missed"});
        asked.date("date_from");
        asked.truth("missed_call");
        asked.uuid("lead_id");
        return "";
    } catch (const Refusal& r) {
        CHECK(r.problem.status == 422);
        REQUIRE(r.problem.fields.size() == 1);
        return r.problem.fields[0].first;
    }
}

std::string cursor(const std::string& json) { return "cursor=" + base64url_encode(json); }

}  // namespace

TEST_CASE("what a list does not know is 422 and names the parameter") {
    CHECK(refused("limit=200&offset=10000&sort=-due&status=missed&date_from=2026-02-28&missed_call=true") == "");
    CHECK(refused("colour=red") == "colour");
    CHECK(refused("limit=0") == "limit");
    CHECK(refused("limit=201") == "limit");
    CHECK(refused("limit=ten") == "limit");
    CHECK(refused("offset=10001") == "offset");
    CHECK(refused("offset=-1") == "offset");
    CHECK(refused("sort=name") == "sort");
    CHECK(refused("cursor=abc") == "cursor");
    CHECK(refused(cursor("[\"-at\",1,\"5\"]")) == "");
    CHECK(refused(cursor("[\"-name\",1,\"5\"]")) == "cursor");
    CHECK(refused(cursor("[\"-at\",1,\"x'; DROP TABLE calls\"]")) == "cursor");
    CHECK(refused(cursor("[\"-at\",1,\"5\"]") + "&sort=at") == "cursor");
    CHECK(refused(cursor("[\"-at\",1,\"5\"]") + "&offset=1") == "cursor");
    CHECK(refused("status=missed,late") == "status");
    CHECK(refused("date_from=2026-02-30") == "date_from");
    CHECK(refused("date_from=yesterday") == "date_from");
    CHECK(refused("missed_call=perhaps") == "missed_call");
    CHECK(refused("lead_id=5") == "lead_id");
    CHECK(refused("limit=1&limit=2") == "limit");
    CHECK(refused("search=%ff") == "search");
}

TEST_CASE("a cursor remembers place and order, and a list begins with its first order") {
    auto p = Page::newest("due");
    p.descending = false;
    auto request = asking("cursor=" + p.cursor(from_micros(1234567), "42"));
    auto back = Page::of(Asked(request, {}), sql::lists::Things::text);
    CHECK(back.sort == "due");
    CHECK_FALSE(back.descending);
    CHECK(back.after == from_micros(1234567));
    CHECK(back.after_id == "42");
    auto first = Page::of(Asked(asking(""), {}), sql::lists::Things::text);
    CHECK(first.sort == "at");
    CHECK(first.descending);
    CHECK(first.limit == 50);
}

TEST_CASE("a list's statement holds only what is asked for, and its page is chosen first") {
    List<sql::lists::Things> things;
    auto p = Page::newest("at", 50);
    auto bare = things.page(kManager, p, {});
    CHECK(bare.query->text ==
          "SELECT t.id, k.name, t.sort_at\n  FROM (\nSELECT t.*, t.at AS sort_at\n  FROM things t\n WHERE t.company_id = $1\n "
          "ORDER BY t.at DESC, t.id DESC\n LIMIT 51\n       ) t\n"
          "  JOIN LATERAL (SELECT name, words FROM cards WHERE id = t.card_id LIMIT 1) k ON true\n ORDER BY t.sort_at DESC, t.id "
          "DESC");
    CHECK(bare.params.size() == 1);
    CHECK_FALSE(bare.plan_anew);
    CHECK(things.page({CompanyId{"org_b"}, "user_x"}, p, {}).query == bare.query);  // prepared once

    p = Page::newest("due", 51);
    p.descending = false;
    p.after = from_micros(7);
    p.after_id = "5";
    p.offset = 9;
    auto some = things.page(kManager, p, {.color = "{red}", .words = "{%a%}"});
    CHECK(some.query->text ==
          "SELECT t.id, k.name, t.sort_at\n  FROM (\nSELECT t.*, coalesce(t.due,t.at) AS sort_at\n  FROM things t\n  JOIN "
          "LATERAL (SELECT name, words FROM cards WHERE id = t.card_id LIMIT 1) k ON true\n"
          " WHERE t.company_id = $1\n   AND (coalesce(t.due,t.at), t.id) > ($2::timestamptz, $3::bigint)\n   AND (t.color = ANY "
          "($4::text[]))\n   AND (k.words LIKE ALL ($5::text[]))\n"
          " ORDER BY coalesce(t.due,t.at) ASC, t.id ASC\n LIMIT 101\n OFFSET $6\n       ) t\n"
          "  JOIN LATERAL (SELECT name, words FROM cards WHERE id = t.card_id LIMIT 1) k ON true\n ORDER BY t.sort_at ASC, t.id "
          "ASC");
    REQUIRE(some.params.size() == 6);
    CHECK(some.params[3].text() == "{red}");
    CHECK(some.params[4].text() == "{%a%}");
    CHECK(some.params[5].text() == "9");
    CHECK(some.plan_anew);
    CHECK(things.page(kManager, p, {.since = from_micros(0)}).plan_anew);
    CHECK(things.page(kManager, p, {.found = "{1}"}).plan_anew);
    CHECK_FALSE(things.page(kManager, p, {.color = "{red}"}).plan_anew);
}

TEST_CASE("whoever is narrowed to own rows sees these, and nothing where nothing is anybody's own") {
    List<sql::lists::Things> things;
    auto own = things.page(kRep, Page::newest("at"), {});
    CHECK(own.query->text.find("  LEFT JOIN LATERAL (SELECT rep FROM leads WHERE id = t.lead_id LIMIT 1) l ON true\n WHERE "
                               "t.company_id = $1\n   AND (l.rep = $2::text)\n") != std::string_view::npos);
    CHECK(own.params.at(1).text() == "user_rep");
    List<sql::lists::Notes> notes;
    CHECK(notes.page(kManager, Page::newest("at"), {}).query->text.find("false") == std::string_view::npos);
    CHECK(notes.page(kRep, Page::newest("at"), {}).query->text.find("   AND false\n") != std::string_view::npos);
    CHECK(notes.count(kRep, {}).query->text.find("   AND false\n") != std::string_view::npos);
}

TEST_CASE("the total of a whole table is kept, and of what a filter leaves it is counted") {
    List<sql::lists::Things> things;
    auto all = things.count(kManager, {});
    CHECK(all.query->text.find("list_totals") != std::string_view::npos);
    CHECK(all.params.at(1).text() == "things");
    CHECK(things.count(kManager, {.color = "{red}"}).query->text ==
          "SELECT count(*) AS n FROM (\nSELECT 1 FROM things t\n WHERE t.company_id = $1\n   AND (t.color = ANY ($2::text[]))\n "
          "LIMIT 10001) counted");
    CHECK(things.count(kRep, {}).query->text ==
          "SELECT count(*) AS n FROM (\nSELECT 1 FROM things t\n  JOIN leads l ON l.id = t.lead_id\n WHERE t.company_id = $1\n   "
          "AND (l.rep = $2::text)\n LIMIT 10001) counted");
    List<sql::lists::Notes> notes;
    CHECK(notes.count(kManager, {}).query->text ==
          "SELECT count(*) AS n FROM (\nSELECT 1 FROM (SELECT a.key, a.at\n          FROM a\n         UNION ALL\n        SELECT "
          "b.key, b.at FROM b) n\n WHERE n.company_id = $1\n LIMIT 10001) counted");
}

TEST_CASE("forms of a list are bounded, and each asks the same question") {
    List<sql::lists::Wide> wide;
    std::set<std::string_view> names;
    for (unsigned bits = 0; bits < 512; ++bits) {
        auto given = [&](unsigned n) { return bits >> n & 1 ? pg::Param("x") : pg::Param(nullptr); };
        auto statement =
            wide.count(kManager, {given(0), given(1), given(2), given(3), given(4), given(5), given(6), given(7), given(8)});
        names.insert(statement.query->name);
        auto asked =
            std::count_if(statement.params.begin(), statement.params.end(), [](const auto& p) { return p.text() == "x"; });
        CHECK(asked == std::popcount(bits));
    }
    CHECK(names.size() == AnyList::kMostForms + 1);
    // The one that the rest share holds every filter, each of which may be missing.
    auto open = wide.count(kManager, {"x", "x", "x", "x", "x", "x", "x", "x", "x"});
    CHECK(open.query->text.find("   AND ($2::text IS NULL)\n   AND ($3::text IS NULL OR c.a = $3::text)\n") !=
          std::string_view::npos);
}

TEST_CASE("every form that a list may take is at hand for the test that prepares each") {
    std::set<std::string> names;
    for (const auto& form : AnyList(sql::lists::Things::text).all()) {
        CHECK(names.insert(form.name).second);
        CHECK(form.text.find('{') == std::string::npos);
    }
    CHECK(names.size() ==
          (2 * 2 + 1) * (4 + 4));  // two orders, both ways, and the count; bare, whole, open, own, and four filters
}

TEST_CASE("a statement without one of its parameters is numbered anew") {
    CHECK(sql::figures_of_all.text == "SELECT count(*) AS n FROM things t\n WHERE t.company_id = $1\n   AND t.at > $2");
    CHECK(sql::figures_of_all.name != sql::figures.name);
}

TEST_CASE("a long list is remembered by viewer and filters") {
    LongLists lists;
    Viewer other{CompanyId{"org_b"}, "user_m"}, rep{CompanyId{"org_a"}, "user_m", true};
    lists.remember(kManager, {nullptr, "missed"});
    CHECK(lists.knows(kManager, {nullptr, "missed"}));
    CHECK(lists.knows({CompanyId{"org_a"}, "user_csr"}, {nullptr, "missed"}));
    CHECK_FALSE(lists.knows(kManager, {nullptr, nullptr}));
    CHECK_FALSE(lists.knows(kManager, {"missed", nullptr}));
    CHECK_FALSE(lists.knows(kManager, {nullptr, "missed\n"}));
    CHECK_FALSE(lists.knows(other, {nullptr, "missed"}));
    CHECK_FALSE(lists.knows(rep, {nullptr, "missed"}));
}
