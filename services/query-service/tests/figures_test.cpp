// Figures of a thousand made-up companies, after corrections and late reports: each rate is a part of its whole, and each figure
// has as many rows behind it as it says.
#include <cmath>
#include <cstdlib>
#include <set>

#include "figures.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

/// 1,000 companies of up to 40 calls, each with its own habits and zone, around the days on which clocks are changed. Made in
/// parts, so that whatever comes later comes in any order.
constexpr const char* kSets = R"sql(
CREATE FUNCTION pick(anyarray) RETURNS anyelement LANGUAGE sql VOLATILE AS $$ SELECT $1[1 + floor(random() * array_length($1, 1))::int] $$;
CREATE TABLE sets AS
SELECT 'org_' || n AS c, n, floor(40 * random() * random())::int AS size, 1 + floor(random() * 6)::int AS people, random() AS inbound, random() AS analysed, random() AS completed, random() AS qualified,
       pick(ARRAY['America/Phoenix', 'America/Havana', 'Asia/Kathmandu', 'America/New_York', 'Asia/Beirut', 'Africa/Cairo', 'UTC']) AS zone, pick(ARRAY['2026-03-22', '2026-10-22'])::timestamptz AS base
  FROM generate_series(1, 1000) n;
SET session_replication_role = replica;  -- each zone would be looked for among all there are
INSERT INTO companies (id, name, timezone) SELECT c, c, zone FROM sets;
SET session_replication_role = origin;
INSERT INTO company_users (company_id, id, name, role) SELECT c, 'user_' || u, u, CASE WHEN u LIKE 'csr%' THEN 'csr' ELSE 'sales_rep' END FROM sets, unnest(ARRAY['csr1', 'csr2', 'rep1', 'rep2']) u;
INSERT INTO contact_cards (company_id, id, first_name) SELECT c, md5(c || p)::uuid, 'N' || p FROM sets, generate_series(1, people) p;
INSERT INTO leads (company_id, id, contact_card_id, status, assigned_rep_id, last_qualified_at, created_at)
SELECT k.company_id, k.id, k.id, pick(ARRAY['new', 'warm', 'hot', 'qualified_booked', 'qualified_unbooked', 'closed_won', 'closed_lost', 'abandoned', 'nurturing']), pick(ARRAY['user_rep1', 'user_rep2', NULL]),
       CASE WHEN random() < 0.5 THEN now() END, s.base + random() * interval '15 days' FROM contact_cards k JOIN sets s ON s.c = k.company_id;
)sql";

/// A round of what comes in later: new calls, reports of known ones, analyses before and after corrections, folds, visits, tasks.
constexpr const char* kLater = R"sql(
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, owner_id, received_at, merge_state, started_at, created_at)
SELECT s.c, nextval('call_id_seq'), 'callrail', md5(random()::text), CASE WHEN random() < s.inbound THEN 'inbound' ELSE 'outbound' END, x.status, x.status IN ('missed', 'voicemail', 'failed'), x.status = 'completed', x.card, x.card,
       pick(ARRAY['user_csr1', 'user_csr2', NULL]), now(), '', CASE WHEN random() < 0.8 THEN date_bin('15 minutes', s.base + random() * interval '15 days', '2026-01-01Z') END, s.base + random() * interval '15 days'
  FROM sets s CROSS JOIN LATERAL generate_series(1, s.size / 4) i
 CROSS JOIN LATERAL (SELECT CASE WHEN random() < s.completed THEN 'completed' ELSE pick(ARRAY['ringing', 'in_progress', 'missed', 'voicemail', 'failed']) END AS status, md5(s.c || 1 + floor(random() * s.people)::int + 0 * i)::uuid AS card) x;
UPDATE calls SET status = x.status, missed_call = x.status IN ('missed', 'voicemail', 'failed'), answered = x.status = 'completed', direction = CASE WHEN random() < 0.2 THEN pick(ARRAY['inbound', 'outbound']) ELSE direction END,
       started_at = CASE WHEN random() < 0.3 THEN date_bin('15 minutes', created_at + (random() - 0.5) * interval '5 days', '2026-01-01Z') ELSE started_at END, owner_id = pick(ARRAY['user_csr1', 'user_csr2', NULL])
  FROM (SELECT call_id AS id, pick(ARRAY['completed', 'completed', 'missed', 'voicemail', 'failed']) AS status FROM calls WHERE random() < 0.3) x WHERE call_id = x.id;
INSERT INTO analysis_corrections (company_id, call_id, field, value, user_id)
SELECT company_id, call_id, f, CASE f WHEN 'booking_status' THEN pick(ARRAY['booked', 'booked', 'not_booked', 'service_not_offered', NULL]) WHEN 'lead_quality' THEN pick(ARRAY['hot', 'unqualified', 'unqualified', NULL]) ELSE 'x' END, 'user_m'
  FROM calls, unnest(ARRAY['booking_status', 'lead_quality', 'summary']) f WHERE random() < 0.1;
INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, objections, sop_compliance_score, sentiment_score, raw, received_at)
SELECT k.company_id, k.call_id, pick(ARRAY['booked', 'not_booked', 'service_not_offered', 'perhaps', NULL]), CASE WHEN random() < s.qualified THEN pick(ARRAY['hot', 'warm', 'cold']) ELSE pick(ARRAY['unqualified', 'lukewarm', NULL]) END,
       pick(ARRAY['[]', '[{"key": "price", "label": "Price"}]', '[{"key": "price", "label": "Price"}, {"key": "price", "label": "Price"}, {"label": "Trust"}]', '[{}]', '{}'])::jsonb,
       CASE WHEN random() < 0.8 THEN 10 * random() END, CASE WHEN random() < 0.8 THEN random() END, '{}', now()
  FROM calls k JOIN sets s ON s.c = k.company_id WHERE random() < s.analysed
ON CONFLICT (company_id, call_id) DO UPDATE SET booking_status = excluded.booking_status, lead_quality = excluded.lead_quality, objections = excluded.objections, sop_compliance_score = excluded.sop_compliance_score;
UPDATE call_analyses a SET call_id = o.call_id FROM calls o WHERE o.company_id = a.company_id AND o.call_id = a.call_id + 1 AND random() < 0.2 AND NOT EXISTS (SELECT FROM call_analyses b WHERE b.company_id = o.company_id AND b.call_id = o.call_id);
UPDATE calls SET lead_id = x.card, contact_card_id = x.card FROM (SELECT call_id AS id, md5(s.c || 1 + floor(random() * s.people)::int)::uuid AS card FROM calls JOIN sets s ON s.c = company_id WHERE random() < 0.1) x WHERE call_id = x.id;
DELETE FROM call_analyses WHERE random() < 0.03;
DELETE FROM calls WHERE random() < 0.03;
UPDATE leads SET status = pick(ARRAY['new', 'warm', 'hot', 'qualified_booked', 'qualified_unbooked', 'closed_won', 'closed_lost', 'abandoned', 'dormant']), assigned_rep_id = pick(ARRAY['user_rep1', 'user_rep2', NULL]),
       last_qualified_at = CASE WHEN random() < 0.5 THEN now() END WHERE random() < 0.3;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, needs_time, assigned_rep_id, deal_size_cents)
SELECT x.c, gen_random_uuid(), l.id, l.contact_card_id, x.start, x.start IS NULL, pick(ARRAY['user_rep1', 'user_rep2', 'user_gone', NULL]), CASE WHEN random() < 0.7 THEN floor(random() * 1000000)::int END
  FROM leads l JOIN (SELECT s.c, CASE WHEN random() < 0.9 THEN date_bin('15 minutes', s.base + random() * interval '15 days', '2026-01-01Z') END AS start FROM sets s) x ON x.c = l.company_id WHERE random() < 0.4;
UPDATE appointments SET status = pick(ARRAY['scheduled', 'confirmed', 'completed', 'completed', 'cancelled', 'no_show']), outcome = pick(ARRAY['pending', 'won', 'won', 'lost', 'no_show', 'rescheduled']), assigned_rep_id = pick(ARRAY['user_rep1', 'user_rep2', NULL])
 WHERE random() < 0.6;
INSERT INTO tasks (company_id, id, description, assigned_to, assignee_id, due_at, contact_card_id, lead_id, unique_key)
SELECT company_id, gen_random_uuid(), 'Call back', pick(ARRAY['csr', 'rep', 'manager']), pick(ARRAY['user_csr1', 'user_rep1', NULL]), CASE WHEN random() < 0.8 THEN now() + (random() - 0.5) * interval '10 days' END, contact_card_id, id, md5(random()::text)
  FROM leads WHERE random() < 0.4;
UPDATE tasks SET status = pick(ARRAY['open', 'overdue', 'completed', 'cancelled']), assignee_id = pick(ARRAY['user_csr1', 'user_rep1', NULL]) WHERE random() < 0.4;
)sql";

struct Set {
    std::string company, since, until;
    static Set from(const pg::Fields& f) { return {f.text("c"), f.text("since"), f.text("until")}; }
};

/// The answers of one of the companies.
class Answers {
public:
    Answers(pg::Pool& pool, const Nouns& nouns, const Set& set) : pool_(pool), nouns_(nouns), set_(set) {}

    JsonDocument figures(const FigurePath& path) const {
        return ask("date_from=" + set_.since + "&date_to=" + set_.until, path.user, path.role,
                   [&](api::Context& c) { return path.read(nouns_, c); });
    }
    bool counted_too = false;
    /// How many rows a list has; as many are on its page.
    std::int64_t rows(const std::string& list, const std::string& query, bool as_rep = false) {
        auto [known, fresh] = rows_.try_emplace(list + "?" + query + (as_rep ? " of a rep" : ""));
        if (!fresh) return known->second;
        auto page = ask("limit=200" + (query.empty() ? "" : "&" + query), as_rep ? "user_rep1" : "user_m",
                        as_rep ? identity::Role::sales_rep : identity::Role::manager,
                        [&](api::Context& c) { return kListReads.at(list)(nouns_, c); });
        known->second = page.root()["total"].integer().value_or(-1);
        INFO(list << "?" << query);
        CHECK(static_cast<std::int64_t>(page.root()["items"].size()) == known->second);
        if (counted_too && known->second > 1) {  // of a page that is not all the total is counted
            auto first = ask("limit=1" + (query.empty() ? "" : "&" + query), as_rep ? "user_rep1" : "user_m",
                             as_rep ? identity::Role::sales_rep : identity::Role::manager,
                             [&](api::Context& c) { return kListReads.at(list)(nouns_, c); });
            CHECK(first.root()["total"].integer() == known->second);
        }
        return known->second;
    }
    std::int64_t calls(const std::string& more, const std::string& since, const std::string& until) {
        return rows("/api/v1/calls", "direction=inbound" + more + "&date_from=" + since + "&date_to=" + until);
    }
    std::int64_t calls(const std::string& more) { return calls(more, set_.since, set_.until); }

private:
    template <class F>
    JsonDocument ask(const std::string& query, const std::string& user, identity::Role role, F&& read) const {
        http::Request request;
        request.query = query;
        request.received_at = system_clock().now();
        request.path_params = {{"rep_id", "user_rep1"}};
        identity::Principal who;
        who.user = UserId{user};
        who.company = CompanyId{set_.company};
        who.role = role;
        api::Context context(request, who, pool_);
        return JsonDocument::parse(JsonDocument::parse(read(context).body).value().root()["data"].dump()).value();
    }
    pg::Pool& pool_;
    const Nouns& nouns_;
    const Set& set_;
    std::map<std::string, std::int64_t> rows_;
};

std::int64_t number(const JsonView& v, const char* name) {
    INFO(name);
    REQUIRE(v[name].integer());
    return *v[name].integer();
}
/// A rate is its part of its whole, which holds that part.
void part(const JsonView& v, const char* rate, std::int64_t of_it, std::int64_t whole) {
    INFO(rate << " " << v[rate].dump() << ": " << of_it << " of " << whole);
    CHECK(of_it <= whole);
    if (whole == 0)
        CHECK(v[rate].is_null());
    else
        CHECK(v[rate].number().value_or(-1) == Approx(static_cast<double>(of_it) / static_cast<double>(whole)));
}

}  // namespace

TEST_CASE(
    "of a thousand companies each rate is a part of its whole and each figure has its list, after corrections and late reports",
    "[integration]") {
    testkit::Database db("otto_query_service");
    auto& owner = db.owner;
    const char* asked = std::getenv("OTTO_TEST_SEED");
    const std::string seed = asked && *asked ? asked : "0.2026";
    INFO("OTTO_TEST_SEED=" << seed);
    owner.execute("SELECT setseed(" + seed + ")");
    owner.execute(kSets);
    for (int round = 0; round < 4; ++round) owner.execute(kLater);
    owner.execute("ANALYZE");
    pg::Pool pool(db.service_url(), "test", 2);
    Nouns nouns;
    std::vector<Set> sets;
    {
        auto tx = owner.begin(pg::Scope::none());
        sets = tx.many<Set>({"sets",
                             "SELECT c, d::text AS since, (d + floor(random() * 8)::int)::text AS until FROM (SELECT c, "
                             "base::date + floor(random() * 10)::int AS d FROM sets) s"});
    }
    REQUIRE(sets.size() == 1'000);
    {
        // What lists and figures are read from is what the rows say, in whichever order they came.
        auto tx = owner.begin(pg::Scope::none());
        tx.write({"kept", "CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM call_facts"});
        tx.write({"anew", "SELECT call_facts_rebuild()"});
        struct Differ {
            std::int64_t n;
            static Differ from(const pg::Fields& f) { return {f.integer("n")}; }
        };
        CHECK(tx.one<Differ>({"differ",
                              "SELECT (SELECT count(*) FROM (TABLE kept EXCEPT TABLE call_facts) x) + (SELECT count(*) FROM "
                              "(TABLE call_facts EXCEPT TABLE kept) x) AS n"})
                  .n == 0);
    }
    int rates = 0, listed = 0, some = 0, looked = 0;
    for (const auto& set : sets) {
        INFO(set.company << " from " << set.since << " to " << set.until);
        Answers of(pool, nouns, set);
        of.counted_too = ++looked % 10 == 0;
        std::map<const FigurePath*, JsonDocument> all;
        for (const auto& path : kFigurePaths) {
            auto& answer = all.emplace(&path, of.figures(path)).first->second;
            members(answer.root(), [&](std::string_view name, const JsonView& value) {
                if (!is_rate(name) || value.is_null()) return;
                INFO(path.path << " " << name << " " << value.dump());
                CHECK((value.number().value() >= 0 && value.number().value() <= 1));
                ++rates;
            });
        }
        for (const auto& f : listed_figures()) {
            INFO(f.path->path << " " << f.figure);
            auto n = of.rows(f.list, of_days(f.query, set.since, set.until), f.as_rep);
            CHECK(number(all.at(f.path).root(), f.figure.c_str()) == n);
            ++listed;
            some += n > 0;
        }
        auto answer = [&](std::string_view path) {
            return all
                .at(std::find_if(std::begin(kFigurePaths), std::end(kFigurePaths), [&](const auto& p) { return p.path == path; }))
                .root();
        };
        auto csr = answer("csr/overview");
        for (auto overview : {csr, answer("csr/overview/self")}) {
            CHECK(number(overview, "answered_calls") + number(overview, "missed_calls") <= number(overview, "total_calls"));
            CHECK(number(overview, "analysed_calls") <= number(overview, "total_calls"));
            CHECK(number(overview, "overdue_followups") <= number(overview, "open_followups"));
            CHECK(number(overview, "booked_calls") + number(overview, "service_not_offered_calls") +
                      number(overview, "qualified_but_unbooked_calls") <=
                  number(overview, "qualified_calls"));
            CHECK(number(overview, "qualified_calls") <= number(overview, "analysed_calls"));
            part(overview, "qualified_rate", number(overview, "qualified_calls"), number(overview, "total_calls"));
            part(overview, "booking_rate", number(overview, "booked_calls"), number(overview, "qualified_calls"));
            part(overview, "service_not_offered_rate", number(overview, "service_not_offered_calls"),
                 number(overview, "qualified_calls"));
        }
        // Of every call that is over somebody was reached or nobody was.
        CHECK(number(csr, "answered_calls") + number(csr, "missed_calls") ==
              of.calls("&status=completed,missed,voicemail,failed"));
        part(answer("exec/csr"), "booking_rate", number(answer("exec/csr"), "booked_calls"),
             number(answer("exec/csr"), "qualified_calls"));

        auto points = answer("csr/booking-trend")["points"];
        std::int64_t calls = 0, qualified = 0, booked = 0;
        for (std::size_t i = 0; i < points.size(); ++i) {
            auto p = points.at(i);
            part(p, "booking_rate", number(p, "booked_appointments"), number(p, "qualified_calls"));
            CHECK(number(p, "qualified_calls") <= number(p, "total_calls"));
            CHECK(number(p, "qualified_leads") <= number(p, "total_leads"));
            CHECK(number(p, "total_leads") <= number(p, "total_calls"));
            calls += number(p, "total_calls");
            qualified += number(p, "qualified_calls");
            booked += number(p, "booked_appointments");
            if (i == points.size() / 2)
                CHECK(number(p, "total_calls") ==
                      of.calls("", std::string(*p["period_start"].string()), std::string(*p["period_end"].string())));
        }
        CHECK(calls == number(csr, "total_calls"));
        CHECK(qualified == number(csr, "qualified_calls"));
        CHECK(booked == number(csr, "booked_calls"));
        auto summary = answer("csr/booking-trend/self")["summary"];
        CHECK(number(summary, "total_qualified_leads") <= number(summary, "total_leads"));
        CHECK(number(summary, "total_booked_calls") == number(answer("csr/overview/self"), "booked_calls"));

        auto objections = answer("csr/objections/top");
        CHECK(number(objections, "total_calls_considered") == number(csr, "analysed_calls"));
        CHECK(number(answer("csr/unbooked-appointments"), "total") == number(csr, "qualified_but_unbooked_calls"));
        auto recovery = answer("csr/missed-call-recovery");
        CHECK(number(recovery["metrics"], "missed_calls_count") == number(csr, "missed_calls"));
        CHECK(number(recovery["metrics"], "saved_calls_count") <= number(recovery["metrics"], "missed_calls_count"));
        for (const std::string state : {"booked", "pending", "dead"})
            CHECK(number(recovery["metrics"], (state + "_leads_count").c_str()) ==
                  static_cast<std::int64_t>(recovery[state + "_leads"].size()));

        auto team = answer("sales/team");
        for (auto sales : {team, answer("exec/sales"), answer("sales/rep/{rep_id}"), answer("sales/rep/overview/self")})
            for (const char* name : {"completed_appointments", "won_appointments", "lost_appointments", "pending_appointments"})
                CHECK(number(sales, name) <= number(sales, "total_appointments"));
        std::int64_t of_reps = of.rows("/api/v1/appointments", "rep_id=none&date_from=" + set.since + "&date_to=" + set.until);
        for (std::size_t i = 0; i < team["reps"].size(); ++i) {
            auto rep = team["reps"].at(i);
            CHECK(number(rep, "total_appointments") ==
                  of.rows("/api/v1/appointments", "rep_id=" + std::string(*rep["rep_id"].string()) + "&date_from=" + set.since +
                                                      "&date_to=" + set.until));
            of_reps += number(rep, "total_appointments");
        }
        CHECK(of_reps == number(team, "total_appointments"));
        auto company = answer("exec/company-overview");
        CHECK(number(company, "qualified_leads") <= number(company, "total_leads"));
        part(company, "close_rate", number(company, "total_closed_deals"), number(company, "total_appointments"));
        part(company, "pending_rate", number(team, "pending_appointments"), number(team, "total_appointments"));
        part(company, "lost_rate", number(team, "lost_appointments"), number(team, "total_appointments"));
        auto visits = [&](const std::string& more) {
            return of.rows("/api/v1/appointments",
                           "rep_id=user_rep1" + more + "&date_from=" + set.since + "&date_to=" + set.until);
        };
        auto rep = answer("sales/rep/{rep_id}");
        part(rep, "win_rate", visits("&status=completed&outcome=won"), visits("&status=completed"));
        auto came = visits("&status=completed&outcome=pending,won,lost,rescheduled"),
             stayed_away = visits("&status=no_show") + visits("&status=scheduled,confirmed,completed,cancelled&outcome=no_show");
        part(rep, "attendance_rate", came, came + stayed_away);
        // Lists that no figure names, of some: a page and its total ask the same.
        if (!of.counted_too) continue;
        for (const char* query : {"owner_id=none", "owner_id=user_csr1,none", "booking_status=booked", "analysed=false",
                                  "answered=false", "missed_call=true"})
            of.rows("/api/v1/calls", query);
        for (const char* query : {"rep_id=none", "rep_id=user_rep1,none", "qualified=false", "pool_status=in_pool"})
            of.rows("/api/v1/leads", query);
        for (const char* query : {"rep_id=none", "rep_id=user_rep2,none", "outcome=won"}) of.rows("/api/v1/appointments", query);
        for (const char* query : {"assignee_id=none", "overdue=false", "assigned_to=csr"}) of.rows("/api/v1/tasks", query);
        of.rows("/api/v1/appointments", "", true);
        of.rows("/api/v1/calls", "", true);
        of.rows("/api/v1/contacts", "", true);
    }
    CHECK(rates > 5'000);
    CHECK(listed == 1'000 * static_cast<int>(listed_figures().size()));
    CHECK(some > 10'000);
}
