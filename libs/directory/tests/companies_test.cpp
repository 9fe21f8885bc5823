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
    CHECK(all.by_callrail({"COMb"}, "")[0]->id.value() == "b");
    CHECK(all.find(CompanyId{"a"})->keys_at(at(0))[0].reveal() == "secret of a");
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
