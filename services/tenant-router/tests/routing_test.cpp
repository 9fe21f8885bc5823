#include "routing.hpp"
#include "handlers.hpp"
#include "known.hpp"
#include "tenant-router/sql.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::tenant_router;

TEST_CASE("who owns the number at the time of the call, and proves it, gets the event") {
    Known known;
    known.add("org_a", 1, "+12025550101", "key a");
    known.add("org_b", 1, "+12025550102", "");
    auto decide = [&](const pb::ProviderEvent& e, std::vector<std::string> allowed = {}) {
        return reason(route(e, known.all, allowed, kNow));
    };
    CHECK(decide(event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a")) == "-> org_a");
    CHECK(decide(event("+12025550199", pb::VERDICT_AUTHENTIC, "org_a")) ==
          "-> org_a");  // a pool number that is not registered yet
    CHECK(decide(event("", pb::VERDICT_AUTHENTIC, "org_a")) == "-> org_a");
    CHECK(decide(event("+12025550102", pb::VERDICT_AUTHENTIC, "org_a")) ==
          "Tracking number +12025550102 belongs to another company than the one whose key signed");
    CHECK(decide(event("+12025550199", pb::VERDICT_OPEN, "")) == "No company found for tracking number +12025550199");
    CHECK(decide(event("", pb::VERDICT_OPEN, "")) == "The webhook names no tracking number and no company whose key proves it");
    CHECK(decide(event("+12025550102", pb::VERDICT_OPEN, "")) ==
          "The owner of tracking number +12025550102 has set no signing key");
    CHECK(decide(event("+12025550102", pb::VERDICT_OPEN, ""), {"callrail"}) == "-> org_b");
    CHECK(decide(event("+12025550101", pb::VERDICT_OPEN, "", "key a")) ==
          "-> org_a");  // checked here, once there is an owner with a key
    CHECK(decide(event("+12025550101", pb::VERDICT_OPEN, "", "other")).starts_with("The signature does not match"));
    CHECK(decide(event("+12025550101", pb::VERDICT_OPEN, "")).starts_with("The signature does not match"));
    auto odd = event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a");
    odd.set_not_understood("the body names no call");
    CHECK(decide(odd) == "Not understood: the body names no call");
    known.add("org_a", 2, "+12025550101", "key a", {}, "suspended");
    CHECK(decide(event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a")) == "The company is suspended");
}

TEST_CASE("a number that changed hands: the owner at the start of the call counts") {
    Known known;
    auto moved = system_clock().now() - std::chrono::hours(1);
    known.add("org_b", 1, "+12025550101", "key b", moved);
    auto late = event("+12025550101", pb::VERDICT_OPEN, "", "key b");
    began(late, moved - std::chrono::hours(1));
    CHECK(reason(route(late, known.all, {}, kNow)) == "-> org_b");  // nobody's then, its key proves it now
    known.add("org_a", 1, "+12025550101", "key a", {}, "active", moved);
    CHECK(reason(route(event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a"), known.all, {}, kNow)) ==
          "Tracking number +12025550101 belongs to another company than the one whose key signed");
    auto of_then = event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a");
    began(of_then, moved - std::chrono::hours(1));
    CHECK(reason(route(of_then, known.all, {}, kNow)) == "-> org_a");
    auto open_then = event("+12025550101", pb::VERDICT_OPEN, "", "key a");
    began(open_then, moved - std::chrono::hours(1));
    CHECK(reason(route(open_then, known.all, {}, kNow)) == "-> org_a");
    began(late, moved + std::chrono::minutes(1));
    CHECK(reason(route(late, known.all, {}, kNow)) == "-> org_b");
    auto in_1970 = event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a");
    began(in_1970, from_micros(20'261'129'000'000));
    CHECK(reason(route(in_1970, known.all, {}, kNow)) ==
          "Tracking number +12025550101 belongs to another company than the one whose key signed");  // it came now
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST_CASE("an event of a former version, which says whose it could be in its report, is routed as it was") {
    Known known;
    known.callrail_company = "COMA";
    known.add("org_a", 1, "+12025550101", "key a");
    known.callrail_company.clear();
    known.add("org_b", 1, "+12025550102", "key b");
    auto former = [&](const std::string& number, pb::Verdict verdict, const std::string& proven, const std::string& key) {
        auto e = event(number, verdict, proven, key);
        e.clear_addressee();
        return e;
    };
    auto decide = [&](const pb::ProviderEvent& e) { return reason(route(e, known.all, {}, kNow)); };
    CHECK(decide(former("+12025550101", pb::VERDICT_OPEN, "", "key a")) == "-> org_a");
    CHECK(decide(former("+12025550102", pb::VERDICT_AUTHENTIC, "org_a", ""))
              .starts_with("Tracking number +12025550102 belongs to another company"));
    auto pool = former("+12025550199", pb::VERDICT_OPEN, "", "key a");
    CHECK(decide(pool) == "No company found for tracking number +12025550199");
    pool.mutable_call()->add_provider_company_ids("COMA");
    CHECK(decide(pool) == "-> org_a");
    auto claimed = former("", pb::VERDICT_OPEN, "", "key b");
    claimed.mutable_call()->set_claimed_company_id("org_b");
    CHECK(decide(claimed) == "-> org_b");
    claimed.mutable_call()->set_mapped_company_id("COMA");
    CHECK(decide(claimed) == "invalid tenant_id or callrail_company_id mapping");
    claimed.mutable_call()->set_account_id("ACC");
    claimed.mutable_call()->set_started_at_us(7);
    CHECK(directory::names_of("callrail", addressee_of(claimed)) ==
          std::vector<std::string>{"callrail:ACC", "company:org_b", "callrail:COMA"});
    CHECK(addressee_of(claimed).at_us() == 7);
    pb::ProviderEvent job;
    job.mutable_job()->set_claimed_company_id("org_a");
    CHECK(addressee_of(job).claimed_company_id() == "org_a");
}
#pragma GCC diagnostic pop

TEST_CASE("an event is proven as its own provider signs, and one of a provider that nobody knows waits") {
    Known known;
    known.add("org_a", 1, "+12025550101", "key a");
    auto e = event("+12025550101", pb::VERDICT_OPEN, "", "key a");
    CHECK(reason(route(e, known.all, {}, kNow)) == "-> org_a");
    e.mutable_receipt()->set_provider(
        "shunya");  // whose webhooks no company's key proves, however CallRail would have signed them
    CHECK(reason(route(e, known.all, {}, kNow)).ends_with("has set no signing key"));
    e.mutable_receipt()->set_provider("nobody");
    CHECK(reason(route(e, known.all, {}, kNow)) == "Not understood: a kind of event that this version does not route");
}

TEST_CASE("what goes on is keyed by company and customer, and says who proved it") {
    auto e = event("+12025550101", pb::VERDICT_OPEN, "");
    e.mutable_call()->set_customer_phone("anonymous");
    auto r = tenant_router::handed_over<tenant_router::CallKind>(e, Owner{CompanyId{"org_a"}});
    CHECK(r.phone() == "c1");
    CHECK(r.receipt().verdict() == pb::VERDICT_AUTHENTIC);
    CHECK(r.receipt().proven_company_id() == "org_a");
    e.mutable_call()->set_customer_phone("+12025550100");
    e.mutable_call()->set_customer_phone_callable(true);
    CHECK(tenant_router::handed_over<tenant_router::CallKind>(e, Owner{CompanyId{"org_a"}}).phone() == "+12025550100");
}

TEST_CASE("an owner without the provider's word holds up nobody's event: it is whose key proved it") {
    using namespace otto::directory::v1;
    for (auto standing : {STANDING_UNPROVEN, STANDING_PROVEN}) {
        Known known;
        known.add("org_a", 1, "", "key a");
        known.standing = standing;
        known.add("org_b", 1, "+12025550101", "key b");
        known.add("org_c", 1, "+12025550101", "");
        CHECK(reason(route(event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a"), known.all, {}, kNow)) == "-> org_a");
        CHECK(reason(route(event("+12025550101", pb::VERDICT_OPEN, "", "key b"), known.all, {}, kNow)) ==
              "-> org_b");  // two owners: the one whose key proved
        CHECK(reason(route(event("+12025550101", pb::VERDICT_OPEN, "", "key x"), known.all, {}, kNow))
                  .starts_with("The signature does not match"));
        CHECK(reason(route(event("+12025550101", pb::VERDICT_OPEN, ""), known.all, {"callrail"}, kNow))
                  .starts_with("The signature does not match"));
    }
}

TEST_CASE("seed 002's combined webhook: the company it claims, the one at CallRail and the signer must be one") {
    Known known;
    known.callrail_company = "12345";
    known.add("org_a", 1, "+12025550101", "key a");
    known.callrail_company = "67890";
    known.add("org_b", 1, "+12025550102", "key b");
    auto decide = [&](const std::string& tenant, const std::string& mapped, pb::Verdict verdict, const std::string& signer) {
        auto e = event("", verdict, signer);
        e.mutable_addressee()->set_claimed_company_id(tenant);
        e.mutable_addressee()->set_mapped_company_id(mapped);
        return route(e, known.all, {}, kNow);
    };
    const std::string words = "invalid tenant_id or callrail_company_id mapping";
    CHECK(reason(decide("org_a", "12345", pb::VERDICT_AUTHENTIC, "org_a")) == "-> org_a");
    CHECK(reason(decide("org_a", "67890", pb::VERDICT_AUTHENTIC, "org_a")) == words);
    CHECK(reason(decide("org_a", "12345", pb::VERDICT_AUTHENTIC, "org_b")) == words);
    CHECK(std::get<Held>(decide("org_a", "12345", pb::VERDICT_AUTHENTIC, "org_b")).held_for.value() == "org_b");
    CHECK(reason(decide("org_a", "67890", pb::VERDICT_OPEN, "")) == words);
    CHECK(reason(decide("org_nobody", "12345", pb::VERDICT_OPEN, "")) == words);
    CHECK(reason(decide("org_a", "", pb::VERDICT_AUTHENTIC, "org_b")) == "-> org_b");
}

TEST_CASE("a cure fits its cause, and names nothing that an operator would have to write in SQL") {
    Known known;
    known.add("org_a", 1, "+12025550101", "");
    otto::directory::v1::CompanyProfile m;
    m.set_company_id("org_k");
    m.set_version(1);
    m.set_status("active");
    m.add_numbers()->set_e164("+12025550103");
    m.mutable_numbers(0)->add_purposes("voice");
    auto& account = *m.add_accounts();
    account.set_provider("callrail");
    account.mutable_api_key()->set_column("callrail_api_key");
    account.mutable_api_key()->set_sealed(ring().seal(Secret("an api key"), seal_place("org_k", "callrail_api_key")));
    known.all.apply("org_k", m.SerializeAsString());
    auto held = [&](const std::string& number) {
        return std::get<Held>(route(event(number, pb::VERDICT_OPEN, ""), known.all, {}, kNow));
    };
    CHECK(held("+12025550101").reason.ends_with("has set no signing key"));
    CHECK(held("+12025550101").held_for.value() == "org_a");
    CHECK(held("+12025550103").reason ==
          "The owner of tracking number +12025550103 has no signing key: CallRail has given none for its API key");
    CHECK(held("+12025550103").cure.starts_with("Check the API key and the account id"));
    auto generation = known.all.generation();
    m.set_version(2);
    m.mutable_accounts(0)->set_problem("CallRail refuses the API key (CallRail answered 401).");
    m.mutable_accounts(0)->set_problem_cure("Set it again: POST /api/v1/company/set-callrail-api-key/{id}.");
    known.all.apply("org_k", m.SerializeAsString());
    CHECK(held("+12025550103").reason ==
          "The owner of tracking number +12025550103 has no signing key: CallRail refuses the API key (CallRail answered 401)");
    CHECK(held("+12025550103")
              .cure.starts_with("Set it again: POST /api/v1/company/set-callrail-api-key/{id}; or set the signing key itself"));
    // What waits is told its new reason.
    auto changed = known.all.changed_since(generation).names;
    REQUIRE(changed);
    CHECK(std::find(changed->begin(), changed->end(), "number:+12025550103") != changed->end());
    CHECK(held("").cure.find("POST /api/v1/numbers") == std::string::npos);  // there is none to register
    CHECK(held("+12025550199").cure.find("POST /api/v1/numbers with provider callrail") != std::string::npos);
    for (const char* number : {"+12025550101", "+12025550103", "", "+12025550199"})
        for (const char* word : {"SELECT", "company_numbers", "psql", "discard"})
            CHECK(held(number).cure.find(word) == std::string::npos);
}

TEST_CASE("what a proven call says of its number is told once, until the directory shows it or the batch runs again",
          "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto& db = database.service;
    using namespace otto::directory::v1;
    Known known;
    Router router(known.all, {});
    auto call = [&](const std::string& number, bool final_proof, std::int64_t at_us,
                    pb::Verdict verdict = pb::VERDICT_AUTHENTIC) {
        auto e = tenant_router::handed_over<tenant_router::CallKind>(
            event(number, verdict, "org_a"), Owner{CompanyId{"org_a"}, final_proof, verdict == pb::VERDICT_UNSIGNED});
        e.mutable_receipt()->set_received_at_us(at_us);
        return e;
    };
    auto told = [&](const std::vector<otto::routed::v1::CallReported>& batch, const std::string& name) {
        std::vector<rt::Envelope> metas(batch.size());
        std::vector<rt::In<otto::routed::v1::CallReported>> ins;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            metas[i].id = EventId{Uuid::v5(Uuid{}, name + std::to_string(i))};
            metas[i].trace = tel::TraceContext::fresh();
            ins.push_back({batch[i], metas[i]});
        }
        rt::Sink sink("tenant-router/calls");
        rt::Out<otto::changes::v1::NumberProven> out(sink);
        auto tx = db.begin(pg::Scope::companies({CompanyId{"org_a"}}));
        router.remember(ins, tx, out);
        tx.commit();
        return sink.size();
    };
    const std::string number = "+12025550101";
    const std::int64_t now = to_micros(kNow), minute = 60'000'000;
    known.standing = STANDING_UNPROVEN;
    known.add("org_a", 1, number, "key a");
    CHECK(told({call(number, false, now), call(number, false, now + 1)}, "first") == 1);
    CHECK(told({call(number, false, now), call(number, false, now + 1)}, "first") == 1);  // rolled back and run again
    CHECK(told({call(number, false, now + 2)}, "second") == 0);
    CHECK(told({call(number, true, now + 3)}, "third") == 1);  // it shows more
    CHECK(told({call(number, true, now + 4), call("+12025550199", true, now + 4)}, "fourth") == 0);
    CHECK(told({call(number, false, now + 10 * minute)}, "later") == 1);  // still not shown
    CHECK(told({call(number, false, now + 20 * minute, pb::VERDICT_UNSIGNED)}, "unsigned") == 0);
    known.standing = STANDING_PROVEN;
    known.add("org_a", 2, number, "key a");
    CHECK(told({call(number, false, now + 40 * minute)}, "proven") == 0);
    CHECK(told({call(number, true, now + 40 * minute)}, "finally") == 1);
    known.standing = STANDING_FINAL;
    known.add("org_a", 3, number, "key a");
    CHECK(told({call(number, true, now + 80 * minute)}, "final") == 0);
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    CHECK(testkit::Database("otto_tenant_router").prepares_all(sql::all) == "");
}

namespace {

pb::ProviderEvent report(const std::string& job, std::int64_t call, const std::string& claimed) {
    pb::ProviderEvent e;
    e.set_kind("job.completed");
    e.set_key(job);
    e.mutable_receipt()->set_provider("shunya");
    e.mutable_receipt()->set_raw_body("{}");
    e.mutable_receipt()->set_verdict(pb::VERDICT_AUTHENTIC);
    e.mutable_job()->set_shunya_job_id(job);
    e.mutable_job()->set_call_id(call);
    e.mutable_job()->set_status("completed");
    if (!claimed.empty()) e.mutable_addressee()->set_claimed_company_id(claimed);
    return e;
}

std::string reason(const JobDecision& d) {
    return std::holds_alternative<Held>(d) ? std::get<Held>(d).reason
                                           : "-> " + std::get<JobOwner>(d).company.value() + " " + std::get<JobOwner>(d).phone;
}

}  // namespace

TEST_CASE("a job's report goes to the company that submitted it, and to no other") {
    Known known;
    known.add("org_a", 1, "", "");
    JobOwner a{CompanyId{"org_a"}, "+12025550100"}, b{CompanyId{"org_b"}, "+12025550200"};
    auto decide = [&](const pb::ProviderEvent& e, const KnownJob& k) { return reason(route_job(e, k, known.all)); };
    CHECK(names_of(report("j1", 7, "").job()) == std::vector<std::string>{"job:j1", "call:7"});
    CHECK(decide(report("j1", 0, "org_a"), {{a}, {}}) == "-> org_a +12025550100");
    CHECK(decide(report("j1", 0, ""), {{a}, {}}) == "-> org_a +12025550100");
    CHECK(decide(report("j1", 7, "org_a"), {{}, {a}}) ==
          "-> org_a +12025550100");  // the job's id is not on record yet, its call is
    CHECK(decide(report("", 7, "org_a"), {{}, {a}}) == "-> org_a +12025550100");
    CHECK(decide(report("j1", 7, "org_a"), {{a}, {a}}) == "-> org_a +12025550100");
    CHECK(decide(report("j1", 7, "org_a"), {}) == "No job j1 is known");
    CHECK(decide(report("", 7, "org_a"), {}) == "No job of call 7 is known");
    CHECK(decide(report("j1", 7, "org_b"), {{a}, {a}}) ==
          "The job is another company's: j1 was not submitted for company_id org_b");
    CHECK(decide(report("j1", 7, "org_a"), {{a}, {b}}) == "The job j1 and its call belong to several companies");
    CHECK(decide(report("j1", 7, "org_a"), {{a, b}, {}}) == "The job j1 and its call belong to several companies");
    auto odd = report("j1", 7, "org_a");
    odd.set_not_understood("status 'melted' is not known");
    CHECK(decide(odd, {{a}, {}}) == "Not understood: status 'melted' is not known");
    auto gone = routed_job(report("j1", 7, "org_a"), a);
    CHECK(gone.company_id() == "org_a");
    CHECK(gone.phone() == "+12025550100");
    CHECK(gone.kind() == "job.completed");
    CHECK(gone.job().shunya_job_id() == "j1");
    CHECK(gone.receipt().raw_body() == "{}");
    known.add("org_a", 2, "", "", {}, "suspended");
    CHECK(decide(report("j1", 7, "org_a"), {{a}, {}}) == "The company is suspended");
}

TEST_CASE("a report that comes before its job is on record flows on once it is, in order of arrival, and costs nothing meanwhile",
          "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto &owner = database.owner, &db = database.service;
    Known known;
    known.add("org_a", 1, "", "");
    Router router(known.all, {});

    auto meta_of = [](const std::string& name) {
        rt::Envelope m;
        m.id = EventId{Uuid::v5(Uuid{}, name)};
        m.trace = tel::TraceContext::fresh();
        return m;
    };
    std::int64_t micros = 1'000'000;
    auto arrives = [&](std::vector<pb::ProviderEvent> batch, const std::string& name) {
        std::vector<rt::Envelope> metas;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            batch[i].mutable_receipt()->set_received_at_us(++micros);
            metas.push_back(meta_of(name + std::to_string(i)));
        }
        std::vector<rt::In<pb::ProviderEvent>> ins;
        for (std::size_t i = 0; i < batch.size(); ++i) ins.push_back({batch[i], metas[i]});
        rt::Sink sink("tenant-router");
        Router::LookedUp out(sink);
        auto tx = db.begin(pg::Scope::none());
        router.look_up_or_hold(ins, tx, out);
        tx.commit();
        return sink.size();
    };
    auto submitted = [&](const std::string& job, std::int64_t call, const std::string& company) {
        otto::analysis::v1::JobSubmitted e;
        e.set_company_id(company);
        e.set_phone("+12025550100");
        e.set_shunya_job_id(job);
        e.set_call_id(call);
        auto meta = meta_of("submitted");
        std::vector<rt::In<otto::analysis::v1::JobSubmitted>> ins{{e, meta}};
        rt::Sink sink("tenant-router/jobs");
        rt::Out<> out(sink);
        auto tx = db.begin(pg::Scope::none());
        router.remember_jobs(ins, tx, out);
        tx.commit();
    };
    auto texts = [&](const std::string& sql) {
        std::vector<std::string> out;
        auto tx = owner.begin(pg::Scope::none());
        static int n = 0;
        auto name = "test.texts" + std::to_string(++n);
        tx.each({name, sql}, {}, [&](const pg::Fields& f) { out.push_back(f.text("t")); });
        tx.commit();
        return out;
    };
    using Texts = std::vector<std::string>;
    const std::string waiting = "SELECT reason AS t FROM held_events WHERE released_at IS NULL ORDER BY received_at";

    CHECK(arrives({report("j1", 0, "org_a"), report("", 8, ""), report("j1", 0, "org_a"), report("j9", 0, "")}, "early") == 0);
    CHECK(texts(waiting) == Texts{"No job j1 is known", "No job of call 8 is known", "No job j1 is known", "No job j9 is known"});
    router.release(db);
    CHECK(texts(waiting).size() == 4);
    owner.execute("UPDATE held_events SET held_at = now() - interval '1 hour'");  // no longer tried each time
    submitted("", 8, "org_a");
    router.release(db);
    CHECK(texts(waiting) == Texts{"No job j1 is known", "No job j1 is known", "No job j9 is known"});
    submitted("j1", 7, "org_a");
    router.release(db);
    CHECK(texts(waiting) == Texts{"No job j9 is known"});
    CHECK(texts("SELECT (SELECT h ->> 1 FROM jsonb_array_elements(headers) h WHERE h ->> 0 = 'ce_causationid') AS t FROM outbox "
                "ORDER BY id") == Texts{meta_of("early1").id.value().to_string(), meta_of("early0").id.value().to_string(),
                                        meta_of("early2").id.value().to_string()});
    CHECK(texts("SELECT DISTINCT key AS t FROM outbox") == Texts{"org_a:+12025550100"});
    CHECK(arrives({report("j1", 7, "org_a"), report("j1", 0, "org_b")}, "late") ==
          1);  // known by now; the other one claims a company that it is not
    CHECK(texts(waiting) ==
          Texts{"No job j9 is known", "The job is another company's: j1 was not submitted for company_id org_b"});
    owner.execute("UPDATE held_events SET asked_at = now(), reason = 'to be told again' WHERE released_at IS NULL");
    router.release(db);
    CHECK(texts("SELECT event_id::text AS t FROM held_events WHERE asked_at IS NOT NULL")
              .empty());  // an operator who asks is answered
}

TEST_CASE(
    "what waits on a company's account is counted once for all processes, by events and by bytes; the gauge goes with the job",
    "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto &owner = database.owner, &db = database.service;
    Known known;
    owner.execute(
        "INSERT INTO companies (id, name) VALUES ('org_few', 'F'), ('org_many', 'M'), ('org_large', 'L'), ('org_gone_on', 'G'); "
        "UPDATE directory_state SET dirty = false");
    int n = 0;
    auto hold = [&](const std::string& company, int events, int bytes) {
        owner.execute(
            "INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, "
            "signature_headers, raw_body, record, received_at, held_for) SELECT md5('" +
            std::to_string(++n) +
            " ' || g)::uuid, 'callrail', 'call.completed', 'r', 'c', 'open', '/', '', '[]', convert_to(repeat('x', " +
            std::to_string(bytes) + "), 'UTF8'), '', now(), '" + company + "' FROM generate_series(1, " + std::to_string(events) +
            ") g");
    };
    hold("org_few", 4, 10);
    hold("org_many", 5, 10);
    hold("org_large", 2, 50'000);
    hold("org_gone_on", 50, 10);
    hold("org_without_company", 50, 10);
    owner.execute("UPDATE held_events SET released_at = now() WHERE held_for = 'org_gone_on'");
    auto limited = [&] {
        std::string out;
        auto tx = owner.begin(pg::Scope::none());
        tx.each({"test.limited" + std::to_string(++n),
                 "SELECT coalesce(string_agg(id || CASE WHEN dirty THEN ' told' ELSE '' END, ', ' ORDER BY id), '') AS t FROM "
                 "companies JOIN directory_state d ON d.company_id = id WHERE held_limited"},
                {}, [&](const pg::Fields& f) { out = f.text("t"); });
        tx.commit();
        return out;
    };
    auto shown = [] {
        auto text = tel::expose_metrics();
        auto at = text.find("\notto_held_events ");
        return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    };
    const HeldLimits limits{5, 90'000};
    {
        tel::Shares gauges;
        Router router(known.all, {}, limits);
        router.count(db, gauges);
        CHECK(limited() == "org_large told, org_many told");
        CHECK(shown() == "otto_held_events 61");
        owner.execute("UPDATE directory_state SET dirty = false");
        owner.execute("UPDATE held_events SET released_at = now() WHERE held_for = 'org_many'");
        router.count(db, gauges);
        CHECK(limited() == "org_large, org_many");  // not counted again so soon
        gauges.clear();                             // the job went to another process, and came back before it is time to count
        CHECK(shown() == "");
        router.count(db, gauges);
        CHECK(shown() == "otto_held_events 61");
    }
    CHECK(shown() == "");
    tel::Shares gauges;
    Router another(known.all, {}, limits);  // which has counted nothing itself
    another.count(db, gauges);
    CHECK(limited() == "org_large");
    CHECK(shown() == "otto_held_events 56");
}

TEST_CASE("a change in the directory tries what it can concern, and nothing else that waits", "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto &owner = database.owner, &db = database.service;
    Known known;
    Router router(known.all, {});
    int n = 0;
    auto holds = [&](const std::string& number, const std::string& signer, const std::string& claimed = "") {
        auto e = event(number, signer.empty() ? pb::VERDICT_OPEN : pb::VERDICT_AUTHENTIC, signer, "key b");
        e.mutable_addressee()->set_claimed_company_id(claimed);
        rt::Envelope meta;
        meta.id = EventId{Uuid::v5(Uuid{}, std::to_string(++n))};
        meta.trace = tel::TraceContext::fresh();
        std::vector<rt::In<pb::ProviderEvent>> ins{{e, meta}};
        rt::Sink sink("tenant-router");
        Router::LookedUp out(sink);
        auto tx = db.begin(pg::Scope::none());
        router.look_up_or_hold(ins, tx, out);
        tx.commit();
    };
    auto texts = [&](const std::string& sql) {
        std::vector<std::string> out;
        auto tx = owner.begin(pg::Scope::none());
        tx.each({"test.concerned" + std::to_string(++n), sql}, {}, [&](const pg::Fields& f) { out.push_back(f.text("t")); });
        tx.commit();
        return out;
    };
    /// Numbers of those that a release looks at: each is told its reason again.
    auto tried = [&] {
        owner.execute("UPDATE held_events SET reason = 'to be told again', held_at = now() - interval '1 hour'");
        router.release(db);
        return texts(
            "SELECT coalesce(number, '-') AS t FROM held_events WHERE reason <> 'to be told again' OR released_at IS NOT NULL "
            "ORDER BY 1");
    };
    using Texts = std::vector<std::string>;
    known.add("org_a", 1, "+12025550101", "key a");
    holds("+12025550102", "");
    holds("+12025550103", "");
    holds("", "", "org_c");
    holds("+12025550101", "org_x");  // a conflict
    CHECK(texts("SELECT coalesce(held_for, '-') || ' ' || conflict AS t FROM held_events ORDER BY 1") ==
          Texts{"- false", "- false", "- false", "org_x true"});
    owner.execute("UPDATE held_events SET concerns = NULL");  // of a version that did not know them
    CHECK(tried().size() == 4);                               // a new router tries all
    CHECK(texts("SELECT count(*)::text AS t FROM held_events WHERE concerns IS NULL") == Texts{"0"});
    CHECK(tried().empty());
    known.add("org_z", 1, "+12025550199", "key z");
    CHECK(tried().empty());
    known.add("org_b", 1, "+12025550102", "");
    CHECK(tried() == Texts{"+12025550102"});
    known.add("org_c", 1, "", "key c");
    CHECK(tried() == Texts{"-"});
    known.add("org_x", 1, "", "key x");
    CHECK(tried() == Texts{"+12025550101"});
    known.add("org_b", 2, "+12025550102", "key b");
    CHECK(tried() == Texts{"+12025550102"});
    CHECK(texts("SELECT released_to AS t FROM held_events WHERE released_at IS NOT NULL") == Texts{"org_b"});
}

TEST_CASE("what a former version held is found by what it waits for, and goes on", "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto &owner = database.owner, &db = database.service;
    Known known;
    Router router(known.all, {});
    auto former = event("+12025550101", pb::VERDICT_OPEN, "", "key a");
    former.clear_addressee();
    rt::Envelope meta;
    meta.id = EventId{Uuid::v5(Uuid{}, "former")};
    meta.trace = tel::TraceContext::fresh();
    std::vector<rt::In<pb::ProviderEvent>> ins{{former, meta}};
    rt::Sink sink("tenant-router");
    Router::LookedUp out(sink);
    auto tx = db.begin(pg::Scope::none());
    router.look_up_or_hold(ins, tx, out);
    tx.commit();
    router.release(db);
    owner.execute("UPDATE held_events SET held_at = now() - interval '1 hour'");
    CHECK(database.value("SELECT array_to_string(concerns, ' ') AS v FROM held_events") == "number:+12025550101");
    known.add("org_a", 1, "+12025550101", "key a");
    router.release(db);
    CHECK(database.value("SELECT released_to AS v FROM held_events") == "org_a");
    CHECK(database.value("SELECT key AS v FROM outbox") == "org_a:c1");
}

TEST_CASE("what is held is removed by age where it may be, each by an index of its own; what is proven and may yet go on stays",
          "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto &owner = database.owner, &db = database.service;
    auto texts = [&, n = 0](pg::Connection& as, const std::string& sql) mutable {
        std::vector<std::string> out;
        auto tx = as.begin(pg::Scope::none());
        tx.each({"test.trimmed" + std::to_string(++n), sql}, {}, [&](const pg::Fields& f) { out.push_back(f.text("t")); });
        tx.commit();
        return out;
    };
    owner.execute(
        R"(INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at, held_at, released_at, conflict)
        SELECT gen_random_uuid(), 'callrail', kind, '', '', verdict, '', '', '[]', '', '', now() - age, now() - age, CASE WHEN released THEN now() - age END, conflict
          FROM (VALUES ('went on', 'authentic', true, false), ('open', 'open', false, false), ('conflict', 'authentic', false, true), ('text', 'authentic', false, false)) AS k (kind, verdict, released, conflict),
               (VALUES (interval '100 days'), (interval '1 day')) AS a (age))");
    auto left = [&](const char* only, const char* column) {
        auto tx = db.begin(pg::Scope::none());
        tx.write({std::string("test.delete ") + only,
                  "DELETE FROM held_events WHERE " + std::string(column) + " < now() - interval '30 days' AND (" + only + ")"},
                 {});
        tx.commit();
        return texts(owner, "SELECT kind AS t FROM held_events WHERE held_at < now() - interval '30 days' ORDER BY 1");
    };
    using Texts = std::vector<std::string>;
    CHECK(left(kWentOn, "released_at") == Texts{"conflict", "open", "text"});
    CHECK(left(kUnverified, "held_at") == Texts{"conflict", "text"});
    CHECK(left(kConflicts, "held_at") == Texts{"text"});
    CHECK(texts(owner, "SELECT count(*)::text AS t FROM held_events") == Texts{"5"});
    owner.execute(
        R"(INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at, held_at, released_at, conflict)
        SELECT gen_random_uuid(), 'callrail', kind, '', '', verdict, '', '', '[]', '', '', now() - i * interval '1 hour', now() - i * interval '1 hour', CASE WHEN released THEN now() - i * interval '1 hour' END, conflict
          FROM (VALUES ('went on', 'authentic', true, false), ('open', 'open', false, false), ('conflict', 'authentic', false, true), ('text', 'authentic', false, false)) AS k (kind, verdict, released, conflict),
               generate_series(1, 1000) AS i)");
    owner.execute("ANALYZE held_events");
    for (auto [only, column, index] : {std::tuple{kWentOn, "released_at", "held_events_released"},
                                       {kUnverified, "held_at", "held_events_unverified"},
                                       {kConflicts, "held_at", "held_events_conflicts"}}) {
        std::string plan;
        auto tx = owner.begin(pg::Scope::none());
        tx.each({std::string("test.plan ") + index, "EXPLAIN SELECT ctid FROM held_events WHERE " + std::string(column) +
                                                        " < now() - interval '30 days' AND (" + only + ") LIMIT 10000"},
                {}, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN"); });
        tx.commit();
        INFO(plan);
        CHECK(plan.find(index) != std::string::npos);
    }
}
