// Texts of CallRail: whose they are, which end is ours, and what former versions, which recorded none, left waiting.
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

/// As the ingress makes it of what CallRail posted, signed with `key`; `proven`: whom the ingress found it to be of.
pb::ProviderEvent posted(const std::string& body, const std::string& proven, const std::string& key = "key a") {
    pb::Receipt r;
    r.set_provider("callrail");
    r.set_request_target("/sms/callrail-webhook");
    r.set_content_type("application/json");
    r.set_raw_body(body);
    r.set_received_at_us(to_micros(kNow));
    r.set_verdict(proven.empty() ? pb::VERDICT_OPEN : pb::VERDICT_AUTHENTIC);
    r.set_proven_company_id(proven);
    auto* h = r.add_headers();
    h->set_name("signature");
    h->set_value(base64_encode(hmac_sha1(key, body)));
    auto parts = providers::Parts::of(r);
    auto e = *providers::webhook_of("callrail")->read(parts)->normalize(parts).event;
    e.mutable_receipt()->Swap(&r);
    return e;
}
pb::ProviderEvent text(const std::string& from, const std::string& to, const std::string& proven,
                       const std::string& key = "key a", const std::string& more = "") {
    return posted(R"({"resource_id":"SCI1","source_number":")" + from + R"(","destination_number":")" + to +
                      R"(","content":"How much is a roof?")" + more + "}",
                  proven, key);
}

/// What a former version made of the same: of its report nothing is left but that it was number 12.
pb::ProviderEvent formerly(pb::ProviderEvent e, const std::string& not_understood = "") {
    e.set_kind(e.kind() == "message.sent" ? "text.sent" : "text.received");
    e.clear_message();
    e.mutable_addressee()->clear_other_number();
    e.set_not_understood(not_understood);
    const std::string id = "SCI1", report = "\x0a" + std::string(1, static_cast<char>(id.size())) + id;
    e.GetReflection()->MutableUnknownFields(&e)->AddLengthDelimited(12, report);
    return e;
}

struct Companies : Known {
    Companies() {
        purposes = {"voice", "text"};
        add("org_a", 1, kOurs, "key a");
        add("org_b", 1, kAnotherCompanys, "key b");
    }
    Decision decide(const pb::ProviderEvent& e, std::vector<std::string> allowed = {}) { return route(e, all, allowed, kNow); }
};

}  // namespace

TEST_CASE("a text goes to the company whose key proves it, in the direction in which its number says it went") {
    Companies known;
    auto direction = [&](const pb::ProviderEvent& e) {
        auto decision = known.decide(e);
        if (!std::holds_alternative<Owner>(decision)) return reason(decision);
        auto out = tenant_router::handed_over<MessageKind>(e, std::get<Owner>(decision));
        CHECK(out.message().status() == (out.message().direction() == "inbound" ? "received" : "sent"));
        CHECK(out.kind() == (out.message().direction() == "inbound" ? "message.received" : "message.sent"));
        CHECK(out.message().body() == "How much is a roof?");
        CHECK(out.receipt().proven_company_id() == out.company_id());
        return out.company_id() + " " + out.message().direction() + " " + out.message().company_number() + " " + out.phone();
    };
    const std::string received = "org_a inbound " + kOurs + " " + kTheirs, sent = "org_a outbound " + kOurs + " " + kTheirs;
    for (std::string proven : {"org_a", ""}) {
        CHECK(direction(text(kTheirs, kOurs, proven)) == received);
        CHECK(direction(text(kOurs, kTheirs, proven, "key a", R"(,"agent":"Ann")")) == sent);
        CHECK(direction(text(kOurs, kTheirs, proven)) == sent);  // of a program, which names no agent
        CHECK(direction(text(kTheirs, kOurs, proven, "key a", R"(,"agent":"Ann")")) == received);
    }
    CHECK(direction(text("74483", kOurs, "org_a")) == "org_a inbound " + kOurs + " SCI1");
    // A number of a pool, from a number of another company's: nothing is turned, and that company has no part in it.
    CHECK(direction(text(kAnotherCompanys, kNobodys, "org_a")) == "org_a inbound " + kNobodys + " " + kAnotherCompanys);
    CHECK(reason(known.decide(text(kTheirs, kAnotherCompanys, "org_a"))) ==
          "Tracking number " + kAnotherCompanys + " belongs to another company than the one whose key signed");
    // From one of the company's own numbers to the other.
    known.add("org_a", 2, kOurs, "key a");
    CHECK(direction(text(kOurs, kOurs, "org_a")) == "org_a inbound " + kOurs + " " + kOurs);
}

TEST_CASE("a text that nobody's key proves waits, and the cure says what lacks") {
    Companies known;
    CHECK(reason(known.decide(text(kTheirs, kOurs, "", "another key"))).starts_with("The signature does not match the key"));
    auto unowned = std::get<Held>(known.decide(text(kTheirs, kNobodys, "", "another key")));
    CHECK(unowned.reason == "No company found for tracking number " + kNobodys);
    CHECK(unowned.cure.starts_with("Register the number"));
    // Whoever wrote, no key but the number's own is asked.
    CHECK(reason(known.decide(text(kAnotherCompanys, kNobodys, "", "another key"))) ==
          "No company found for tracking number " + kNobodys);
    known.purposes = {"voice"};
    known.add("org_a", 2, kOurs, "key a");
    auto for_calls = std::get<Held>(known.decide(text(kTheirs, kOurs, "")));
    CHECK(for_calls.reason == "No company found for tracking number " + kOurs);
    CHECK(for_calls.cure.starts_with("The number is registered for calls only: add the purpose text"));
    CHECK(reason(known.decide(text(kTheirs, kOurs, "org_a"))) == "-> org_a");  // CallRail's numbers come and go
    known.add("org_a", 3, kOurs, "", {}, "suspended");
    CHECK(reason(known.decide(text(kTheirs, kOurs, "org_a"))) == "The company is suspended");
}

TEST_CASE("an event of a former version that comes after an upgrade is a text like any other") {
    Companies known;
    auto e = formerly(text(kTheirs, kOurs, "org_a"));
    pb::ProviderEvent arrived;
    REQUIRE(events::parse_into(arrived, e.SerializeAsString()));
    REQUIRE(read_anew(arrived));
    CHECK(arrived.kind() == "message.received");
    CHECK(arrived.message().body() == "How much is a roof?");
    CHECK(arrived.receipt().SerializeAsString() == e.receipt().SerializeAsString());
    CHECK(arrived.addressee().other_number() == kTheirs);
    CHECK_FALSE(read_anew(arrived));  // once is enough
    auto lost = posted("no json", "org_a");
    CHECK_FALSE(read_anew(lost));
    CHECK(reason(known.decide(lost)).starts_with("Not understood: the body is no JSON"));
    auto swept = formerly(text(kTheirs, kOurs, "org_a"), "an odd answer");
    swept.mutable_receipt()->set_swept(true);
    CHECK_FALSE(read_anew(swept));
}

TEST_CASE("what former versions held of texts is read from its receipt and goes on at the router's start, under its own id",
          "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto& db = database.service;
    Companies known;
    auto id = [](const std::string& name) { return Uuid::v5(Uuid{}, name); };
    int n = 0;
    auto held = [&](const std::string& name, const pb::ProviderEvent& e, const std::string& why) {
        const auto& r = e.receipt();
        database.write(
            "INSERT INTO held_events (event_id, provider, kind, reason, cure, number, verdict, proven_company_id, "
            "request_target, "
            "content_type, signature_headers, raw_body, record, received_at, held_at, concerns, held_for) VALUES ($1, "
            "'callrail', "
            "$2, $3, 'Nothing to do.', $4, $5, nullif($6, ''), $7, $8, '[]', $9, $10, $11, now() - interval '1 day', ARRAY['x'], "
            "nullif($6, ''))",
            {id(name), e.kind(), why, e.addressee().number(), r.verdict() == pb::VERDICT_OPEN ? "open" : "authentic",
             r.proven_company_id(), r.request_target(), r.content_type(), pg::Param::bytes(r.raw_body()),
             pg::Param::bytes(e.SerializeAsString()), from_micros(r.received_at_us() + ++n)});
    };
    const std::string formerly_said = "Texts are not recorded yet; it flows on once they are";
    held("proven", formerly(text(kTheirs, kOurs, "org_a")), formerly_said);
    held("sent", formerly(text(kOurs, kTheirs, "org_a", "key a", R"(,"agent":"Ann")")), formerly_said);
    held("open", formerly(text(kTheirs, kOurs, "")), "The owner of tracking number " + kOurs + " has set no signing key");
    held("not understood", formerly(text(kTheirs, kOurs, ""), "a form of another day"), "Not understood: a form of another day");
    held("nobody's", formerly(text(kTheirs, kNobodys, "", "a key of nobody's")),
         "No company found for tracking number " + kNobodys);
    held("another's", formerly(text(kTheirs, kAnotherCompanys, "org_a")), formerly_said);
    auto odd = posted("[]", "org_a");
    held("never", odd, "Not understood: the body is no JSON object");
    Router router(known.all, {});
    router.release(db);
    CHECK(database.texts(
              "SELECT kind || ' ' || coalesce(released_to, '-') || ' ' || reason AS v FROM held_events ORDER BY received_at") ==
          std::vector<std::string>{"message.received org_a " + formerly_said, "message.sent org_a " + formerly_said,
                                   "message.received org_a The owner of tracking number " + kOurs + " has set no signing key",
                                   "message.received org_a Not understood: a form of another day",
                                   "message.received - No company found for tracking number " + kNobodys,
                                   "message.received - Tracking number " + kAnotherCompanys +
                                       " belongs to another company than the one whose key signed",
                                   "message.received - Not understood: the body is no JSON object"});
    CHECK(database.value("SELECT concat_ws(' ', held_for, conflict) AS v FROM held_events WHERE number = '" + kAnotherCompanys +
                         "'") == "org_a t");
    CHECK(database.value("SELECT array_to_string(concerns, ' ') AS v FROM held_events WHERE number = '" + kNobodys + "'") ==
          "number:" + kNobodys + " number:" + kTheirs + " message:SCI1");
    // Under the ids that they would have had at once.
    std::vector<std::string> ids;
    for (auto name : {"proven", "sent", "open", "not understood"})
        ids.push_back(events::derived_event_id(EventId{id(name)}, "tenant-router", "otto.routed.v1.MessageReported", 0)
                          .value()
                          .to_string());
    CHECK(database.texts(
              "SELECT (SELECT h ->> 1 FROM jsonb_array_elements(headers) h WHERE h ->> 0 = 'ce_id') AS v FROM outbox ORDER "
              "BY id") == ids);
    CHECK(database.texts("SELECT DISTINCT key AS v FROM outbox") == std::vector<std::string>{"org_a:" + kTheirs});
    // The reason stays, and the cure becomes another one.
    known.purposes = {"voice"};
    known.add("org_c", 1, kNobodys, "a key of nobody's");
    router.release(db);
    CHECK(database.value("SELECT cure AS v FROM held_events WHERE number = '" + kNobodys + "'")
              .starts_with("The number is registered for calls only: add the purpose text"));
    known.purposes = {"text"};
    // What stays is kept as it is read now, and goes on when its number is registered.
    known.add("org_c", 2, kNobodys, "a key of nobody's");
    router.release(db);
    CHECK(database.value("SELECT released_to AS v FROM held_events WHERE number = '" + kNobodys + "'") == "org_c");
}

TEST_CASE("a text that a company's key proves is remembered, shows its number, and proves it", "[integration]") {
    testkit::Database database("otto_tenant_router");
    auto& db = database.service;
    Companies known;
    known.standing = otto::directory::v1::STANDING_UNPROVEN;
    known.add("org_a", 2, kOurs, "key a");
    Router router(known.all, {});
    auto remembered = [&](const std::vector<pb::ProviderEvent>& batch) {
        std::vector<otto::routed::v1::MessageReported> messages;
        std::vector<rt::Envelope> metas(batch.size());
        for (const auto& e : batch) messages.push_back(tenant_router::handed_over<MessageKind>(e, Owner{CompanyId{"org_a"}}));
        std::vector<rt::In<otto::routed::v1::MessageReported>> ins;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            metas[i].id = EventId{Uuid::v5(Uuid{}, std::to_string(i))};
            ins.push_back({messages[i], metas[i]});
        }
        rt::Sink sink("tenant-router/calls");
        rt::Out<otto::changes::v1::NumberProven> out(sink);
        auto tx = db.begin(pg::Scope::companies({CompanyId{"org_a"}}));
        router.remember_messages(ins, tx, out);
        tx.commit();
        return sink.size();
    };
    CHECK(remembered({text(kTheirs, kOurs, "org_a"), text(kTheirs, kNobodys, "org_a")}) == 1);
    CHECK(database.value("SELECT concat_ws(' ', provider, provider_call_id, company_id, phone) AS v FROM provider_calls") ==
          "callrail message:SCI1 org_a " + kTheirs);
    const std::string seen =
        "SELECT concat_ws(' ', company_id, e164, provider, array_to_string(purposes, '+')) AS v FROM seen_numbers ORDER BY 1";
    CHECK(database.value(seen) == "org_a " + kNobodys + " callrail text");
    auto e = event(kNobodys, pb::VERDICT_AUTHENTIC, "org_a");
    auto call = tenant_router::handed_over<CallKind>(e, Owner{CompanyId{"org_a"}});
    rt::Envelope meta;
    std::vector<rt::In<otto::routed::v1::CallReported>> ins{{call, meta}};
    rt::Sink sink("tenant-router/calls");
    rt::Out<otto::changes::v1::NumberProven> out(sink);
    auto tx = db.begin(pg::Scope::companies({CompanyId{"org_a"}}));
    router.remember(ins, tx, out);
    tx.commit();
    CHECK(database.value(seen) == "org_a " + kNobodys + " callrail text+voice");
}
