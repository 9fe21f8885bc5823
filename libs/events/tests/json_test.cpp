#include "events/json.hpp"

#include <google/protobuf/message.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "otto/routed/v1/routed.pb.h"
#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("every message that lives on a topic is known by its type") {
    int topics = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(std::string(OTTO_SOURCE_DIR) + "/proto-schemas/events")) {
        if (entry.path().extension() != ".proto") continue;
        std::ifstream in(entry.path());
        std::stringstream text;
        text << in.rdbuf();
        auto all = text.str();
        std::smatch package;
        REQUIRE(std::regex_search(all, package, std::regex(R"(\npackage ([a-z0-9_.]+);)")));
        static const std::regex event(R"(message (\w+) \{\s*option \(otto\.options\.v1\.event\))");
        for (std::sregex_iterator m(all.begin(), all.end(), event), end; m != end; ++m) {
            auto type = package[1].str() + "." + (*m)[1].str();
            INFO(type);
            auto message = events::new_message(type);
            CHECK(message);
            if (message) CHECK_FALSE(events::type_info(*message->GetDescriptor()).topic.empty());
            ++topics;
        }
    }
    CHECK(topics >= 6);
    CHECK_FALSE(events::new_message("otto.inbound.v1.Receipt"));
}

TEST_CASE("an event goes to JSON and back under its proto's names") {
    routed::v1::CallReported m;
    m.set_company_id("org_1");
    m.mutable_receipt()->set_raw_body(std::string("\x00\xff", 2));
    m.mutable_receipt()->set_verdict(inbound::v1::VERDICT_OPEN);
    m.mutable_call()->set_duration_s(35);
    auto json = events::to_json(m);
    REQUIRE(json.ok());
    CHECK(*json == R"({"company_id":"org_1","receipt":{"raw_body":"AP8=","verdict":"VERDICT_OPEN"},"call":{"duration_s":"35"}})");
    routed::v1::CallReported back;
    back.set_kind("goes");
    REQUIRE(events::from_json(back, *json).ok());
    CHECK(back.SerializeAsString() == m.SerializeAsString());
    CHECK(events::from_json(back, R"({"company":1})").error().message.find("otto.routed.v1.CallReported") != std::string::npos);
}

TEST_CASE("one field is set by its path, each kind in its own way") {
    routed::v1::CallReported m;
    auto set = [&](std::string_view path, std::string_view value) {
        auto done = events::set_field(m, path, value);
        return done ? std::string("done") : done.error().message;
    };
    CHECK(set("phone", "+12148654559") == "done");
    CHECK(set("call.duration_s", "-3") == "done");
    CHECK(set("call.answered", "true") == "done");
    CHECK(set("receipt.verdict", "VERDICT_AUTHENTIC") == "done");
    CHECK(set("receipt.raw_body", "{}") == "done");
    CHECK((m.phone() == "+12148654559" && m.call().duration_s() == -3 && m.call().answered() &&
           m.receipt().verdict() == inbound::v1::VERDICT_AUTHENTIC && m.receipt().raw_body() == "{}"));
    CHECK(set("call.answered", "yes") == "'call.answered' does not take 'yes'");
    CHECK(set("call.duration_s", "3.5") == "'call.duration_s' does not take '3.5'");
    CHECK(set("receipt.verdict", "GOOD") == "'receipt.verdict' does not take 'GOOD'");
    CHECK(set("phone", "\xff") == "'phone' does not take '\xff'");
    CHECK(set("call", "x") == "'call' is a message");
    CHECK(set("call.tags", "x") == "'call.tags' is a list");
    CHECK(set("call.nothing", "x") == "otto.inbound.v1.CallReport has no field 'nothing'");
    CHECK(set("phone.x", "x") == "'phone' in 'phone.x' has no fields");
    CHECK(set("", "x") == "otto.routed.v1.CallReported has no field ''");
}
