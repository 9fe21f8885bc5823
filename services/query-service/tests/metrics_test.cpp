#include <deque>
#include <functional>
#include <map>
#include <set>

#include "figures.hpp"
#include "query-service/sql.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

/// Made-up rows of a company: calls of 80 days, most of them analysed, some analyses corrected, calls that changed after their
/// analysis and calls that went.
constexpr const char* kRows = R"sql(
SELECT setseed(0.42);
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'Asia/Kathmandu'), ('org_empty', 'E', 'Atlantic/Reykjavik');
INSERT INTO company_users (company_id, id, name, role) SELECT c, 'user_' || r || n, initcap(r) || n, CASE r WHEN 'csr' THEN 'csr' ELSE 'sales_rep' END FROM unnest(ARRAY['org_a', 'org_b']) c, unnest(ARRAY['csr', 'rep']) r, generate_series(1, 3) n;
INSERT INTO contact_cards (company_id, id, first_name, created_at) SELECT c, md5(c || n)::uuid, 'N' || n, now() - random() * interval '80 days' FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 120) n;
INSERT INTO leads (company_id, id, contact_card_id, status, pool_status, assigned_rep_id, last_qualified_at, created_at)
SELECT company_id, id, id, (ARRAY['new', 'warm', 'hot', 'qualified_booked', 'qualified_unbooked', 'closed_won', 'closed_lost', 'abandoned', 'nurturing'])[1 + floor(random() * 9)::int], 'in_pool',
       (ARRAY['user_rep1', 'user_rep2', NULL])[1 + floor(random() * 3)::int], CASE WHEN random() < 0.5 THEN now() END, created_at FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, owner_id, received_at, merge_state, started_at, created_at)
SELECT c, CASE c WHEN 'org_a' THEN 0 ELSE 10000 END + n, 'callrail', n::text, CASE WHEN random() < 0.8 THEN 'inbound' ELSE 'outbound' END, 'completed', random() < 0.2, random() < 0.7, md5(c || 1 + n % 120)::uuid,
       md5(c || 1 + n % 120)::uuid, (ARRAY['user_csr1', 'user_csr2', NULL])[1 + floor(random() * 3)::int], now(), '', CASE WHEN random() < 0.9 THEN now() - random() * interval '80 days' END,
       now() - random() * interval '80 days'
  FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 900) n;
INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, objections, sop_compliance_score, sentiment_score, raw, received_at)
SELECT company_id, call_id, (ARRAY['booked', 'not_booked', 'not_booked', 'service_not_offered', 'perhaps', NULL])[1 + floor(random() * 6)::int], (ARRAY['hot', 'warm', 'cold', 'unqualified', 'lukewarm', NULL])[1 + floor(random() * 6)::int],
       (SELECT coalesce(jsonb_agg(jsonb_build_object('key', k, 'label', initcap(k), 'severity', 'low')), '[]') FROM unnest(ARRAY['price', 'timing', 'trust', 'price', 'need']) WITH ORDINALITY AS o (k, i)
         WHERE (call_id * 7 + i * 13) % 5 < 2),
       CASE WHEN random() < 0.9 THEN random() * 10 END, CASE WHEN random() < 0.9 THEN random() END, '{}', now()
  FROM calls WHERE call_id % 10 < 8;
INSERT INTO analysis_corrections (company_id, call_id, field, value, user_id)
SELECT company_id, call_id, (ARRAY['booking_status', 'lead_quality', 'summary'])[1 + n % 3], CASE WHEN n % 3 = 0 THEN (ARRAY['booked', 'not_booked', NULL])[1 + floor(random() * 3)::int] ELSE (ARRAY['hot', 'unqualified', NULL])[1 + floor(random() * 3)::int] END, 'user_m'
  FROM call_analyses, generate_series(0, 3) n WHERE call_id % 9 = 0 ORDER BY random();
UPDATE calls SET owner_id = 'user_csr3', missed_call = NOT missed_call, started_at = coalesce(started_at, created_at) - interval '26 hours', direction = 'inbound' WHERE call_id % 11 = 0;
UPDATE call_analyses SET booking_status = 'booked', objections = '[{"key": "diy", "label": "DIY Alternative"}, {"key": "diy", "label": "DIY Alternative"}]' WHERE call_id % 17 = 0;
UPDATE leads SET status = (ARRAY['new', 'qualified_booked', 'closed_won', 'closed_lost', 'qualified_unbooked'])[1 + floor(random() * 5)::int] WHERE company_id = 'org_a' AND get_byte(uuid_send(id), 0) % 3 = 0;
UPDATE calls SET lead_id = md5(company_id || 1 + (call_id + 1) % 120)::uuid, contact_card_id = md5(company_id || 1 + (call_id + 1) % 120)::uuid WHERE call_id % 23 = 0;
DELETE FROM call_analyses WHERE call_id % 97 = 0;
DELETE FROM calls WHERE call_id % 101 = 0;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, status, outcome, assigned_rep_id, needs_time, deal_size_cents)
SELECT company_id, md5('a' || call_id)::uuid, lead_id, contact_card_id, CASE WHEN call_id % 7 > 0 THEN happened_at END, (ARRAY['scheduled', 'confirmed', 'completed', 'completed', 'cancelled', 'no_show'])[1 + floor(random() * 6)::int],
       (ARRAY['pending', 'won', 'lost', 'no_show', 'rescheduled'])[1 + floor(random() * 5)::int], (ARRAY['user_rep1', 'user_rep2', 'user_gone', NULL])[1 + floor(random() * 4)::int], call_id % 7 = 0,
       CASE WHEN random() < 0.7 THEN floor(random() * 1000000)::int END
  FROM calls WHERE call_id % 5 = 0;
INSERT INTO tasks (company_id, id, description, assigned_to, assignee_id, due_at, status, contact_card_id, lead_id, call_id, unique_key)
SELECT company_id, md5('t' || call_id)::uuid, 'Call back', (ARRAY['csr', 'rep', 'manager'])[1 + floor(random() * 3)::int], (ARRAY['user_csr1', 'user_rep1', NULL])[1 + floor(random() * 3)::int],
       CASE WHEN random() < 0.8 THEN now() + (random() - 0.5) * interval '10 days' END, (ARRAY['open', 'overdue', 'completed', 'cancelled'])[1 + floor(random() * 4)::int], contact_card_id, lead_id, call_id, md5('t' || call_id)
  FROM calls WHERE call_id % 4 = 0;
)sql";

/// Inbound calls of a window with what counts of their analyses, from the rows themselves. $1 company, $2 and $3 the days, $4 an
/// owner or null.
constexpr const char* kPlain = R"sql(
WITH i AS (
  SELECT c.*, a.call_id IS NOT NULL AS analysed, a.objections, a.sop_compliance_score, a.sentiment_score,
         CASE WHEN a.call_id IS NOT NULL AND EXISTS (SELECT FROM analysis_corrections x WHERE x.call_id = c.call_id AND x.field = 'booking_status')
              THEN (SELECT x.value FROM analysis_corrections x WHERE x.call_id = c.call_id AND x.field = 'booking_status' ORDER BY x.id DESC LIMIT 1) ELSE a.booking_status END AS booking,
         CASE WHEN a.call_id IS NOT NULL AND EXISTS (SELECT FROM analysis_corrections x WHERE x.call_id = c.call_id AND x.field = 'lead_quality')
              THEN (SELECT x.value FROM analysis_corrections x WHERE x.call_id = c.call_id AND x.field = 'lead_quality' ORDER BY x.id DESC LIMIT 1) ELSE a.lead_quality END AS quality
    FROM calls c LEFT JOIN call_analyses a ON a.call_id = c.call_id
   WHERE c.company_id = $1 AND c.direction = 'inbound' AND ($4::text IS NULL OR coalesce(c.owner_id, $4) = $4)
     AND (coalesce(c.started_at, c.created_at) AT TIME ZONE (SELECT timezone FROM companies WHERE id = $1))::date BETWEEN $2::date AND $3::date),
q AS (SELECT i.*, coalesce(quality IN ('hot', 'warm', 'cold'), false) AS qualified FROM i),
p AS (SELECT a.* FROM appointments a WHERE a.company_id = $1 AND (a.scheduled_start AT TIME ZONE (SELECT timezone FROM companies WHERE id = $1))::date BETWEEN $2::date AND $3::date),
k AS (SELECT t.*, t.status IN ('open', 'overdue') AS todo, t.status = 'overdue' OR (t.status = 'open' AND t.due_at < now()) AS late FROM tasks t WHERE t.company_id = $1)
)sql";

/// A database with those rows, and the service's way to it.
struct World : testkit::Database {
    mutable pg::Pool pool{service_url(), "test", 2};
    Nouns nouns;

    World() : Database("otto_query_service") { owner.execute(kRows); }
    static World& shared() {
        static World world;
        return world;
    }

    http::Response ask(Read read, const std::string& query, const std::string& company, const std::string& user,
                       identity::Role role) const {
        http::Request request;
        request.query = query;
        request.received_at = system_clock().now();
        request.path_params = {{"rep_id", "user_rep1"}};
        identity::Principal who;
        who.user = UserId{user};
        who.company = CompanyId{company};
        who.role = role;
        api::Context context(request, who, pool);
        return read(nouns, context);
    }
    JsonDocument data(Read read, const std::string& query, const std::string& company = "org_a",
                      const std::string& user = "user_csr1", identity::Role role = identity::Role::manager) const {
        return JsonDocument::parse(JsonDocument::parse(ask(read, query, company, user, role).body).value().root()["data"].dump())
            .value();
    }
    /// What plain SQL says; `of` selects columns named like the figures.
    void same(const JsonView& figures, const std::string& of, std::vector<std::string> names, const std::string& company,
              const std::string& from, const std::string& to, pg::Param own = nullptr) {
        // A prepared statement is known by the places of its name and text, so both stay.
        static std::map<std::string, std::string> statements;
        auto& [text, statement] =
            *statements.try_emplace(std::string(kPlain) + of, "plain" + std::to_string(statements.size())).first;
        auto tx = owner.begin(pg::Scope::none());
        std::size_t rows = 0;
        tx.each({statement, text}, {company, from, to, own}, [&](const pg::Fields& f) {
            ++rows;
            for (const auto& figure : names) {
                INFO(company << " " << from << " " << to << " " << figure << ": " << figures[figure].dump()
                             << ", plain: " << f.text(figure));
                REQUIRE(figures[figure].exists());
                if (f.is_null(figure))
                    CHECK(figures[figure].is_null());
                else if (figures[figure].is_number())
                    CHECK(figures[figure].number().value() == Approx(f.number(figure)).epsilon(1e-9));
                else
                    CHECK(figures[figure].string().value_or("") == f.text(figure));
            }
        });
        CHECK(rows == 1);
    }
    std::string day(int ago, const std::string& company = "org_a") {
        struct Day {
            std::string day;
            static Day from(const pg::Fields& f) { return {f.text("day")}; }
        };
        auto tx = owner.begin(pg::Scope::none());
        return tx
            .one<Day>({"day", "SELECT ((now() AT TIME ZONE timezone)::date - $2::int)::text AS day FROM companies WHERE id = $1"},
                      {company, ago})
            .day;
    }
};

}  // namespace

TEST_CASE("the CSR overview is what plain SQL counts", "[integration]") {
    auto& w = World::shared();
    const std::string plain = R"sql(
SELECT count(*) AS total_calls, count(*) FILTER (WHERE answered) AS answered_calls, count(*) FILTER (WHERE missed_call) AS missed_calls, count(*) FILTER (WHERE analysed) AS analysed_calls,
       count(*) FILTER (WHERE qualified) AS qualified_calls, count(*) FILTER (WHERE qualified)::float8 / nullif(count(*), 0) AS qualified_rate, count(*) FILTER (WHERE qualified AND booking = 'booked') AS booked_calls,
       count(*) FILTER (WHERE qualified AND booking = 'booked')::float8 / nullif(count(*) FILTER (WHERE qualified), 0) AS booking_rate, count(*) FILTER (WHERE qualified AND booking = 'service_not_offered') AS service_not_offered_calls,
       count(*) FILTER (WHERE qualified AND booking = 'service_not_offered')::float8 / nullif(count(*) FILTER (WHERE qualified), 0) AS service_not_offered_rate,
       sum(jsonb_array_length(objections)) FILTER (WHERE qualified)::float8 / nullif(count(*) FILTER (WHERE qualified), 0) AS avg_objections_per_qualified_call,
       count(*) FILTER (WHERE qualified AND booking = 'not_booked') AS qualified_but_unbooked_calls, avg(sop_compliance_score) AS avg_compliance_score,
       (SELECT count(*) FROM k WHERE todo AND assigned_to = 'csr' AND ($4::text IS NULL OR coalesce(assignee_id, $4) = $4)) AS open_followups,
       (SELECT count(*) FROM k WHERE late AND assigned_to = 'csr' AND ($4::text IS NULL OR coalesce(assignee_id, $4) = $4)) AS overdue_followups,
       (SELECT count(*) FROM leads WHERE company_id = $1 AND status IN ('qualified_unbooked', 'warm', 'hot')) AS pending_leads_count,
       (SELECT o ->> 'label' FROM q, jsonb_array_elements(objections) o WHERE qualified AND booking = 'not_booked' GROUP BY o ->> 'key', o ->> 'label' ORDER BY count(*) DESC, o ->> 'key' LIMIT 1)
         AS top_reason_for_missed_bookings
  FROM q)sql";
    const std::vector<std::string> names{"total_calls",
                                         "answered_calls",
                                         "missed_calls",
                                         "analysed_calls",
                                         "qualified_calls",
                                         "qualified_rate",
                                         "booked_calls",
                                         "booking_rate",
                                         "service_not_offered_calls",
                                         "service_not_offered_rate",
                                         "avg_objections_per_qualified_call",
                                         "qualified_but_unbooked_calls",
                                         "avg_compliance_score",
                                         "open_followups",
                                         "overdue_followups",
                                         "pending_leads_count",
                                         "top_reason_for_missed_bookings"};
    for (const std::string company : {"org_a", "org_b"})
        for (auto [from, to] : {std::pair(29, 0), std::pair(80, 40), std::pair(3, 3), std::pair(200, 190)}) {
            auto since = w.day(from, company), until = w.day(to, company);
            auto query = "date_from=" + since + "&date_to=" + until;
            w.same(w.data(reading<&CsrFigures::overview>, query, company).root(), plain, names, company, since, until);
            w.same(w.data(reading<&CsrFigures::overview_self>, query, company).root(), plain, names, company, since, until,
                   "user_csr1");
        }
    auto usual = w.data(reading<&CsrFigures::overview>, "");
    CHECK(usual.root()["date_from"].string() == w.day(29));
    CHECK(usual.root()["date_to"].string() == w.day(0));
    w.same(usual.root(), plain, names, "org_a", w.day(29), w.day(0));
    CHECK(usual.root()["total_calls"].integer().value() > 100);
    auto past = w.data(reading<&CsrFigures::overview>, "date_to=" + w.day(50));
    CHECK(past.root()["date_from"].string() == w.day(79));
}

TEST_CASE("what an executive sees is what plain SQL counts", "[integration]") {
    auto& w = World::shared();
    for (auto [from, to] : {std::pair(29, 0), std::pair(70, 35), std::pair(300, 290)}) {
        auto since = w.day(from), until = w.day(to);
        auto query = "date_from=" + since + "&date_to=" + until;
        w.same(w.data(reading<&ExecFigures::csr>, query).root(), R"sql(
SELECT count(*) AS total_calls, count(*) FILTER (WHERE qualified) AS qualified_calls, count(*) FILTER (WHERE qualified)::float8 / nullif(count(*), 0) AS qualified_rate, count(*) FILTER (WHERE qualified AND booking = 'booked') AS booked_calls,
       count(*) FILTER (WHERE qualified AND booking = 'booked')::float8 / nullif(count(*) FILTER (WHERE qualified), 0) AS booking_rate, sum(jsonb_array_length(objections))::float8 / nullif(count(*) FILTER (WHERE analysed), 0) AS avg_objections_per_call,
       avg(sop_compliance_score) AS avg_compliance_score, avg(sentiment_score) AS avg_sentiment_score, (SELECT count(*) FROM k WHERE todo) AS open_followups, (SELECT count(*) FROM k WHERE late) AS overdue_followups FROM q)sql",
               {"total_calls", "qualified_calls", "qualified_rate", "booked_calls", "booking_rate", "avg_objections_per_call",
                "avg_compliance_score", "avg_sentiment_score", "open_followups", "overdue_followups"},
               "org_a", since, until);
        const std::string counts = R"sql(
SELECT count(*) AS total_appointments, count(*) FILTER (WHERE status = 'completed') AS completed_appointments, count(*) FILTER (WHERE outcome = 'won') AS won_appointments, count(*) FILTER (WHERE outcome = 'lost') AS lost_appointments,
       count(*) FILTER (WHERE outcome = 'pending' AND status NOT IN ('cancelled', 'no_show')) AS pending_appointments, count(*) FILTER (WHERE outcome = 'won' AND status = 'completed')::float8 / nullif(count(*) FILTER (WHERE status = 'completed'), 0) AS team_win_rate
  FROM p)sql";
        const std::vector<std::string> names{"total_appointments", "completed_appointments", "won_appointments",
                                             "lost_appointments",  "pending_appointments",   "team_win_rate"};
        w.same(w.data(reading<&ExecFigures::sales>, query).root(), counts, names, "org_a", since, until);
        auto team = w.data(reading<&SalesFigures::team>, query);
        w.same(team.root(), counts, names, "org_a", since, until);
        std::set<std::string> reps;
        for (std::size_t i = 0; i < team.root()["reps"].size(); ++i) {
            auto rep = team.root()["reps"].at(i);
            reps.emplace(*rep["rep_id"].string());
            w.same(rep,
                   "SELECT count(*) AS total_appointments, count(*) FILTER (WHERE status = 'completed') AS "
                   "completed_appointments, count(*) FILTER (WHERE outcome = 'won') AS won_appointments, "
                   "count(*) FILTER (WHERE outcome = 'won' AND status = 'completed')::float8 / nullif(count(*) FILTER (WHERE "
                   "status = 'completed'), 0) AS win_rate FROM p WHERE assigned_rep_id = $4",
                   {"total_appointments", "completed_appointments", "won_appointments", "win_rate"}, "org_a", since, until,
                   std::string(*rep["rep_id"].string()));
        }
        CHECK(reps.contains("user_rep3"));  // has none yet
        w.same(w.data(reading<&ExecFigures::company>, query).root(), R"sql(
SELECT (SELECT count(*) FROM leads l WHERE l.company_id = $1 AND (l.created_at AT TIME ZONE 'America/Phoenix')::date BETWEEN $2::date AND $3::date) AS total_leads,
       (SELECT count(*) FROM leads l WHERE l.company_id = $1 AND (l.created_at AT TIME ZONE 'America/Phoenix')::date BETWEEN $2::date AND $3::date AND l.last_qualified_at IS NOT NULL) AS qualified_leads,
       count(*) AS total_appointments, count(*) FILTER (WHERE outcome = 'won') AS total_closed_deals, coalesce(sum(deal_size_cents) FILTER (WHERE outcome = 'won'), 0) AS sales_output_amount,
       count(*) FILTER (WHERE outcome = 'won')::float8 / nullif(count(*), 0) AS close_rate, count(*) FILTER (WHERE outcome = 'lost')::float8 / nullif(count(*), 0) AS lost_rate FROM p)sql",
               {"total_leads", "qualified_leads", "total_appointments", "total_closed_deals", "sales_output_amount", "close_rate",
                "lost_rate"},
               "org_a", since, until);
    }
    auto all = w.data(reading<&ExecFigures::company>, "date_from=" + w.day(90)),
         none = w.data(reading<&ExecFigures::company>, "", "org_empty");
    w.same(all.root()["who_dropping_ball"],
           "SELECT owner_id AS worst_csr_id, initcap(replace(owner_id, 'user_', '')) AS worst_csr_name, count(*) FILTER (WHERE "
           "qualified AND booking = 'booked')::float8 / count(*) FILTER (WHERE qualified) AS worst_csr_booking_rate FROM q "
           "WHERE owner_id IS NOT NULL GROUP BY owner_id ORDER BY 3 LIMIT 1",
           {"worst_csr_id", "worst_csr_name", "worst_csr_booking_rate"}, "org_a", w.day(90), w.day(0));
    w.same(all.root()["who_dropping_ball"],
           "SELECT assigned_rep_id AS worst_rep_id, count(*) FILTER (WHERE outcome = 'won' AND status = 'completed')::float8 / "
           "count(*) FILTER (WHERE status = 'completed') AS worst_rep_win_rate FROM p WHERE assigned_rep_id IS NOT NULL GROUP BY "
           "1 ORDER BY 2 LIMIT 1",
           {"worst_rep_id", "worst_rep_win_rate"}, "org_a", w.day(90), w.day(0));
    CHECK(none.root()["who_dropping_ball"]["worst_csr_id"].is_null());
    CHECK(none.root()["total_leads"].integer() == 0);
    CHECK(none.root()["close_rate"].is_null());
}

TEST_CASE("a rep's figures are of own appointments and of the tasks of the rep's own list", "[integration]") {
    auto& w = World::shared();
    const std::string plain = R"sql(
SELECT count(*) AS total_appointments, count(*) FILTER (WHERE status = 'completed') AS completed_appointments, count(*) FILTER (WHERE outcome = 'won') AS won_appointments,
       (SELECT count(*) FROM k LEFT JOIN leads l ON l.id = k.lead_id WHERE todo AND (assignee_id = $4 OR l.assigned_rep_id = $4)) AS open_followups,
       (SELECT count(*) FROM k LEFT JOIN leads l ON l.id = k.lead_id WHERE late AND (assignee_id = $4 OR l.assigned_rep_id = $4)) AS overdue_followups
  FROM p WHERE assigned_rep_id = $4)sql";
    const std::vector<std::string> names{"total_appointments", "completed_appointments", "won_appointments", "open_followups",
                                         "overdue_followups"};
    auto since = w.day(60), until = w.day(10);
    auto query = "date_from=" + since + "&date_to=" + until;
    w.same(w.data(reading<&SalesFigures::rep_self>, query, "org_a", "user_rep1", identity::Role::sales_rep).root(), plain, names,
           "org_a", since, until, "user_rep1");
    w.same(w.data(reading<&SalesFigures::rep>, query).root(), plain, names, "org_a", since, until, "user_rep1");
    auto status = [&](const std::string& company, const std::string& user, identity::Role role) {
        try {
            return w.ask(reading<&SalesFigures::rep>, "", company, user, role).status;
        } catch (const api::Refusal& r) {
            return r.problem.status;
        }
    };
    CHECK(status("org_a", "user_rep1", identity::Role::sales_rep) == 200);
    CHECK(status("org_a", "user_rep2", identity::Role::sales_rep) == 404);  // another rep's
    CHECK(status("org_empty", "user_m", identity::Role::manager) == 404);   // another company's
}

TEST_CASE("objections are counted by key, each time that one was raised", "[integration]") {
    auto& w = World::shared();
    auto since = w.day(75), until = w.day(5);
    auto top = w.data(reading<&CsrFigures::top_objections>, "limit=3&date_from=" + since + "&date_to=" + until);
    REQUIRE(top.root()["top_objections"].size() == 3);
    for (std::size_t i = 0; i < 3; ++i)
        w.same(top.root()["top_objections"].at(i),
               "SELECT o ->> 'key' AS objection_key, max(o ->> 'label') AS label, count(*) AS occurrence_count, count(DISTINCT "
               "call_id)::float8 / (SELECT count(*) FROM q WHERE analysed) AS occurrence_rate FROM q, "
               "jsonb_array_elements(objections) o "
               "GROUP BY 1 ORDER BY 3 DESC, 1 OFFSET " +
                   std::to_string(i) + " LIMIT 1",
               {"objection_key", "label", "occurrence_count", "occurrence_rate"}, "org_a", since, until);
    w.same(top.root(), "SELECT count(*) AS total_calls_considered FROM q WHERE analysed", {"total_calls_considered"}, "org_a",
           since, until);
    auto none = w.data(reading<&CsrFigures::top_objections>, "", "org_empty");
    CHECK(none.root()["top_objections"].size() == 0);
    CHECK(none.root()["total_calls_considered"].integer() == 0);
}

TEST_CASE("the booking trend cuts the window into periods and each is what plain SQL counts", "[integration]") {
    auto& w = World::shared();
    const std::string plain =
        "SELECT count(DISTINCT lead_id) AS total_leads, count(DISTINCT lead_id) FILTER (WHERE qualified) AS qualified_leads, "
        "count(*) FILTER (WHERE qualified AND booking = 'booked') AS booked_appointments, count(*) AS total_calls, "
        "count(*) FILTER (WHERE qualified) AS qualified_calls, count(*) FILTER (WHERE qualified AND booking = 'booked')::float8 "
        "/ nullif(count(*) FILTER (WHERE qualified), 0) AS booking_rate FROM q";
    for (const std::string by : {"day", "week", "month"})
        for (const std::string company : {"org_a", "org_b"}) {
            auto since = w.day(47, company), until = w.day(2, company);
            auto trend = w.data(reading<&CsrFigures::booking_trend>,
                                "granularity=" + by + "&date_from=" + since + "&date_to=" + until, company);
            auto points = trend.root()["points"];
            REQUIRE(points.size() >= 2);
            CHECK(points.at(0)["period_start"].string() == since);
            CHECK(points.at(points.size() - 1)["period_end"].string() == until);
            if (by == "day") CHECK(points.size() == 46);
            for (std::size_t i = 0; i < points.size(); ++i) {
                auto p = points.at(i);
                std::string from(*p["period_start"].string()), to(*p["period_end"].string());
                if (i > 0) CHECK(std::string(*points.at(i - 1)["period_end"].string()) < from);
                w.same(
                    p, plain,
                    {"total_leads", "qualified_leads", "booked_appointments", "total_calls", "qualified_calls", "booking_rate"},
                    company, from, to);
            }
        }
    auto since = w.day(29), until = w.day(0);
    auto self = w.data(reading<&CsrFigures::booking_trend_self>, "");
    w.same(self.root()["summary"],
           "SELECT count(DISTINCT lead_id) AS total_leads, count(DISTINCT lead_id) FILTER (WHERE qualified) AS "
           "total_qualified_leads, count(*) FILTER (WHERE qualified AND booking = 'booked') AS total_booked_calls, "
           "count(*) FILTER (WHERE qualified AND booking = 'booked')::float8 / nullif(count(*) FILTER (WHERE qualified), 0) AS "
           "current_booking_rate FROM q",
           {"total_leads", "total_qualified_leads", "total_booked_calls", "current_booking_rate"}, "org_a", since, until,
           "user_csr1");
    CHECK(self.root()["booking_rate_trend"].size() == 30);
    CHECK(self.root()["booking_rate_trend"].at(0)["timestamp"].string() == since + "T07:00:00Z");  // midnight in Phoenix
}

TEST_CASE("the list of unbooked calls has as many as the figure says, page by page", "[integration]") {
    auto& w = World::shared();
    auto window = "date_from=" + w.day(60) + "&date_to=" + w.day(1);
    auto figure = w.data(reading<&CsrFigures::overview>, window).root()["qualified_but_unbooked_calls"].integer().value();
    REQUIRE(figure > 20);
    std::set<std::int64_t> seen;
    std::string cursor;
    do {
        auto page =
            w.data(reading<&CsrFigures::unbooked_calls>, window + "&limit=7" + (cursor.empty() ? "" : "&cursor=" + cursor));
        CHECK(page.root()["total"].integer() == figure);
        for (std::size_t i = 0; i < page.root()["items"].size(); ++i)
            CHECK(seen.insert(page.root()["items"].at(i)["call_id"].integer().value()).second);
        cursor = page.root()["next_cursor"].string().value_or("");
    } while (!cursor.empty());
    CHECK(static_cast<std::int64_t>(seen.size()) == figure);
}

TEST_CASE("missed calls and what became of their leads", "[integration]") {
    auto& w = World::shared();
    auto since = w.day(70), until = w.day(0);
    auto data = w.data(reading<&CsrFigures::missed_call_recovery>, "limit=5&date_from=" + since);
    auto of = [](const std::string& state) {
        return "(SELECT count(DISTINCT l.id) FROM q m JOIN leads l ON l.id = m.lead_id WHERE m.missed_call AND " + state + ")";
    };
    const std::string booked = "l.status IN ('qualified_booked', 'closed_won')",
                      dead = "l.status IN ('closed_lost', 'abandoned')";
    w.same(
        data.root()["metrics"],
        "SELECT count(*) FILTER (WHERE q.missed_call) AS missed_calls_count, count(*) FILTER (WHERE q.missed_call AND (SELECT " +
            booked + " FROM leads l WHERE l.id = q.lead_id)) AS saved_calls_count, " + of(booked) + " AS booked_leads_count, " +
            of(dead) + " AS dead_leads_count, " + of("NOT (" + booked + ") AND NOT (" + dead + ")") +
            " AS pending_leads_count FROM q",
        {"missed_calls_count", "saved_calls_count", "booked_leads_count", "dead_leads_count", "pending_leads_count"}, "org_a",
        since, until);
    for (const std::string state : {"booked", "pending", "dead"}) {
        auto leads = data.root()[state + "_leads"];
        REQUIRE(leads.size() == 5);
        for (std::size_t i = 0; i < leads.size(); ++i) CHECK(leads.at(i)["status"].string() == state);
        w.same(leads.at(0),
               "SELECT max(coalesce(q.started_at, q.created_at)) AS at, q.lead_id, count(*) AS missed_calls, (SELECT count(*) "
               "FROM calls o WHERE o.lead_id = q.lead_id AND o.direction = 'outbound' AND coalesce(o.started_at, o.created_at) > "
               "max(coalesce(q.started_at, q.created_at))) AS attempts_count FROM q JOIN leads l ON l.id = q.lead_id WHERE "
               "q.missed_call AND " +
                   (state == "booked" ? booked
                    : state == "dead" ? dead
                                      : "NOT (" + booked + ") AND NOT (" + dead + ")") +
                   " GROUP BY q.lead_id ORDER BY 1 DESC LIMIT 1",
               {"lead_id", "missed_calls", "attempts_count"}, "org_a", since, until);
    }
}

TEST_CASE("a rate is a part of a whole, whatever people correct", "[integration]") {
    auto& w = World::shared();
    for (int round = 0; round < 4; ++round) {
        w.owner.execute(R"sql(
INSERT INTO analysis_corrections (company_id, call_id, field, value, user_id)
SELECT company_id, call_id, f, CASE f WHEN 'booking_status' THEN (ARRAY['booked', 'booked', 'service_not_offered', NULL])[1 + floor(random() * 4)::int] ELSE (ARRAY['hot', 'unqualified', 'unqualified', NULL])[1 + floor(random() * 4)::int] END, 'user_m'
  FROM call_analyses, unnest(ARRAY['booking_status', 'lead_quality']) f WHERE random() < 0.4;
UPDATE appointments SET outcome = 'won', status = (ARRAY['scheduled', 'cancelled', 'completed'])[1 + floor(random() * 3)::int] WHERE random() < 0.3;
)sql");
        int rates = 0, nothing = 0;
        for (const auto& path : kFigurePaths)
            for (const std::string company : {"org_a", "org_b", "org_empty"})
                for (auto [from, to] : {std::pair(90, 0), std::pair(3, 3), std::pair(20, 14)}) {
                    if (company == "org_empty" && path.read == reading<&SalesFigures::rep>) continue;
                    auto data =
                        w.data(path.read, "date_from=" + w.day(from) + "&date_to=" + w.day(to), company, path.user, path.role);
                    members(data.root(), [&](std::string_view name, const JsonView& value) {
                        if (!is_rate(name)) return;
                        INFO(path.path << " of " << company << ": " << name << " " << value.dump());
                        if (value.is_null())
                            ++nothing;
                        else
                            CHECK((value.number().value() >= 0 && value.number().value() <= 1));
                        ++rates;
                    });
                }
        CHECK(rates - nothing > 300);
    }
}

TEST_CASE("a booked call that a person called unqualified is no part of the booking rate", "[integration]") {
    auto& w = World::shared();
    w.owner.execute(R"sql(
INSERT INTO companies (id, name, timezone) VALUES ('org_two', 'T', 'Atlantic/Reykjavik');
INSERT INTO contact_cards (company_id, id) VALUES ('org_two', md5('two')::uuid);
INSERT INTO leads (company_id, id, contact_card_id) VALUES ('org_two', md5('two')::uuid, md5('two')::uuid);
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state)
SELECT 'org_two', 90000 + n, 'callrail', n::text, 'inbound', 'completed', false, true, md5('two')::uuid, md5('two')::uuid, now(), '' FROM generate_series(1, 2) n;
INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, raw, received_at) SELECT company_id, call_id, 'booked', 'hot', '{}', now() FROM calls WHERE company_id = 'org_two';
INSERT INTO analysis_corrections (company_id, call_id, field, value, user_id) VALUES ('org_two', 90001, 'lead_quality', 'unqualified', 'user_m');
)sql");
    for (auto read : {reading<&CsrFigures::overview>, reading<&ExecFigures::csr>}) {
        auto data = w.data(read, "", "org_two");
        CHECK(data.root()["qualified_calls"].integer() == 1);
        CHECK(data.root()["booked_calls"].integer() == 1);
        CHECK(data.root()["booking_rate"].number() == Approx(1));
    }
}

TEST_CASE("each figure is the total of the list that the contract names for it", "[integration]") {
    auto& w = World::shared();
    int compared = 0, more_than_none = 0;
    for (auto [from, to] : {std::pair(29, 0), std::pair(80, 40)}) {
        auto since = w.day(from), until = w.day(to);
        for (const auto& f : listed_figures()) {
            auto data = w.data(f.path->read, "date_from=" + since + "&date_to=" + until, "org_a", f.path->user, f.path->role);
            http::Request request;
            request.query = of_days(f.query, since, until);
            request.received_at = system_clock().now();
            identity::Principal who;
            who.user = UserId{f.as_rep ? "user_rep1" : "user_m"};
            who.company = CompanyId{"org_a"};
            who.role = f.as_rep ? identity::Role::sales_rep : identity::Role::manager;
            api::Context context(request, who, w.pool);
            INFO(f.path->path << " " << f.figure << ": " << request.query);
            auto total =
                JsonDocument::parse(kListReads.at(f.list)(w.nouns, context).body).value().root()["data"]["total"].integer();
            CHECK(data.root()[f.figure].integer() == total);
            ++compared;
            more_than_none += total > 0;
        }
    }
    CHECK(compared > 70);
    CHECK(more_than_none > 60);
}

TEST_CASE("figures of a window without calls say why, and what to do", "[integration]") {
    auto& w = World::shared();
    auto note = [&](Read read, const std::string& query, const std::string& company,
                    identity::Role role = identity::Role::manager) {
        auto data = w.data(read, query, company, "user_csr1", role);
        REQUIRE(data.root()["note"].exists());
        return std::string(data.root()["note"].string().value_or(""));
    };
    w.owner.execute(R"sql(
INSERT INTO companies (id, name, timezone) VALUES ('org_fresh', 'F', 'Atlantic/Reykjavik') ON CONFLICT DO NOTHING;
INSERT INTO contact_cards (company_id, id) VALUES ('org_fresh', md5('f')::uuid);
INSERT INTO leads (company_id, id, contact_card_id) VALUES ('org_fresh', md5('f')::uuid, md5('f')::uuid);
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state) VALUES ('org_fresh', 91000, 'callrail', '1', 'inbound', 'completed', false, true, md5('f')::uuid, md5('f')::uuid, now(), '');
)sql");
    for (auto read :
         {reading<&CsrFigures::overview>, reading<&CsrFigures::overview_self>, reading<&ExecFigures::csr>,
          reading<&CsrFigures::booking_trend>, reading<&CsrFigures::booking_trend_self>, reading<&CsrFigures::top_objections>,
          reading<&CsrFigures::unbooked_calls>, reading<&CsrFigures::missed_call_recovery>}) {
        CHECK(note(read, "", "org_a").empty());
        CHECK(note(read, "", "org_empty").find("webhook URLs") != std::string::npos);
        CHECK(note(read, "date_to=2020-01-31", "org_a").find("there are calls from ") != std::string::npos);
        CHECK((note(read, "", "org_fresh").find("analysis_state") != std::string::npos) ==
              (read != reading<&CsrFigures::missed_call_recovery>));
    }
    for (auto read : {reading<&ExecFigures::sales>, reading<&SalesFigures::team>, reading<&SalesFigures::rep_self>}) {
        CHECK(note(read, "", "org_empty").find("when a call is booked") != std::string::npos);
        CHECK((note(read, "date_to=2020-01-31", "org_a").find("ask with a date_from") != std::string::npos ||
               read == reading<&SalesFigures::rep_self>));
    }
    CHECK(note(reading<&ExecFigures::sales>, "", "org_a").empty());
    CHECK(note(reading<&ExecFigures::company>, "", "org_empty").find("webhook URLs") != std::string::npos);
    // And a zone that is none is UTC.
    w.owner.execute(
        "SET session_replication_role = replica; UPDATE companies SET timezone = 'Nowhere/Bad' WHERE id = 'org_fresh'; SET "
        "session_replication_role = origin");
    CHECK(w.data(reading<&CsrFigures::overview>, "", "org_fresh").root()["total_calls"].integer() == 1);
    CHECK(w.data(reading<&CsrFigures::unbooked_calls>, "date_from=2026-01-01", "org_fresh").root()["total"].integer() == 0);
}

TEST_CASE("an empty company has zeros, and rates that nothing is divided by are null", "[integration]") {
    auto& w = World::shared();
    for (auto read : {reading<&CsrFigures::overview>, reading<&CsrFigures::overview_self>, reading<&ExecFigures::csr>}) {
        auto data = w.data(read, "", "org_empty");
        CHECK(data.root()["total_calls"].integer() == 0);
        CHECK(data.root()["qualified_rate"].is_null());
        CHECK(data.root()["booking_rate"].is_null());
        CHECK(data.root()["avg_compliance_score"].is_null());
    }
    auto unknown = w.data(reading<&CsrFigures::missed_call_recovery>, "", "org_nobody");
    CHECK(unknown.root()["metrics"]["missed_calls_count"].integer() == 0);
    CHECK(unknown.root()["pending_leads"].size() == 0);
}

TEST_CASE("what a figure does not take is 422 and names it", "[integration]") {
    auto& w = World::shared();
    auto refused = [&](Read read, const std::string& query) -> std::string {
        try {
            w.ask(read, query, "org_a", "user_m", identity::Role::manager);
            return "";
        } catch (const api::Refusal& r) {
            CHECK(r.problem.status == 422);
            return r.problem.fields.at(0).first;
        }
    };
    CHECK(refused(reading<&CsrFigures::overview>, "date_from=2026-02-30") == "date_from");
    CHECK(refused(reading<&CsrFigures::overview>, "date_from=2026-03-02&date_to=2026-03-01") == "date_from");
    CHECK(refused(reading<&CsrFigures::overview>, "date_from=9999-01-01") == "date_from");
    CHECK(refused(reading<&CsrFigures::overview>, "limit=5") == "limit");
    CHECK(refused(reading<&ExecFigures::sales>, "rep_id=x") == "rep_id");
    CHECK(refused(reading<&CsrFigures::booking_trend>, "granularity=hour") == "granularity");
    CHECK(refused(reading<&CsrFigures::booking_trend>, "granularity=day&date_from=2001-01-01&date_to=2026-01-01") ==
          "granularity");
    CHECK(refused(reading<&CsrFigures::booking_trend>, "granularity=month&date_from=1971-01-01&date_to=2190-01-01") ==
          "date_from");
    CHECK(refused(reading<&CsrFigures::top_objections>, "limit=0") == "limit");
    CHECK(refused(reading<&CsrFigures::unbooked_calls>, "sort=created_at") == "sort");
    CHECK(refused(reading<&CsrFigures::overview>, "date_from=1971-01-01&date_to=2190-12-31") == "");
}

TEST_CASE("what a missed call came to follows its lead, and its lead's change follows its calls", "[integration]") {
    auto& w = World::shared();
    pg::Connection writer(w.as("otto_lead_pipeline"), "test");
    auto states = [&](const char* text) {
        auto tx = writer.begin(pg::Scope::companies({CompanyId{"org_c"}}));
        tx.write({text, text});
        struct States {
            std::string all;
            static States from(const pg::Fields& f) { return {f.text("all")}; }
        };
        auto now = tx.one<States>({"states",
                                   "SELECT coalesce(string_agg(call_id || ':' || lead_state, ' ' ORDER BY call_id), '') AS all "
                                   "FROM call_facts WHERE company_id = 'org_c'"})
                       .all;
        tx.commit();
        return now;
    };
    states("INSERT INTO contact_cards (company_id, id) SELECT 'org_c', md5('c' || n)::uuid FROM generate_series(1, 2) n");
    states(
        "INSERT INTO leads (company_id, id, contact_card_id, status) SELECT 'org_c', id, id, 'qualified_booked' FROM "
        "contact_cards WHERE company_id = 'org_c' AND id = md5('c1')::uuid "
        "UNION ALL SELECT 'org_c', id, id, 'new' FROM contact_cards WHERE company_id = 'org_c' AND id = md5('c2')::uuid");
    CHECK(states("INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
                 "contact_card_id, lead_id, received_at, merge_state) "
                 "SELECT 'org_c', 20000 + n, 'callrail', n::text, 'inbound', 'completed', n <> 2, n = 2, md5('c' || CASE WHEN n "
                 "< 4 THEN 1 ELSE 2 END)::uuid, "
                 "md5('c' || CASE WHEN n < 4 THEN 1 ELSE 2 END)::uuid, now(), '' FROM generate_series(1, 4) n") ==
          "20001:1 20002:0 20003:1 20004:0");
    CHECK(states("UPDATE calls SET missed_call = NOT missed_call WHERE company_id = 'org_c' AND call_id IN (20002, 20003)") ==
          "20001:1 20002:1 20003:0 20004:0");
    CHECK(states("UPDATE leads SET status = 'closed_lost' WHERE company_id = 'org_c' AND id = md5('c1')::uuid") ==
          "20001:2 20002:2 20003:0 20004:0");
    CHECK(states("UPDATE calls SET lead_id = md5('c1')::uuid WHERE company_id = 'org_c' AND call_id = 20004") ==
          "20001:2 20002:2 20003:0 20004:2");
    CHECK(states("UPDATE leads SET status = 'nurturing' WHERE company_id = 'org_c' AND id = md5('c1')::uuid") ==
          "20001:0 20002:0 20003:0 20004:0");
    CHECK(states("UPDATE leads SET status = 'closed_won' WHERE company_id = 'org_c'") == "20001:1 20002:1 20003:0 20004:1");
}

TEST_CASE("facts made anew are the facts that were kept", "[integration]") {
    auto& w = World::shared();
    auto tx = w.owner.begin(pg::Scope::none());
    tx.write({"kept", "CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM call_facts"});
    tx.write({"anew", "SELECT call_facts_rebuild()"});
    struct Differences {
        std::int64_t rows, differ;
        static Differences from(const pg::Fields& f) { return {f.integer("rows"), f.integer("differ")}; }
    };
    auto d = tx.one<Differences>({"differ",
                                  "SELECT (SELECT count(*) FROM kept) AS rows, (SELECT count(*) FROM (TABLE kept EXCEPT TABLE "
                                  "call_facts) x) + (SELECT count(*) FROM (TABLE call_facts EXCEPT TABLE kept) x) AS differ"});
    CHECK(d.rows > 1'700);
    CHECK(d.differ == 0);
}

TEST_CASE("figures of a company that statistics do not know group by hash, along one index", "[integration]") {
    auto& w = World::shared();
    w.owner.execute("DELETE FROM pg_statistic WHERE starelid = 'call_facts'::regclass");
    pg::Connection db(w.service_url(), "test");
    auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
    tx.write({"by_hash", "SELECT set_config('enable_sort', 'off', true)"});
    pg::Params window{"org_a", w.day(29), w.day(0), "America/Phoenix"}, of_owner = window;
    of_owner.emplace_back("user_csr1");
    std::deque<std::string> kept;  // a prepared statement is known by the places of its name and text
    for (const auto& [query, params] : {std::pair(sql::call_figures_of_all, window), std::pair(sql::call_figures, of_owner)}) {
        const auto& name = kept.emplace_back("explained " + std::string(query.name));
        const auto& text = kept.emplace_back("EXPLAIN (COSTS OFF) " + std::string(query.text));
        std::string plan;
        tx.each({name, text}, params, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        INFO(plan);
        CHECK(plan.find("HashAggregate") != std::string::npos);
        CHECK(plan.find("call_facts_happened") != std::string::npos);
        CHECK(plan.find("Seq Scan") == std::string::npos);
    }
}

TEST_CASE("a range of days is found in the index, within row-level security", "[integration]") {
    auto& w = World::shared();
    pg::Connection db(w.service_url(), "test");
    auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
    int explained = 0;
    for (const auto& q : api::AnyList(sql::lists::Unbooked::text).all()) {
        if (!q.text.starts_with("SELECT count(*)") || q.text.find("f.happened_at >= $2") == std::string::npos ||
            q.text.find("$3") != std::string::npos)
            continue;
        std::string plan, text = "EXPLAIN (COSTS OFF) " + q.text;
        tx.each({"days", text}, {"org_a", system_clock().now()},
                [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        INFO(plan);
        CHECK(plan.find("Index Cond: ((company_id = 'org_a'::text) AND (happened_at >= ") != std::string::npos);
        ++explained;
    }
    CHECK(explained == 1);
}
