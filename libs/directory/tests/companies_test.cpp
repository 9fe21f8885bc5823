#include <unistd.h>

#include "directory/companies.hpp"

#include <fstream>
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
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
    auto& account = *m.add_accounts();
    account.set_provider("callrail");
    account.add_company_ids("COM" + id);
    auto* k = account.add_signing_keys();
    k->set_column("callrail_signing_key");
    k->set_sealed(ring().seal(Secret("secret of " + id), seal_place(id, "callrail_signing_key")));
    return m;
}

otto::inbound::v1::Addressee naming(const std::string& number, const std::vector<std::string>& ids = {},
                                    const std::string& account = "", const std::string& claimed = "",
                                    const std::string& mapped = "") {
    otto::inbound::v1::Addressee a;
    a.set_number(number);
    a.set_account_id(account);
    for (const auto& id : ids) a.add_provider_company_ids(id);
    a.set_claimed_company_id(claimed);
    a.set_mapped_company_id(mapped);
    return a;
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
    auto by_id = all.candidates("callrail", naming("", {"COMb"}), at(0), at(0));
    REQUIRE(by_id.size() == 1);
    CHECK(by_id[0].company->id.value() == "b");
    CHECK(
        all.candidates("another", naming("", {"COMb"}), at(0), at(0)).empty());  // an id at CallRail is none at another provider
    CHECK(all.find(CompanyId{"a"})->account("callrail").keys_at(at(0))[0]->secret.reveal() == "secret of a");
    CHECK(all.find(CompanyId{"a"})->account("another").keys_at(at(0)).empty());
}

TEST_CASE(
    "how sure a number's owner is, and whether a key is the provider's own, travel with the company; what an older record does "
    "not say counts as proven") {
    Companies all({"", "t", "", ring()});
    auto a = company("a", 1, "+12025550100");
    for (auto standing :
         {otto::directory::v1::STANDING_UNPROVEN, otto::directory::v1::STANDING_PROVEN, otto::directory::v1::STANDING_FINAL}) {
        *a.add_numbers() = a.numbers(0);
        a.mutable_numbers(a.numbers_size() - 1)->set_standing(standing);
    }
    *a.mutable_accounts(0)->add_signing_keys() = a.accounts(0).signing_keys(0);
    a.mutable_accounts(0)->mutable_signing_keys(1)->set_from_provider(true);
    all.apply("a", a.SerializeAsString());
    auto profile = all.find(CompanyId{"a"});
    REQUIRE(profile->numbers.size() == 4);
    CHECK(profile->numbers[0].standing == Standing::proven);
    CHECK(profile->numbers[1].standing == Standing::unproven);
    CHECK(profile->numbers[2].standing == Standing::proven);
    CHECK(profile->numbers[3].standing == Standing::final_);
    CHECK((Standing::unproven < Standing::proven && Standing::proven < Standing::final_));
    const auto& keys = profile->account("callrail").signing_keys;
    REQUIRE(keys.size() == 2);
    CHECK_FALSE(keys[0].from_provider);
    CHECK(keys[1].from_provider);
}

namespace {

std::vector<std::string> ids_of(const std::vector<Candidate>& candidates) {
    std::vector<std::string> out;
    for (const auto& c : candidates)
        out.push_back(c.company->id.value() + (c.owns_at ? " then" : "") + (c.owns_now ? " now" : ""));
    return out;
}
using Ids = std::vector<std::string>;
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "an event could be of the number's owners at its own time and now, of whom its ids name, and of whom it claims, in this "
    "order") {
    Companies all({"", "t", "", ring()});
    auto a = company("a", 1, "+12025550100"), b = company("b", 1, "+12025550100");
    a.mutable_numbers(0)->set_valid_to_us(to_micros(at(100)));
    b.mutable_numbers(0)->set_valid_from_us(to_micros(at(100)));
    auto c = company("c", 1, "+12025550177");
    c.mutable_accounts(0)->set_account_id("ACC");
    for (const auto* m : {&a, &b, &c}) all.apply(m->company_id(), m->SerializeAsString());
    auto asked = naming("+12025550100", {}, "ACC", "d");
    CHECK(ids_of(all.candidates("callrail", asked, at(99), at(200))) == Ids{"a then", "b now", "c"});
    CHECK(ids_of(all.candidates("callrail", asked, at(100), at(200))) == Ids{"b then now", "c"});
    asked.set_claimed_company_id("a");
    CHECK(ids_of(all.candidates("callrail", asked, at(150), at(200))) == Ids{"b then now", "c", "a"});
    asked = naming("", {"COMb", "COMc", "COMnobody"}, "ACC");
    CHECK(ids_of(all.candidates("callrail", asked, at(0), at(0))) == Ids{"b", "c"});
    c.set_version(2);
    c.set_status("suspended");
    all.apply("c", c.SerializeAsString());
    CHECK(ids_of(all.candidates("callrail", asked, at(0), at(0))) == Ids{"b", "c"});  // whose it is does not change with that
}

TEST_CASE("of many companies that claim one account sixteen are tried, and among them whoever the provider has confirmed") {
    Companies all({"", "t", "", ring()});
    for (int i = 0; i < 40; ++i) {
        auto id = "squatter" + std::to_string(100 + i);
        auto m = company(id, 1, "+1202555" + std::to_string(1000 + i));
        m.mutable_accounts(0)->set_account_id("ACC");
        all.apply(id, m.SerializeAsString());
    }
    auto owner = company("true owner", 1, "+12025550100");
    owner.mutable_accounts(0)->set_account_id("ACC");
    owner.mutable_accounts(0)->mutable_signing_keys(0)->set_from_provider(true);
    all.apply("true owner", owner.SerializeAsString());
    auto found = all.candidates("callrail", naming("", {}, "ACC"), at(0), at(0));
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
        return contested(all.candidates("callrail", naming("+12025550100"), at(second), at(0)), CompanyId{signer});
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
    free.mutable_accounts(0)->clear_company_ids();
    for (const auto& m : {company("a", 1, "+12025550100"), company("b", 1, "+12025550111"), free})
        all.apply(m.company_id(), m.SerializeAsString());
    auto wrong = [&](const std::string& claimed, const std::string& mapped, const std::string& signer) {
        return all.mismatched("callrail", naming("", {mapped}, "", claimed, mapped), CompanyId{signer});
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
    a.mutable_accounts(0)->set_account_id("ACC");
    apply();
    CHECK(since() == Names{"callrail:ACC", "company:a"});
    a.mutable_accounts(0)->clear_signing_keys();
    apply();
    CHECK(since() == Names{"callrail:ACC", "callrail:COMa", "company:a", "number:+12025550100", "number:+12025550111"});
    all.apply("a", "");
    CHECK(since().size() == 5);
    CHECK(names_of("callrail", naming("+12025550100", {"COMa"}, "ACC", "a")) ==
          Names{"number:+12025550100", "callrail:COMa", "callrail:ACC", "company:a"});
    for (int i = 0; i < 30'000; ++i)
        all.apply("x", (company("x", i, "+1202" + std::to_string(5'000'000 + i))).SerializeAsString());
    CHECK_FALSE(all.changed_since(0).names);  // too long ago to say
    CHECK(all.changed_since(all.generation() - 1).names);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST_CASE("a record of a former version is read as one of today, and one of today by itself") {
    Companies all({"", "t", "", ring()});
    auto sealed = [](const std::string& secret, const std::string& column) {
        otto::directory::v1::SealedKey k;
        k.set_column(column);
        k.set_sealed(ring().seal(Secret(secret), seal_place("a", column)));
        return k;
    };
    otto::directory::v1::CompanyProfile m;
    m.set_company_id("a");
    m.set_version(1);
    m.set_status("active");
    m.set_callrail_account_id("ACC");
    m.add_callrail_company_ids("COM");
    *m.add_callrail_signing_keys() = sealed("a key", "callrail_signing_key");
    *m.mutable_callrail_api_key() = sealed("an api key", "callrail_api_key");
    m.set_callrail_problem("It is closed.");
    m.set_callrail_problem_cure("Open it.");
    auto read = [&] {
        all.apply("a", m.SerializeAsString());
        auto profile = all.find(CompanyId{"a"});
        REQUIRE(profile->accounts.size() == 1);
        const auto& account = profile->account("callrail");
        return account.id + " " + account.company_ids.at(0) + " " + account.signing_keys.at(0).secret.reveal() + " " +
               account.api_key->reveal() + " " + account.problem + " " + account.problem_cure;
    };
    const std::string whole = "ACC COM a key an api key It is closed. Open it.";
    CHECK(read() == whole);
    CHECK(ids_of(all.candidates("callrail", naming("", {"COM"}), at(0), at(0))) == Ids{"a"});
    auto generation = all.generation();
    // The same in both forms, as it is written while services are rolled out.
    m.set_version(2);
    auto& account = *m.add_accounts();
    account.set_provider("callrail");
    account.set_account_id("ACC");
    account.add_company_ids("COM");
    *account.add_signing_keys() = m.callrail_signing_keys(0);
    *account.mutable_api_key() = m.callrail_api_key();
    account.set_problem("It is closed.");
    account.set_problem_cure("Open it.");
    CHECK(read() == whole);
    CHECK(all.changed_since(generation).names->empty());  // nothing that waits is tried for it
    // What is cleared in the new form is not taken from the former one.
    m.set_version(3);
    m.mutable_accounts(0)->clear_signing_keys();
    all.apply("a", m.SerializeAsString());
    CHECK(all.find(CompanyId{"a"})->account("callrail").signing_keys.empty());
}
#pragma GCC diagnostic pop

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
    // As kafka::TopicTable keeps it of records, in which keys are sealed.
    std::ofstream(file) << R"({"id":"a","value":")" << base64_encode(company("a", 1, "+12025550100").SerializeAsString())
                        << "\"}\n";
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
