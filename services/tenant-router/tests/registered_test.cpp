// Texts of Twilio, whose numbers are registered and whose accounts may be several companies', or the deployment's.
#include "base/text.hpp"
#include "handlers.hpp"
#include "known.hpp"
#include "providers/webhook.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::tenant_router;

namespace {

const std::string kOurs = "+12025550101", kTheirs = "+12025550177", kAnotherCompanys = "+12025550102", kNobodys = "+12025550199";
const std::string kSid(32, 'a'), kAccountA = "AC" + kSid, kAccountB = "AC" + std::string(32, 'b'),
                                 kDeployments = "AC" + std::string(32, 'd');
const std::string kUnowned = "No company found for tracking number " + kNobodys;

using Fields = std::map<std::string, std::string>;

/// As the ingress makes it of what Twilio posted, signed with `token`; `proven`: whom the ingress found it to be of.
pb::ProviderEvent posted(const Fields& fields, const std::string& proven, const std::string& token, Instant at = kNow) {
    const std::string url = "https://otto.example/api/v1/twilio-webhook";
    std::string body, message = url;
    for (const auto& [name, value] : fields) {
        body.append(body.empty() ? "" : "&").append(name).append("=").append(percent_encode(value));
        message.append(name).append(value);
    }
    pb::Receipt r;
    r.set_provider("twilio");
    r.set_request_target("/api/v1/twilio-webhook");
    r.set_content_type("application/x-www-form-urlencoded");
    r.set_raw_body(body);
    r.set_received_at_us(to_micros(at));
    r.set_verdict(proven.empty() ? pb::VERDICT_OPEN : pb::VERDICT_AUTHENTIC);
    r.set_proven_company_id(proven);
    r.add_judged_urls(url);
    auto* h = r.add_headers();
    h->set_name("X-Twilio-Signature");
    h->set_value(base64_encode(hmac_sha1(token, message)));
    auto parts = providers::Parts::of(r);
    auto e = *providers::webhook_of("twilio")->read(parts)->normalize(parts).event;
    REQUIRE(e.not_understood().empty());
    e.mutable_receipt()->Swap(&r);
    return e;
}
pb::ProviderEvent text(const std::string& to, const std::string& proven, const std::string& account = kAccountA,
                       const std::string& token = "token a", Instant at = kNow) {
    return posted(
        {{"MessageSid", "SM1"}, {"AccountSid", account}, {"From", kTheirs}, {"To", to}, {"Body", "A roof?"}, {"NumMedia", "0"}},
        proven, token, at);
}
pb::ProviderEvent status(const std::string& from, const std::string& proven, const std::string& account = kAccountA,
                         const std::string& token = "token a") {
    return posted(
        {{"MessageSid", "SM2"}, {"AccountSid", account}, {"From", from}, {"To", kTheirs}, {"MessageStatus", "delivered"}}, proven,
        token);
}
/// Found in the account's list, where nothing is signed.
pb::ProviderEvent swept(pb::ProviderEvent e) {
    e.mutable_receipt()->set_swept(true);
    e.mutable_receipt()->clear_headers();
    return e;
}
/// What the deployment's own account signed, as the ingress says it.
pb::ProviderEvent by_deployment(pb::ProviderEvent e) {
    e.mutable_receipt()->set_verdict(pb::VERDICT_AUTHENTIC);
    e.mutable_receipt()->set_proven_by_deployment(true);
    return e;
}

struct Companies : Known {
    Companies() {
        provider = "twilio";
        key_column = "twilio_auth_token";
        purposes = {"text"};
        of(kAccountA).add("org_a", 1, kOurs, "token a");
        of(kAccountB).add("org_b", 1, kAnotherCompanys, "token b");
    }
    Companies& of(const std::string& account) {
        account_id = account;
        return *this;
    }
    Decision decide(const pb::ProviderEvent& e, const std::vector<CompanyId>& of_message = {},
                    const ingress::DeploymentAccount& deployment = {}) {
        return route(e, all, {}, kNow, of_message, deployment);
    }
    std::string said(const pb::ProviderEvent& e, const std::vector<CompanyId>& of_message = {}) {
        return reason(decide(e, of_message));
    }
    Held held(const pb::ProviderEvent& e) { return std::get<Held>(decide(e)); }
};

}  // namespace

TEST_CASE("a text of Twilio flows to who has its number for texts; an account alone is not enough") {
    Companies known;
    CHECK(known.said(text(kOurs, "org_a")) == "-> org_a");
    CHECK(known.said(text(kOurs, "")) == "-> org_a");
    CHECK(known.said(text(kOurs, "", kAccountA, "a former token")).starts_with("The signature does not match the key"));
    for (std::string proven : {"org_a", ""}) {
        auto held = known.held(text(kNobodys, proven));
        CHECK(held.reason == kUnowned);
        CHECK(held.cure.starts_with("Register the number with its company (POST /api/v1/numbers with provider twilio,"));
        CHECK(held.held_for.value() == "org_a");
        CHECK(held.seen);
        CHECK_FALSE(held.conflict);
    }
    CHECK(known.held(swept(text(kNobodys, "org_a"))).seen);  // whether its webhook came or not
    auto nobodys = known.held(text(kNobodys, "", "AC" + std::string(32, 'e')));
    CHECK(nobodys.reason == kUnowned);
    CHECK(nobodys.held_for.value().empty());
    CHECK_FALSE(nobodys.seen);
    known.purposes = {"voice"};
    known.of(kAccountA).add("org_a", 2, kOurs, "token a");
    auto for_calls = known.held(text(kOurs, "org_a"));
    CHECK(for_calls.reason == "No company found for tracking number " + kOurs);
    CHECK(
        for_calls.cure.starts_with("The number is registered for calls only: add the purpose text (PATCH /api/v1/numbers/{id})"));
    known.purposes = {"text"};
    known.add("org_a", 3, kOurs, "token a", {}, "suspended");
    CHECK(known.said(text(kOurs, "org_a")) == "The company is suspended");
    CHECK(known.said(text(kNobodys, "org_a")) == "The company is suspended");  // its own numbers end with the suspension
}

TEST_CASE("the account of one company with the number of another") {
    using namespace otto::directory::v1;
    Companies known;
    const auto conflict = "Tracking number " + kAnotherCompanys + " belongs to another company than the one whose key signed";
    for (auto standing : {STANDING_PROVEN, STANDING_FINAL}) {
        known.standing = standing;
        known.of(kAccountB).add("org_b", 2 + standing, kAnotherCompanys, "token b");
        for (std::string proven : {"org_a", ""}) {
            auto held = known.held(text(kAnotherCompanys, proven));
            CHECK(held.reason == conflict);
            CHECK(held.conflict);
            CHECK(held.held_for.value() == "org_a");
            CHECK_FALSE(held.seen);
        }
    }
    // Who has merely written the number down holds up nobody.
    known.standing = STANDING_UNPROVEN;
    known.of(kAccountB).add("org_b", 10, kAnotherCompanys, "token b");
    auto held = known.held(text(kAnotherCompanys, "org_a"));
    CHECK(held.reason == "No company found for tracking number " + kAnotherCompanys);
    CHECK(held.seen);
    known.of(kAccountA).add("org_a", 2, kAnotherCompanys, "token a");
    CHECK(known.said(text(kAnotherCompanys, "org_a")) == "-> org_a");
    CHECK(known.said(text(kAnotherCompanys, "")) == "-> org_a");
}

TEST_CASE("of two companies on one account the number's owner is meant") {
    Companies known;
    known.of(kAccountA).add("org_b", 2, kAnotherCompanys, "token a");
    CHECK(known.said(text(kAnotherCompanys, "org_b")) == "-> org_b");
    CHECK(known.said(text(kAnotherCompanys, "")) == "-> org_b");
    CHECK(known.said(text(kOurs, "")) == "-> org_a");
    auto held = known.held(text(kNobodys, "org_a"));
    CHECK(held.reason == kUnowned);
    CHECK_FALSE(held.seen);                                      // either's
    const auto listed = swept(text(kAnotherCompanys, "org_a"));  // by the sweep of either's account
    CHECK(known.said(listed) == "-> org_b");
    // Registered since by the one whom the ingress did not find: the same token proves it.
    known.add("org_b", 3, kNobodys, "token a");
    CHECK(known.said(text(kNobodys, "org_a")) == "-> org_b");
    // Who only says that the account is his has no part in it.
    known.add("org_b", 4, kAnotherCompanys, "token x");
    CHECK(known.said(listed).ends_with("belongs to another company than the one whose key signed"));
}

TEST_CASE("a moved number keeps its old texts with its old owner, and one that is registered gets those that waited") {
    Companies known;
    const auto moved = kNow - std::chrono::hours(1);
    auto before = moved - std::chrono::hours(1);
    known.of(kAccountA).add("org_a", 2, kOurs, "token a", {}, "active", moved);
    known.of(kAccountB).add("org_b", 2, kOurs, "token b", moved);
    CHECK(known.said(text(kOurs, "", kAccountA, "token a", before)) == "-> org_a");
    CHECK(known.said(text(kOurs, "", kAccountB, "token b")) == "-> org_b");
    CHECK(known.said(text(kOurs, "org_a")).ends_with("belongs to another company than the one whose key signed"));
    CHECK(known.said(text(kOurs, "org_b", kAccountB, "token b", before))
              .ends_with("belongs to another company than the one whose key signed"));
    // On one account.
    known.of(kAccountA).add("org_b", 3, kOurs, "token a", moved);
    CHECK(known.said(text(kOurs, "", kAccountA, "token a", before)) == "-> org_a");
    CHECK(known.said(text(kOurs, "org_b", kAccountA, "token a", before)) == "-> org_a");
    CHECK(known.said(text(kOurs, "org_a")) == "-> org_b");
    known.add("org_a", 3, kNobodys, "token a", kNow - std::chrono::minutes(1));
    CHECK(known.said(text(kNobodys, "org_a", kAccountA, "token a", before)) == "-> org_a");
}

TEST_CASE("what the deployment's own account signed is the number's owner's, now or when there is one") {
    Companies known;
    known.of(kAccountA).add("org_c", 1, kNobodys, "");
    const ingress::DeploymentAccount deployment{kDeployments, {{Secret("token d"), Secret("former d")}, ""}};
    CHECK(known.said(by_deployment(text(kOurs, "", kDeployments, "token d"))) == "-> org_a");
    auto owner = std::get<Owner>(known.decide(by_deployment(text(kNobodys, "", kDeployments, "token d"))));
    CHECK(owner.company.value() == "org_c");
    CHECK(owner.by_deployment);
    auto e = by_deployment(text(kNobodys, "", kDeployments, "token d"));
    auto out = tenant_router::handed_over<MessageKind>(e, owner);
    CHECK(out.receipt().proven_by_deployment());
    CHECK(out.receipt().verdict() == pb::VERDICT_AUTHENTIC);
    CHECK(out.receipt().proven_company_id() == "org_c");
    auto held = known.held(by_deployment(text("+12025550198", "", kDeployments, "token d")));
    CHECK(held.reason == "No company found for tracking number +12025550198");
    CHECK(held.held_for.value().empty());
    CHECK_FALSE(held.seen);
    known.add("org_c", 2, "+12025550198", "", {}, "suspended");
    CHECK(known.said(by_deployment(text("+12025550198", "", kDeployments, "token d"))) == "The company is suspended");
    // What its list shows is the owner's, in whose name it entered or not, and still proves no company's number.
    for (std::string entered_for : {"org_a", "org_b", ""}) {
        auto listed = known.decide(swept(by_deployment(text(kOurs, entered_for, kDeployments, "token d"))));
        CHECK(reason(listed) == "-> org_a");
        CHECK(std::get<Owner>(listed).by_deployment);
    }
    // One that came before the deployment had its token is proven here.
    for (auto token : {"token d", "former d"}) {
        auto later = known.decide(text(kOurs, "", kDeployments, token), {}, deployment);
        CHECK(reason(later) == "-> org_a");
        CHECK(std::get<Owner>(later).by_deployment);
    }
    CHECK(reason(known.decide(text(kOurs, "", kDeployments, "token x"), {}, deployment))
              .starts_with("The signature does not match"));
    CHECK(reason(known.decide(text(kNobodys, "", kDeployments, "token x"), {}, deployment))
              .starts_with("The signature matches no key"));
    CHECK(
        reason(known.decide(text(kOurs, "", kAccountB, "token d"), {}, deployment)).starts_with("The signature does not match"));
}

TEST_CASE("a status of a number that nobody has goes to whose the message is, if that company's key proves it") {
    Companies known;
    const CompanyId a{"org_a"}, b{"org_b"};
    CHECK(known.said(status(kOurs, "org_a")) == "-> org_a");
    CHECK(known.said(status(kNobodys, "org_a")) == kUnowned);
    CHECK(known.said(status(kNobodys, "org_a"), {a}) == "-> org_a");
    CHECK(known.said(status(kNobodys, ""), {a}) == "-> org_a");
    CHECK(known.said(status(kNobodys, "org_a"), {b}) == kUnowned);  // another company's message
    CHECK(known.said(status(kNobodys, "org_a"), {b, a}) == "-> org_a");
    CHECK(
        known.said(status(kAnotherCompanys, "org_a"), {a}).ends_with("belongs to another company than the one whose key signed"));
    CHECK(known.said(status(kNobodys, "", kAccountB, "forged"), {b}).starts_with("The signature matches no key"));
    CHECK(known.said(by_deployment(status(kNobodys, "", kDeployments, "token d")), {b}) == "-> org_b");
    CHECK(known.said(by_deployment(status(kNobodys, "", kDeployments, "token d")), {a, b}) == kUnowned);
    known.of(kAccountA).add("org_b", 2, kAnotherCompanys, "token a");  // two companies on one account
    CHECK(known.said(status(kNobodys, "org_a"), {b}) == "-> org_b");
}

TEST_CASE("a status that comes before its text waits for it or for its number, which is shown meanwhile", "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto& db = database.service;
    Companies known;
    Router router(known.all, {});
    int n = 0;
    auto arrives = [&](const pb::ProviderEvent& e) {
        rt::Envelope meta;
        meta.id = EventId{Uuid::v5(Uuid{}, std::to_string(++n))};
        meta.trace = tel::TraceContext::fresh();
        std::vector<rt::In<pb::ProviderEvent>> ins{{e, meta}};
        rt::Sink sink("tenant-router");
        Router::LookedUp out(sink);
        auto tx = db.begin(pg::Scope::none());
        router.look_up_or_hold(ins, tx, out);
        tx.commit();
        return sink.size();
    };
    auto other_text = posted(
        {{"MessageSid", "SM3"}, {"AccountSid", kAccountA}, {"From", "+12025550198"}, {"To", kTheirs}, {"MessageStatus", "sent"}},
        "org_a", "token a");
    CHECK(arrives(status(kNobodys, "org_a")) == 0);
    CHECK(arrives(other_text) == 0);
    CHECK(database.texts("SELECT concat_ws(' ', company_id, e164, provider, array_to_string(purposes, '+')) AS v FROM "
                         "seen_numbers ORDER BY 1") ==
          std::vector<std::string>{"org_a +12025550198 twilio text", "org_a " + kNobodys + " twilio text"});
    router.release(db);
    database.owner.execute("UPDATE held_events SET held_at = now() - interval '1 hour'");  // no longer tried each time
    CHECK(database.texts("SELECT kind || ' ' || held_for AS v FROM held_events WHERE released_at IS NULL") ==
          std::vector<std::string>{"message.status org_a", "message.status org_a"});

    auto known_text = tenant_router::handed_over<MessageKind>(status(kOurs, "org_a"), Owner{CompanyId{"org_a"}});
    rt::Envelope meta;
    std::vector<rt::In<otto::routed::v1::MessageReported>> ins{{known_text, meta}};
    rt::Sink sink("tenant-router/calls");
    rt::Out<otto::changes::v1::NumberProven> out(sink);
    auto tx = db.begin(pg::Scope::companies({CompanyId{"org_a"}}));
    router.remember_messages(ins, tx, out);
    tx.commit();
    router.release(db);
    CHECK(database.texts("SELECT number AS v FROM held_events WHERE released_at IS NULL") ==
          std::vector<std::string>{"+12025550198"});
    CHECK(database.texts("SELECT key AS v FROM outbox") == std::vector<std::string>{"org_a:" + kTheirs});
    CHECK(arrives(status(kNobodys, "org_a")) == 1);  // at once by now
    CHECK(arrives(status(kNobodys, "org_b", kAccountB, "token b")) == 0);
    known.of(kAccountA).add("org_a", 2, "+12025550198", "token a");
    router.release(db);
    CHECK(database.texts("SELECT held_for AS v FROM held_events WHERE released_at IS NULL") == std::vector<std::string>{"org_b"});
}
