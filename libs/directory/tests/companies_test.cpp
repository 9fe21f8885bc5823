#include <unistd.h>

#include "directory/companies.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::directory;

namespace {

KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }

otto::directory::v1::CompanyProfile company(const std::string& id, std::int64_t version, const std::string& number) {
    otto::directory::v1::CompanyProfile m;
    m.set_company_id(id);
    m.set_version(version);
    m.set_status("active");
    auto* n = m.add_numbers();
    n->set_e164(number);
    n->add_purposes("voice");
    m.add_callrail_company_ids("COM" + id);
    auto* k = m.add_callrail_signing_keys();
    k->set_column("callrail_signing_key");
    k->set_sealed(ring().seal(Secret("secret of " + id), seal_place(id, "callrail_signing_key")));
    return m;
}

Instant at(int second) { return Instant{} + std::chrono::seconds(second); }

}  // namespace

TEST_CASE("a number's owner is the company that has it for that purpose at that moment") {
    Companies all({"", "t", "", ring()});
    auto a = company("a", 1, "+12025550100");
    a.mutable_numbers(0)->set_valid_to_us(to_micros(at(100)));
    auto b = company("b", 1, "+12025550100");
    b.mutable_numbers(0)->set_valid_from_us(to_micros(at(100)));
    all.apply("a", a.SerializeAsString());
    all.apply("b", b.SerializeAsString());
    REQUIRE(all.owners("+12025550100", Purpose::voice, at(99)).size() == 1);
    CHECK(all.owners("+12025550100", Purpose::voice, at(99))[0]->id.value() == "a");
    CHECK(all.owners("+12025550100", Purpose::voice, at(100))[0]->id.value() == "b");
    CHECK(all.owners("+12025550100", Purpose::text, at(100)).empty());
    CHECK(all.owners("+12025550199", Purpose::voice, at(100)).empty());
    auto by_id = all.candidates({"", Purpose::voice, {"COMb"}, "", ""}, at(0), at(0));
    REQUIRE(by_id.size() == 1);
    CHECK(by_id[0].company->id.value() == "b");
    CHECK(all.find(CompanyId{"a"})->keys_at(at(0))[0].secret.reveal() == "secret of a");
}

TEST_CASE("how sure a number's owner is, and whether a key is the provider's own, travel with the company; what an older record does not say counts as proven") {
    Companies all({"", "t", "", ring()});
    auto a = company("a", 1, "+12025550100");
    for (auto standing : {otto::directory::v1::STANDING_UNPROVEN, otto::directory::v1::STANDING_PROVEN, otto::directory::v1::STANDING_FINAL}) {
        *a.add_numbers() = a.numbers(0);
        a.mutable_numbers(a.numbers_size() - 1)->set_standing(standing);
    }
    *a.add_callrail_signing_keys() = a.callrail_signing_keys(0);
    a.mutable_callrail_signing_keys(1)->set_from_provider(true);
    all.apply("a", a.SerializeAsString());
    auto profile = all.find(CompanyId{"a"});
    REQUIRE(profile->numbers.size() == 4);
    CHECK(profile->numbers[0].standing == Standing::proven);
    CHECK(profile->numbers[1].standing == Standing::unproven);
    CHECK(profile->numbers[2].standing == Standing::proven);
    CHECK(profile->numbers[3].standing == Standing::final_);
    CHECK((Standing::unproven < Standing::proven && Standing::proven < Standing::final_));
    REQUIRE(profile->callrail_keys.size() == 2);
    CHECK_FALSE(profile->callrail_keys[0].from_provider);
    CHECK(profile->callrail_keys[1].from_provider);
}

namespace {

std::vector<std::string> ids_of(const std::vector<Candidate>& candidates) {
    std::vector<std::string> out;
    for (const auto& c : candidates) out.push_back(c.company->id.value() + (c.owns_at ? " then" : "") + (c.owns_now ? " now" : ""));
    return out;
}
using Ids = std::vector<std::string>;
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("an event could be of the number's owners at its own time and now, of whom its ids name, and of whom it claims, in this order") {
    Companies all({"", "t", "", ring()});
    auto a = company("a", 1, "+12025550100"), b = company("b", 1, "+12025550100");
    a.mutable_numbers(0)->set_valid_to_us(to_micros(at(100)));
    b.mutable_numbers(0)->set_valid_from_us(to_micros(at(100)));
    auto c = company("c", 1, "+12025550177");
    c.set_callrail_account_id("ACC");
    for (const auto* m : {&a, &b, &c}) all.apply(m->company_id(), m->SerializeAsString());
    Asked asked{"+12025550100", Purpose::voice, {}, "ACC", "d"};
    CHECK(ids_of(all.candidates(asked, at(99), at(200))) == Ids{"a then", "b now", "c"});
    CHECK(ids_of(all.candidates(asked, at(100), at(200))) == Ids{"b then now", "c"});
    asked.claimed_company = "a";
    CHECK(ids_of(all.candidates(asked, at(150), at(200))) == Ids{"b then now", "c", "a"});
    asked = {"", Purpose::voice, {"COMb", "COMc", "COMnobody"}, "ACC", ""};
    CHECK(ids_of(all.candidates(asked, at(0), at(0))) == Ids{"b", "c"});
    c.set_version(2);
    c.set_status("suspended");
    all.apply("c", c.SerializeAsString());
    CHECK(ids_of(all.candidates(asked, at(0), at(0))) == Ids{"b", "c"});  // whose it is does not change with that
}

TEST_CASE("of many companies that claim one account sixteen are tried, and among them whoever the provider has confirmed") {
    Companies all({"", "t", "", ring()});
    for (int i = 0; i < 40; ++i) {
        auto id = "squatter" + std::to_string(100 + i);
        auto m = company(id, 1, "+1202555" + std::to_string(1000 + i));
        m.set_callrail_account_id("ACC");
        all.apply(id, m.SerializeAsString());
    }
    auto owner = company("true owner", 1, "+12025550100");
    owner.set_callrail_account_id("ACC");
    owner.mutable_callrail_signing_keys(0)->set_from_provider(true);
    all.apply("true owner", owner.SerializeAsString());
    auto found = all.candidates({"", Purpose::voice, {}, "ACC", ""}, at(0), at(0));
    REQUIRE(found.size() == 16);
    CHECK(found[0].company->id.value() == "true owner");
}

TEST_CASE("only an owner with the provider's word holds up what another company's key proves") {
    using namespace otto::directory::v1;
    auto holds_up = [](auto standing, const std::string& signer, int second) {
        Companies all({"", "t", "", ring()});
        auto a = company("a", 1, "+12025550100");
        a.mutable_numbers(0)->set_standing(standing);
        a.mutable_numbers(0)->set_valid_to_us(to_micros(at(100)));
        all.apply("a", a.SerializeAsString());
        return contested(all.candidates({"+12025550100", Purpose::voice, {}, "", ""}, at(second), at(0)), CompanyId{signer});
    };
    CHECK(holds_up(STANDING_FINAL, "b", 99));
    CHECK_FALSE(holds_up(STANDING_FINAL, "a", 99));
    CHECK_FALSE(holds_up(STANDING_FINAL, "b", 100));  // it was not its number any more
    CHECK_FALSE(holds_up(STANDING_PROVEN, "b", 99));
    CHECK_FALSE(holds_up(STANDING_UNPROVEN, "b", 99));
}

TEST_CASE("the company that a webhook claims, the one at CallRail that it names beside it, and the signer must be one") {
    Companies all({"", "t", "", ring()});
    auto free = company("free", 1, "+12025550177");
    free.clear_callrail_company_ids();
    for (const auto& m : {company("a", 1, "+12025550100"), company("b", 1, "+12025550111"), free}) all.apply(m.company_id(), m.SerializeAsString());
    auto wrong = [&](const std::string& claimed, const std::string& mapped, const std::string& signer) {
        return all.mismatched({"", Purpose::voice, {mapped}, "", claimed, mapped}, CompanyId{signer});
    };
    CHECK_FALSE(wrong("a", "COMa", "a"));
    CHECK_FALSE(wrong("a", "COMa", ""));
    CHECK(wrong("a", "COMa", "b"));
    CHECK(wrong("a", "COMb", "a"));
    CHECK(wrong("a", "COMb", ""));
    CHECK(wrong("a", "COMnobody", "a"));
    CHECK(wrong("nobody", "COMa", ""));
    CHECK_FALSE(wrong("free", "COMnobody", "free"));
    CHECK(wrong("free", "COMa", "free"));
    CHECK_FALSE(wrong("", "COMa", "b"));
    CHECK_FALSE(wrong("a", "", "b"));
}

TEST_CASE("a change names what waits for it, and nothing else") {
    Companies all({"", "t", "", ring()});
    auto since = [&, last = std::uint64_t{0}]() mutable {
        auto changes = all.changed_since(last);
        last = changes.generation;
        REQUIRE(changes.names);
        return *changes.names;
    };
    auto a = company("a", 1, "+12025550100");
    auto apply = [&] {
        a.set_version(a.version() + 1);
        all.apply("a", a.SerializeAsString());
    };
    apply();
    CHECK(since() == Names{"callrail:COMa", "company:a", "number:+12025550100"});
    CHECK(since().empty());
    a.set_timezone("America/Phoenix");
    a.set_name("another");
    apply();
    CHECK(since().empty());
    auto* n = a.add_numbers();
    n->set_e164("+12025550111");
    n->add_purposes("voice");
    apply();
    CHECK(since() == Names{"number:+12025550111"});
    a.mutable_numbers(0)->set_standing(otto::directory::v1::STANDING_FINAL);
    apply();
    CHECK(since() == Names{"number:+12025550100"});
    a.set_callrail_account_id("ACC");
    apply();
    CHECK(since() == Names{"callrail:ACC", "company:a"});
    a.clear_callrail_signing_keys();
    apply();
    CHECK(since() == Names{"callrail:ACC", "callrail:COMa", "company:a", "number:+12025550100", "number:+12025550111"});
    all.apply("a", "");
    CHECK(since().size() == 5);
    CHECK(Asked{"+12025550100", Purpose::voice, {"COMa"}, "ACC", "a"}.names() == Names{"number:+12025550100", "callrail:COMa", "callrail:ACC", "company:a"});
    for (int i = 0; i < 30'000; ++i) all.apply("x", (company("x", i, "+1202" + std::to_string(5'000'000 + i))).SerializeAsString());
    CHECK_FALSE(all.changed_since(0).names);  // too long ago to say
    CHECK(all.changed_since(all.generation() - 1).names);
}

TEST_CASE("older versions are dropped, newer ones replace, an empty record removes, a suspended company owns nothing") {
    Companies all({"", "t", "", ring()});
    all.apply("a", company("a", 2, "+12025550100").SerializeAsString());
    all.apply("a", company("a", 1, "+12025550111").SerializeAsString());
    CHECK(all.owners("+12025550111", Purpose::voice, at(0)).empty());
    auto suspended = company("a", 3, "+12025550100");
    suspended.set_status("suspended");
    all.apply("a", suspended.SerializeAsString());
    CHECK(all.owners("+12025550100", Purpose::voice, at(0)).empty());
    all.apply("a", company("a", 4, "+12025550122").SerializeAsString());
    CHECK(all.owners("+12025550122", Purpose::voice, at(0)).size() == 1);
    all.apply("a", "");
    CHECK(all.size() == 0);
    CHECK(all.owners("+12025550122", Purpose::voice, at(0)).empty());
}

TEST_CASE("the snapshot brings the companies back without Kafka, keys still sealed in it") {
    char folder[] = "/tmp/otto-directory-XXXXXX";
    REQUIRE(::mkdtemp(folder));
    auto file = std::string(folder) + "/directory.snapshot";
    {
        Companies all({"127.0.0.1:1", "t", file, ring()});
        all.apply("a", company("a", 1, "+12025550100").SerializeAsString());
        all.start();
        all.stop();
    }
    Companies again({"127.0.0.1:1", "t", file, ring()});
    again.start();
    CHECK(again.ready());
    CHECK_FALSE(again.caught_up());
    CHECK(again.owners("+12025550100", Purpose::voice, at(0)).size() == 1);
    again.stop();
    std::string text;
    char buffer[4096];
    std::FILE* f = std::fopen(file.c_str(), "r");
    text.assign(buffer, std::fread(buffer, 1, sizeof buffer, f));
    std::fclose(f);
    CHECK(text.find("secret of") == std::string::npos);
}
