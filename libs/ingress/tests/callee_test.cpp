// Whom a call is for, as the directory knows it: only the company whose key proved the call hears of its flow.
#include "ingress/callee.hpp"
#include "base/crypto.hpp"
#include "heard_streams.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "testing/catch.hpp"

using namespace otto;
using ingress::Judgement, ingress::Verdict;

namespace {

const std::string kNumber = "+12025550101", kSecond = "+12025550103", kForTexts = "+12025550104", kOfCallRail = "+12025550105",
                  kFormer = "+12025550106", kOther = "+12025550102", kCaller = "+16025550123";
const Instant kNow = system_clock().now();

directory::v1::CompanyProfile profile(const std::string& id, std::int64_t version = 1) {
    directory::v1::CompanyProfile m;
    m.set_company_id(id);
    m.set_version(version);
    m.set_status("active");
    m.set_timezone("America/Phoenix");
    m.set_call_flow_json(R"({"consent_notice":"We record."})");
    return m;
}
directory::v1::Number& add(directory::v1::CompanyProfile& m, const std::string& e164, const std::string& provider = "twilio",
                           const std::string& purpose = "voice") {
    auto& n = *m.add_numbers();
    n.set_e164(e164);
    n.add_purposes(purpose);
    n.set_provider(provider);
    n.set_voicemail_enabled(true);
    return n;
}

struct World {
    directory::Companies all{{"", "t", "", *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k'))))}};
    World() {
        auto a = profile("org_a");
        add(a, kNumber).set_voicemail_enabled(false);
        add(a, kSecond);
        add(a, kForTexts, "twilio", "text");
        add(a, kOfCallRail, "callrail");
        add(a, kFormer).set_valid_to_us(to_micros(kNow) - 1);
        apply(a);
        auto b = profile("org_b");
        add(b, kOther);
        apply(b);
    }
    void apply(const directory::v1::CompanyProfile& m) { all.apply(m.company_id(), m.SerializeAsString()); }
    std::optional<providers::Callee> of(const std::string& number, const std::string& proven = "org_a",
                                        Verdict verdict = Verdict::authentic, const std::string& from = kCaller) const {
        Judgement j{verdict};
        j.company = CompanyId{proven};
        inbound::v1::Addressee to;
        to.set_number(number);
        return ingress::callee_of(all, j, to, from, "https://otto.example", kNow);
    }
};

}  // namespace

TEST_CASE("the callee is the number's company, with what its flow needs") {
    World w;
    auto callee = w.of(kNumber);
    REQUIRE(callee);
    CHECK((callee->company_id == "org_a" && callee->active && callee->number == kNumber));
    CHECK(callee->timezone == "America/Phoenix");
    CHECK(callee->call_flow == R"({"consent_notice":"We record."})");
    CHECK_FALSE(callee->voicemail);
    CHECK(w.of(kSecond)->voicemail);
    CHECK(callee->own_numbers == std::vector<std::string>{kNumber, kSecond});  // those of Twilio's for calls, now
    CHECK(callee->public_url == "https://otto.example");
    CHECK_FALSE(callee->caller_is_ours);
    for (const auto& ours : {kNumber, kOther, kForTexts, kOfCallRail})
        CHECK(w.of(kNumber, "org_a", Verdict::authentic, ours)->caller_is_ours);
    for (const auto& nobody : {kFormer, std::string("anonymous"), std::string("sip:x@y")})
        CHECK_FALSE(w.of(kNumber, "org_a", Verdict::authentic, nobody)->caller_is_ours);
    CHECK(w.of(kNumber, "org_a", Verdict::unsigned_));
}

TEST_CASE("a call to a number that is nobody's, another's or for texts, or that no key proves, has no callee") {
    World w;
    for (const auto& number : {std::string(), std::string("+12025550199"), kForTexts, kFormer, kOther}) {
        INFO(number);
        CHECK_FALSE(w.of(number));
    }
    CHECK_FALSE(w.of(kNumber, "org_b"));
    CHECK_FALSE(w.of(kNumber, ""));  // of the deployment's account, where several have it
    CHECK_FALSE(w.of(kNumber, "org_a", Verdict::open));
    CHECK_FALSE(w.of(kNumber, "org_a", Verdict::forged));
    CHECK_FALSE(w.of(kNumber, "org_nobody"));
    auto b = profile("org_b", 2);
    add(b, kNumber);
    w.apply(b);
    CHECK(w.of(kNumber)->company_id == "org_a");           // who has written it down too takes nobody's calls
    CHECK(w.of(kNumber, "org_b")->company_id == "org_b");  // whose key proved it
    auto a = profile("org_a", 2);
    a.set_status("suspended");
    add(a, kNumber);
    w.apply(a);
    REQUIRE(w.of(kNumber));
    CHECK_FALSE(w.of(kNumber)->active);
}

TEST_CASE("a caller's number that somebody merely writes down does not keep him from being put through") {
    namespace pb = directory::v1;
    World w;
    auto caller_is_ours = [&](bool by_deployment, Verdict verdict = Verdict::authentic) {
        Judgement j{verdict};
        j.company = CompanyId{"org_a"};
        j.by_deployment = by_deployment;
        inbound::v1::Addressee to;
        to.set_number(kNumber);
        return ingress::callee_of(w.all, j, to, kCaller, "https://otto.example", kNow)->caller_is_ours;
    };
    std::int64_t version = 1;
    for (const std::string purpose : {"voice", "text"})
        for (const auto& [standing, ours] :
             {std::pair{pb::STANDING_UNPROVEN, false}, {pb::STANDING_PROVEN, true}, {pb::STANDING_FINAL, true}}) {
            INFO(purpose << " " << standing);
            auto b = profile("org_b", ++version);
            add(b, kCaller, "callrail", purpose).set_standing(standing);
            w.apply(b);
            CHECK(caller_is_ours(false) == ours);
            CHECK(caller_is_ours(true));  // of the deployment's account, whose calls prove no number: it could go in circles
            CHECK(caller_is_ours(false, Verdict::unsigned_));
        }
}

TEST_CASE("a number that is written down for another provider and rings here is answered") {
    World w;
    auto callee = w.of(kOfCallRail);
    REQUIRE(callee);
    CHECK(callee->number == kOfCallRail);
    CHECK(callee->own_numbers == std::vector<std::string>{kNumber, kSecond, kOfCallRail});
}

TEST_CASE("what a stream said last is known while its call is among the latest") {
    ingress::HeardStreams streams(2);
    CHECK(streams.of("AC1 CA1").empty());
    streams.heard("AC1 CA1", "stream-started");
    streams.heard("AC1 CA1", "stream-error");
    CHECK(streams.of("AC1 CA1") == "stream-error");
    CHECK(streams.of("AC2 CA1").empty());  // another account's is another call
    streams.heard("AC1 CA2", "stream-started");
    streams.heard("AC1 CA3", "stream-stopped");
    CHECK(streams.of("AC1 CA1").empty());
    CHECK((streams.of("AC1 CA2") == "stream-started" && streams.of("AC1 CA3") == "stream-stopped"));
}
