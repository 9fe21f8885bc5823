// Calls of Twilio: whose they are, what names no more than its call, and what former versions, which recorded none, left waiting.
#include "base/text.hpp"
#include "events/event.hpp"
#include "handlers.hpp"
#include "known.hpp"
#include "providers/webhook.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::tenant_router;

namespace {

const std::string kOurs = "+12025550101", kTheirs = "+12025550177", kAnotherCompanys = "+12025550102", kNobodys = "+12025550199";
const std::string kAccountA = "AC" + std::string(32, 'a'), kAccountB = "AC" + std::string(32, 'b'),
                  kDeployments = "AC" + std::string(32, 'd'), kSubaccount = "AC" + std::string(32, 'e');
const std::string kCall = "CA" + std::string(32, '1'), kLeg = "CA" + std::string(32, '2'),
                  kRecording = "RE" + std::string(32, '3');
const std::string kHooks = "/api/aloha/webhooks/";
const CompanyId kA{"org_a"}, kB{"org_b"};

using Fields = std::map<std::string, std::string>;

/// As the ingress makes it of what Twilio posted, signed with `token`; `proven`: whom the ingress found it to be of.
pb::ProviderEvent posted(const std::string& target, const Fields& fields, const std::string& proven, const std::string& token) {
    const std::string url = "https://otto.example" + target;
    std::string body, message = url;
    for (const auto& [name, value] : fields) {
        body.append(body.empty() ? "" : "&").append(name).append("=").append(percent_encode(value));
        message.append(name).append(value);
    }
    pb::Receipt r;
    r.set_provider("twilio");
    r.set_request_target(target);
    r.set_content_type("application/x-www-form-urlencoded");
    r.set_raw_body(body);
    r.set_received_at_us(to_micros(kNow));
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
pb::ProviderEvent call(const std::string& to, const std::string& proven, const std::string& account = kAccountA,
                       const std::string& token = "token a", const std::string& target = kHooks + "incoming-call") {
    return posted(target,
                  {{"CallSid", kCall},
                   {"AccountSid", account},
                   {"From", kTheirs},
                   {"To", to},
                   {"Direction", "inbound"},
                   {"CallStatus", "ringing"}},
                  proven, token);
}
pb::ProviderEvent recording(const std::string& proven, const std::string& account = kAccountA,
                            const std::string& token = "token a", const std::string& of = kCall,
                            const std::string& target = kHooks + "voicemail-recorded") {
    return posted(target,
                  {{"CallSid", of},
                   {"AccountSid", account},
                   {"RecordingSid", kRecording},
                   {"RecordingStatus", "completed"},
                   {"RecordingSource", "RecordVerb"},
                   {"RecordingUrl", "https://api.twilio.com/2010-04-01/Accounts/" + account + "/Recordings/" + kRecording}},
                  proven, token);
}
pb::ProviderEvent leg(const std::string& proven) {
    return posted(kHooks + "call-status",
                  {{"CallSid", kLeg},
                   {"ParentCallSid", kCall},
                   {"AccountSid", kAccountA},
                   {"From", kOurs},
                   {"To", "+12025550188"},
                   {"Direction", "outbound-dial"},
                   {"CallStatus", "in-progress"},
                   {"SequenceNumber", "2"}},
                  proven, "token a");
}
pb::ProviderEvent by_deployment(pb::ProviderEvent e) {
    e.mutable_receipt()->set_verdict(pb::VERDICT_AUTHENTIC);
    e.mutable_receipt()->set_proven_by_deployment(true);
    return e;
}
/// As a former version wrote it of the same receipt.
pb::ProviderEvent formerly(pb::ProviderEvent e) {
    e.set_kind("call.webhook");
    e.set_not_understood("calls of Twilio are not recorded yet");
    e.clear_call();
    e.mutable_addressee()->clear_provider_call_id();
    return e;
}

struct Companies : Known {
    Companies() {
        provider = "twilio";
        key_column = "twilio_auth_token";
        of(kAccountA).add("org_a", 1, kOurs, "token a");
        of(kAccountB).add("org_b", 1, kAnotherCompanys, "token b");
    }
    Companies& of(const std::string& account) {
        account_id = account;
        return *this;
    }
    std::string said(const pb::ProviderEvent& e) { return reason(route(e, all, {}, kNow)); }
    Decision decide(const pb::ProviderEvent& e, const std::vector<JobOwner>& of_call,
                    const std::vector<std::string>& allowed = {}, const ingress::DeploymentAccount& deployment = {}) {
        CHECK(names_its_call(e));
        return route_of_call(e, all, allowed, kNow, of_call, deployment);
    }
    std::string said(const pb::ProviderEvent& e, const std::vector<JobOwner>& of_call) { return reason(decide(e, of_call)); }
    Held held(const pb::ProviderEvent& e, const std::vector<JobOwner>& of_call) { return std::get<Held>(decide(e, of_call)); }
};

/// A router with its database, to which events come.
struct Running {
    testkit::Database database{"otto_tenant_router"};
    Companies known;
    Router router{known.all, {}};
    int n = 0;

    std::size_t arrives(const pb::ProviderEvent& e) {
        rt::Envelope meta;
        meta.id = EventId{Uuid::v5(Uuid{}, std::to_string(++n))};
        meta.trace = tel::TraceContext::fresh();
        std::vector<rt::In<pb::ProviderEvent>> ins{{e, meta}};
        rt::Sink sink("tenant-router");
        Router::LookedUp out(sink);
        auto tx = database.service.begin(pg::Scope::none());
        router.look_up_or_hold(ins, tx, out);
        tx.commit();
        return sink.size();
    }
    /// What went on about a call, as it is remembered.
    void went(const pb::ProviderEvent& e, const std::string& company) {
        auto routed = handed_over<CallKind>(e, Owner{CompanyId{company}});
        rt::Envelope meta;
        std::vector<rt::In<otto::routed::v1::CallReported>> ins{{routed, meta}};
        rt::Sink sink("tenant-router/calls");
        rt::Out<otto::changes::v1::NumberProven> out(sink);
        auto tx = database.service.begin(pg::Scope::companies({CompanyId{company}}));
        router.remember(ins, tx, out);
        tx.commit();
    }
    void release() { router.release(database.service); }
    /// No longer tried each time because it is new.
    void hours_pass() { database.owner.execute("UPDATE held_events SET held_at = now() - interval '1 hour'"); }
    std::vector<std::string> waiting() {
        return database.texts(
            "SELECT kind || ': ' || reason || CASE WHEN conflict THEN ' (conflict)' ELSE '' END AS v FROM held_events WHERE "
            "released_at IS NULL ORDER BY received_at, event_id");
    }
    std::vector<std::string> sent() { return database.texts("SELECT key AS v FROM outbox ORDER BY id"); }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a call goes to who has its number for calls; what is proven for one that is not registered waits with the cure") {
    Companies known;
    for (std::string proven : {"org_a", ""}) {
        CHECK(known.said(call(kOurs, proven)) == "-> org_a");
        auto unregistered = std::get<Held>(route(call(kNobodys, proven), known.all, {}, kNow));
        CHECK(unregistered.reason == "No company found for tracking number " + kNobodys);
        CHECK(unregistered.cure.starts_with("Register the number with its company (POST /api/v1/numbers with provider twilio,"));
        CHECK(unregistered.seen);
        auto conflict = std::get<Held>(route(call(kAnotherCompanys, proven), known.all, {}, kNow));
        CHECK(conflict.reason.ends_with("belongs to another company than the one whose key signed"));
        CHECK(conflict.conflict);
    }
    known.purposes = {"text"};
    known.of(kAccountA).add("org_a", 2, kOurs, "token a");
    auto for_texts = std::get<Held>(route(call(kOurs, "org_a"), known.all, {}, kNow));
    CHECK(for_texts.cure.starts_with(
        "The number is registered for texts only: add the purpose voice (PATCH /api/v1/numbers/{id})"));
    known.purposes = {"voice"};
    known.add("org_a", 3, kOurs, "token a", {}, "suspended");
    CHECK(known.said(call(kOurs, "org_a")) == "The company is suspended");
    CHECK_FALSE(names_its_call(call(kOurs, "org_a")));
    CHECK_FALSE(names_its_call(formerly(recording("org_a"))));
}

TEST_CASE("what names its call alone is its company's, if that company's key or the deployment's proves it") {
    Companies known;
    const JobOwner of_a{kA, kTheirs}, of_b{kB, "+12025550155"};
    CHECK(known.said(recording("org_a"), {of_a}) == "-> org_a");
    CHECK(known.said(leg("org_a"), {of_a}) == "-> org_a");
    CHECK(known.said(recording(""), {of_a}) == "-> org_a");
    CHECK(known.said(recording("", kSubaccount), {of_a}) == "-> org_a");  // a subaccount, which nobody has named
    auto owner = std::get<Owner>(known.decide(recording("org_a"), {of_a}));
    CHECK(owner.phone == kTheirs);
    auto routed = handed_over<CallKind>(recording("org_a"), owner);
    CHECK(routed.phone() == kTheirs);  // in order with what else came of the call
    CHECK(routed.call().customer_phone().empty());
    CHECK(routed.receipt().proven_company_id() == "org_a");
    CHECK(routed.kind() == "call.recording");

    auto before = known.held(recording("org_a"), {});
    CHECK(before.reason == "No call " + kCall + " is on record");
    CHECK((before.held_for == kA && !before.conflict && !before.seen));
    CHECK(known.held(recording("", kSubaccount, "token x"), {}).held_for.value().empty());

    for (const auto& e : {recording("org_b", kAccountB, "token b"), recording("", kAccountB, "token b")}) {
        auto conflict = known.held(e, {of_a});
        CHECK(conflict.reason == "The call " + kCall + " belongs to another company than the one whose key signed");
        CHECK((conflict.conflict && conflict.held_for == kB));
        CHECK(known.said(e, {of_a, of_b}) == "-> org_b");  // whoever has a call of that name too
    }
    auto forged = known.held(recording("", kSubaccount, "token x"), {of_a});
    CHECK(forged.reason == "The signature does not match the key of the owner of call " + kCall);
    CHECK((forged.held_for == kA && !forged.conflict));
    known.of(kAccountA).add("org_a", 2, kOurs, "");
    CHECK(known.held(recording("", kSubaccount), {of_a}).reason == "The owner of call " + kCall + " has set no signing key");
    CHECK(reason(known.decide(recording("", kSubaccount), {of_a}, {"twilio"})) == "-> org_a");
    CHECK(std::get<Owner>(known.decide(recording("", kSubaccount), {of_a}, {"twilio"})).unsigned_);
    CHECK(reason(known.decide(recording("", kAccountB, "token x"), {of_a}, {"twilio"})).starts_with("The owner of call"));
    // Two companies on one account.
    known.of(kAccountB).add("org_a", 3, kOurs, "token b");
    CHECK(known.said(recording("org_b", kAccountB, "token b"), {of_a}) == "-> org_a");
    known.add("org_a", 4, kOurs, "token b", {}, "suspended");
    CHECK(known.said(recording("org_b", kAccountB, "token b"), {of_a}) == "The company is suspended");
}

TEST_CASE("what the deployment's account proves of a call is the call's company's") {
    Companies known;
    const JobOwner of_a{kA, kTheirs}, of_b{kB, kTheirs};
    const ingress::DeploymentAccount deployment{kDeployments, {{Secret("token d")}, ""}};
    auto owner = std::get<Owner>(known.decide(by_deployment(recording("", kDeployments, "token d")), {of_b}));
    CHECK((owner.company == kB && owner.by_deployment));
    CHECK(handed_over<CallKind>(recording(""), owner).receipt().proven_by_deployment());
    CHECK(std::get<Owner>(known.decide(recording("", kDeployments, "token d"), {of_a}, {}, deployment))
              .by_deployment);  // it had no token then
    CHECK(reason(known.decide(recording("", kDeployments, "token x"), {of_a}, {}, deployment))
              .starts_with("The signature does not match"));
    CHECK(known.held(by_deployment(recording("", kDeployments, "token d")), {}).held_for.value().empty());
    auto both = known.held(by_deployment(recording("", kDeployments, "token d")), {of_a, of_b});
    CHECK(both.reason == "The call " + kCall + " is on record for several companies");
    CHECK(both.conflict);
}

TEST_CASE("a recording that comes before its call waits for it, and costs nothing meanwhile", "[integration]") {
    Running r;
    CHECK(r.arrives(recording("org_a")) == 0);
    CHECK(r.arrives(leg("org_a")) == 0);
    CHECK(r.arrives(recording("org_a", kAccountA, "token a", "CA" + std::string(32, '9'))) == 0);
    CHECK(r.arrives(recording("org_b", kAccountB, "token b")) == 0);
    r.release();
    r.hours_pass();
    CHECK(r.waiting().size() == 4);
    CHECK(r.database.value("SELECT DISTINCT array_to_string(waits_for, ' ') AS v FROM held_events WHERE kind = 'call.status'") ==
          kCall);
    // The record of what waits is not read.
    CHECK(r.database.value("SELECT count(*)::text AS v FROM held_events WHERE asked_at IS NOT NULL") == "0");
    r.went(call(kOurs, "org_a"), "org_a");
    CHECK(r.database.value("SELECT concat_ws(' ', provider, provider_call_id, company_id, phone) AS v FROM provider_calls") ==
          "twilio " + kCall + " org_a " + kTheirs);
    r.release();
    CHECK(r.sent() == Texts{"org_a:" + kTheirs, "org_a:" + kTheirs});
    CHECK(r.database.texts("SELECT kind AS v FROM held_events WHERE released_to = 'org_a' ORDER BY 1") ==
          Texts{"call.recording", "call.status"});
    CHECK(r.database.texts("SELECT reason || ' ' || conflict AS v FROM held_events WHERE released_at IS NULL ORDER BY 1") ==
          Texts{"No call CA" + std::string(32, '9') + " is on record false",
                "The call " + kCall + " belongs to another company than the one whose key signed true"});
    // At once by now; by its leg's name too.
    CHECK(r.arrives(recording("org_a")) == 1);
    r.went(leg("org_a"), "org_a");
    CHECK(r.arrives(recording("org_a", kAccountA, "token a", kLeg)) == 1);
    CHECK(r.arrives(recording("org_b", kAccountB, "token b")) == 0);
    CHECK(r.arrives(by_deployment(recording("", kDeployments, "token d"))) == 1);
}

TEST_CASE("what former versions held of calls is read from its receipt and goes on at the router's start, under its own id",
          "[integration]") {
    Running r;
    auto id = [](const std::string& name) { return Uuid::v5(Uuid{}, name); };
    int n = 0;
    auto held = [&](const std::string& name, const pb::ProviderEvent& now) {
        auto e = formerly(now);
        const auto& receipt = e.receipt();
        r.database.write(
            "INSERT INTO held_events (event_id, provider, kind, reason, cure, number, verdict, proven_company_id, "
            "request_target, "
            "content_type, signature_headers, raw_body, record, received_at, held_at, concerns, held_for) VALUES ($1, 'twilio', "
            "$2, "
            "'Not understood: calls of Twilio are not recorded yet', 'Look at its body.', nullif($3, ''), $4, nullif($5, ''), "
            "$6, $7, '[]', "
            "$8, $9, $10, now() - interval '1 day', ARRAY['x'], nullif($5, ''))",
            {id(name), e.kind(), e.addressee().number(), receipt.verdict() == pb::VERDICT_OPEN ? "open" : "authentic",
             receipt.proven_company_id(), receipt.request_target(), receipt.content_type(), pg::Param::bytes(receipt.raw_body()),
             pg::Param::bytes(e.SerializeAsString()), from_micros(receipt.received_at_us() + ++n)});
    };
    const std::string formerly_at = "/api/v1/twilio-webhook";
    held("proven", call(kOurs, "org_a", kAccountA, "token a", formerly_at));
    held("open", call(kOurs, "", kAccountA, "token a", "/sms/twilio-webhook"));
    held("forged", call(kOurs, "", kAccountA, "token x", formerly_at));
    held("nobody's", call(kNobodys, "org_a", kAccountA, "token a", formerly_at));
    held("another's", call(kAnotherCompanys, "org_a", kAccountA, "token a", formerly_at));
    held("recorded", recording("org_a", kAccountA, "token a", kCall, formerly_at));
    r.release();
    CHECK(r.sent() == Texts{"org_a:" + kTheirs, "org_a:" + kTheirs});
    CHECK(r.waiting() == Texts{"call.incoming: The signature does not match the key of the owner of tracking number " + kOurs,
                               "call.incoming: No company found for tracking number " + kNobodys,
                               "call.incoming: Tracking number " + kAnotherCompanys +
                                   " belongs to another company than the one whose key signed (conflict)",
                               "call.recording: No call " + kCall + " is on record"});
    std::vector<std::string> ids;
    for (auto name : {"proven", "open"})
        ids.push_back(
            events::derived_event_id(EventId{id(name)}, "tenant-router", "otto.routed.v1.CallReported", 0).value().to_string());
    CHECK(r.database.texts("SELECT (SELECT h ->> 1 FROM jsonb_array_elements(headers) h WHERE h ->> 0 = 'ce_id') AS v FROM "
                           "outbox ORDER BY id") == ids);
    r.went(call(kOurs, "org_a"), "org_a");
    r.release();
    CHECK(r.sent().size() == 3);
    r.known.of(kAccountA).add("org_a", 2, kNobodys, "token a");
    r.release();
    CHECK(r.database.value("SELECT released_to AS v FROM held_events WHERE number = '" + kNobodys + "'") == "org_a");
}
