// Bodies as the field sends them: lists of every shape, members of another type, forms with brackets, texts that are cut in the
// middle of a letter.
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/webhook.hpp"
#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"

using namespace otto;
namespace pb = otto::inbound::v1;

namespace {

using Texts = std::vector<std::string>;

pb::ProviderEvent event_of(const std::string& path, const std::string& body, const std::string& type) {
    http::Request r;
    r.method = http::Method::post;
    r.path = r.target = "/api/v1/callrail/" + path;
    r.body = body;
    r.headers.add("Content-Type", type);
    auto parts = providers::Parts::of(r);
    return *providers::webhook_of("callrail")->read(parts)->normalize(parts).event;
}
pb::CallReport json(const std::string& members, const std::string& path = "call.completed") {
    INFO(members);
    auto e = event_of(path, "{\"id\":1" + (members.empty() ? "" : "," + members) + "}", "application/json");
    CHECK(e.not_understood().empty());
    CHECK(pb::ProviderEvent().ParseFromString(e.SerializeAsString()));
    return e.call();
}
pb::CallReport form(const std::string& fields, const std::string& path = "call.completed") {
    INFO(fields);
    auto e = event_of(path, "id=1" + (fields.empty() ? "" : "&" + fields), "application/x-www-form-urlencoded; charset=UTF-8");
    CHECK(e.not_understood().empty());
    return e.call();
}
Texts tags(const pb::CallReport& r) { return {r.tags().begin(), r.tags().end()}; }
Texts changed(const pb::CallReport& r) { return {r.changed().begin(), r.changed().end()}; }

const std::string kMark = "\xEF\xBF\xBD";

/// How often a member was counted as one of another type.
double strange(const std::string& member) {
    auto all = tel::expose_metrics();
    auto line = all.find("otto_callrail_strange_members_total{member=\"" + member + "\"} ");
    return line == std::string::npos ? 0 : std::stod(all.substr(all.find(' ', line)));
}

}  // namespace

TEST_CASE("a text that is cut in the middle of a letter is on record, its half replaced") {
    auto r = json(
        R"("note":"roof leaks \ud83d","customer_name":"\udc00Ann","tags":["le\ud83dak"],"customer_phone_number":"+12025550100\ud83d")");
    CHECK(r.note() == "roof leaks " + kMark);
    CHECK(r.customer_name() == kMark + "Ann");
    CHECK(tags(r) == Texts{"le" + kMark + "ak"});
    auto sent = event_of("call.completed", R"({"id":"CAL\ud83d"})", "application/json");
    CHECK(sent.call().provider_call_id() == "CAL" + kMark);
    CHECK(json(R"("\ud83d":"a name of a member","note":"\ud83c\udfe0")").note() == "\xF0\x9F\x8F\xA0");
}

TEST_CASE("NaN is no JSON: the body is held as not understood") {
    for (auto body : {R"({"id":1,"value":NaN})", R"({"id":1,"value":-Infinity})", R"({"id":1,"tags":[NaN]})", R"({"id":NaN})"}) {
        auto e = event_of("call.completed", body, "application/json");
        INFO(body);
        CHECK(e.not_understood().find("no JSON") != std::string::npos);
        CHECK_FALSE(e.key().empty());
    }
}

TEST_CASE("an id is one, whether it is written as a number, with a point or as text") {
    for (auto id : {"4711", "4711.0", "4711.00", "4.711e3", "\"4711\"", "\"4711.0\"", "\" 4711 \""}) {
        auto e =
            event_of("call.completed", "{\"id\":" + std::string(id) + ",\"company_id\":" + id + ",\"account_id\":" + id + "}",
                     "application/json");
        INFO(id);
        CHECK(e.call().provider_call_id() == "4711");
        CHECK(e.key() == "4711");
        CHECK(e.addressee().account_id() == "4711");
        REQUIRE(e.addressee().provider_company_ids_size() == 1);
        CHECK(e.addressee().provider_company_ids(0) == "4711");
    }
    auto e = event_of("call.completed", "id=4711.0&call_id=4711&company_id=7.0", "application/x-www-form-urlencoded");
    CHECK(Texts(e.call().aliases().begin(), e.call().aliases().end()) == Texts{"4711"});
    CHECK(e.addressee().provider_company_ids(0) == "7");
    for (auto id : {"\"CAL1.0\"", "4711.5", "\"1.0.0\""})
        CHECK(event_of("call.completed", "{\"id\":" + std::string(id) + "}", "application/json").call().provider_call_id() !=
              "4711");
    CHECK(event_of("call.completed", R"({"id":4711.5})", "application/json").call().provider_call_id() == "4711.5");
}

TEST_CASE("lists take texts, numbers and objects with a name") {
    struct Row {
        std::string list;
        Texts tags;
    };
    for (const auto& row : std::vector<Row>{
             {R"(["roof","leak, north"])", {"roof", "leak, north"}},
             {R"([{"id":7,"name":"Quote","color":"red1"}])", {"Quote"}},
             {R"([{"name":"Quote"},{"name":"leak, north"}])", {"Quote", "leak, north"}},
             {R"([{"label":"Quote"},{"title":"Roof"},{"text":"Leak"},{"value":"X"}])", {"Quote", "Roof", "Leak", "X"}},
             {R"([{"name":7}])", {"7"}},
             {R"([7,7.0,7.5,"8"])", {"7", "7", "7.5", "8"}},
             {R"(["roof",null,"", "  ",{"name":"Quote"}])", {"roof", "Quote"}},
             {R"(["roof",{"id":7},true,["x"]])", {"roof"}},
             {R"("roof")", {"roof"}},
             {R"("roof, leak")", {"roof", "leak"}},
             {R"(" roof ,, leak ,")", {"roof", "leak"}},
             {R"("[\"roof\",\"leak, north\"]")", {"roof", "leak, north"}},
             {R"("[roof]")", {"[roof]"}},
             {R"(7)", {"7"}},
             {R"({"name":"Quote","id":7})", {"Quote"}},
             {R"({"0":"roof","1":"leak, north"})", {"roof", "leak, north"}},
             {R"({"1":{"name":"Quote"}})", {"Quote"}},
             {R"([" roof "])", {"roof"}},
             {R"([])", {}},
             {R"("")", {}},
             {R"(null)", {}},
             {R"({})", {}},
             {R"([null,""])", {}}}) {
        INFO(row.list);
        auto before = strange("tags");
        auto r = json("\"tags\":" + row.list + R"(,"changes":["tags"])", "call.modified");
        CHECK(tags(r) == row.tags);
        CHECK(r.has_tags());  // what is empty was emptied
        CHECK(changed(r) == Texts{"tags"});
        CHECK(strange("tags") == before);
    }
}

TEST_CASE("a list of which nothing can be understood empties nothing, whatever `changes` says") {
    for (auto list : {R"([{"id":7,"color":"red1"}])", R"([true])", R"([["roof"]])", R"({"id":7})", R"(true)",
                      R"([{"name":["x"]}])", R"([{"name":true},false])", R"({"a":"b"})"}) {
        INFO(list);
        auto before = strange("tags");
        for (auto changes :
             {R"(["tags","note"])", R"({"tags":[1,2],"note":1})", R"([{"field":"tags"},{"name":"note"}])", R"("tags, note")"}) {
            auto r = json("\"tags\":" + std::string(list) + ",\"note\":\"after\",\"changes\":" + changes, "call.modified");
            CHECK_FALSE(r.has_tags());
            CHECK(tags(r).empty());
            CHECK(changed(r) == Texts{"note"});
            CHECK(r.note() == "after");
        }
        CHECK(strange("tags") == before + 4);
    }
}

TEST_CASE("a member of another type than its field's leaves what is known, whatever `changes` says, and is counted") {
    struct Row {
        std::string field, member, ours;
    };
    for (const auto& row : std::vector<Row>{{"note", R"({"text":"x"})", "note"},
                                            {"note", R"(["x"])", "note"},
                                            {"note", "true", "note"},
                                            {"note", "false", "note"},
                                            {"value", R"({"amount":5})", "value"},
                                            {"lead_status", "[1]", "lead_status"},
                                            {"keywords", R"(["roof"])", "keywords"},
                                            {"campaign", R"({"id":1})", "campaign"},
                                            {"source", "true", "source"},
                                            {"customer_name", R"({"first":"Ann"})", "customer_name"},
                                            {"recording", R"({"url":"https://x.example/1"})", "recording_url"},
                                            {"recording", R"j("javascript:alert(1)")j", "recording_url"},
                                            {"recording", "7", "recording_url"}}) {
        INFO(row.field << " " << row.member);
        auto before = strange(row.ours);
        auto r =
            json("\"" + row.field + "\":" + row.member + ",\"changes\":[\"" + row.field + "\",\"duration\"]", "call.modified");
        CHECK(changed(r) == Texts{"duration"});
        CHECK_FALSE(r.has_note());
        CHECK_FALSE(r.has_value());
        CHECK_FALSE(r.has_lead_status());
        CHECK_FALSE(r.has_keywords());
        CHECK_FALSE(r.has_campaign());
        CHECK_FALSE(r.has_source());
        CHECK_FALSE(r.has_customer_name());
        CHECK_FALSE(r.has_recording_url());
        CHECK(strange(row.ours) == before + 1);
    }
    // What is empty was emptied; what there is not says nothing.
    for (auto empty : {R"("note":"")", R"("note":null)", R"("note":" ")", R"("note":[])", R"("note":{})", R"("other":1)"})
        CHECK(changed(json(std::string(empty) + R"(,"changes":["note"])", "call.modified")) == Texts{"note"});
    // Of several names for one thing the one that can be understood counts.
    auto before = strange("customer_name");
    CHECK(json(R"("customer_name":{"first":"Ann"},"callername":"Ann Smith")").customer_name() == "Ann Smith");
    CHECK(strange("customer_name") == before);
    for (auto number : {"\"soon\"", "-5", "{}", "[61]", R"({"seconds":61})", "true", "99999999999", R"("00:01:00")"}) {
        INFO(number);
        auto r = json("\"answered\":true,\"duration\":" + std::string(number) + ",\"recording_duration\":" + number);
        CHECK_FALSE(r.has_duration_s());
        CHECK_FALSE(r.has_recording_duration_s());
        CHECK(r.status() == "completed");
    }
    for (auto truth : {"\"maybe\"", "[true]", R"({"a":true})", "7"})
        CHECK_FALSE(json("\"first_call\":" + std::string(truth) + ",\"answered\":" + truth).has_first_call());
    for (auto time : {"\"yesterday\"", "[1]", "true", "{\"at\":1}"})
        CHECK_FALSE(json("\"start_time\":" + std::string(time)).has_started_at_us());
}

TEST_CASE("numbers as texts, with a fraction and as nothing") {
    struct Row {
        std::string written;
        std::optional<int> seconds;
    };
    for (const auto& row : std::vector<Row>{{"\"61\"", 61},
                                            {"61", 61},
                                            {"\"61.7\"", 61},
                                            {"61.0", 61},
                                            {"61.7", 61},
                                            {"\" 61 \"", 61},
                                            {"6.1e1", 61},
                                            {"0", 0},
                                            {"\"0\"", 0},
                                            {"\"\"", {}},
                                            {"null", {}},
                                            {"\"00:01:00\"", {}}}) {
        INFO(row.written);
        auto r = json("\"answered\":true,\"duration\":" + row.written + ",\"recording_duration\":" + row.written);
        CHECK(r.has_duration_s() == row.seconds.has_value());
        CHECK(r.duration_s() == row.seconds.value_or(0));
        CHECK(r.status() == "completed");
    }
    for (auto [written, seconds] : {std::pair{"61", 61}, {"61.7", 61}, {"+61+", 61}, {"0", 0}})
        CHECK(form("answered=true&duration=" + std::string(written)).duration_s() == seconds);
    for (auto none : {"", "soon", "-5", "00:01:00", "inf", "nan", "1e99"})
        CHECK_FALSE(form("answered=true&duration=" + std::string(none)).has_duration_s());
    auto empty = json(
        R"("customer_name":null,"customer_city":"","note":null,"tags":null,"value":"","keywords":null,"lead_status":null,"milestones":null,"keypad_entries":[],"gclid":null)");
    CHECK_FALSE((empty.has_customer_name() || empty.has_customer_city() || empty.has_note() || empty.has_tags() ||
                 empty.has_value() || empty.has_keywords() || empty.has_lead_status()));
}

TEST_CASE("lists in forms") {
    struct Row {
        std::string fields;
        Texts tags;
    };
    for (const auto& row :
         std::vector<Row>{{"tags[]=roof&tags[]=leak,+north", {"roof", "leak, north"}},
                          {"tags%5B%5D=roof&tags%5b%5d=leak%2C%20north", {"roof", "leak, north"}},
                          {"tags=roof&tags=leak,+north", {"roof", "leak, north"}},
                          {"tags[0]=roof&tags[1]=leak,+north", {"roof", "leak, north"}},
                          {"tags[1]=leak,+north&tags[0]=roof", {"roof", "leak, north"}},
                          {"tags[10]=c&tags[2]=b&tags[1]=a", {"a", "b", "c"}},
                          {"tags[0][name]=Quote&tags[0][id]=7&tags[1][id]=8&tags[1][name]=leak,+north", {"Quote", "leak, north"}},
                          {"tags[][name]=Quote&tags[][name]=Roof", {"Quote", "Roof"}},
                          {"tags[]=leak,+north", {"leak, north"}},
                          {"tags=leak,+north", {"leak", "north"}},
                          {"tags=%5B%22roof%22,%22leak,+north%22%5D", {"roof", "leak, north"}},
                          {"tags=&tags[]=roof", {"roof"}},
                          {"tags[]=&tags[]=roof&tags[]=+", {"roof"}},
                          {"tags[]=", {}},
                          {"tags=", {}},
                          {"tags[99999999999999999999999]=roof&tags[]=leak", {"roof", "leak"}},
                          {"tags[18446744073709551615]=roof&tags[]=leak", {"roof", "leak"}},
                          {"tags=roof&note=x&tags=leak", {"roof", "leak"}},
                          {"tags[a]=roof", {}},
                          {"tags[=roof&tags]=leak&[tags]=x&tags[][name=y&tags[][name]x=z", {}}}) {
        INFO(row.fields);
        CHECK(tags(form(row.fields)) == row.tags);
    }
    CHECK(form("changes[]=tags&changes[]=note&tags[]=", "call.modified").has_tags());
    CHECK(changed(form("changes=tags,note&tags=", "call.modified")) == Texts{"tags", "note"});
    CHECK(changed(form("changes[0]=recording", "call.completed")) == Texts{"recording_url"});
    CHECK(form("changes[]=note", "call.completed").stage() == pb::STAGE_MODIFIED);
    auto strange_list = form("tags[0][id]=7&changes[]=tags&changes[]=note", "call.modified");
    CHECK_FALSE(strange_list.has_tags());
    CHECK(changed(strange_list) == Texts{"note"});
    CHECK(form("customer_name[]=Ann&note[0]=x").customer_name() == "Ann");
    CHECK(form("customer_name=Ann&customer_name=Bob").customer_name() == "Ann");
    CHECK(tags(form("tags[]=" + std::string(5'000, 't'))).front().size() == 1'000);
    std::string many;
    for (int i = 0; i < 500; ++i) many += (i ? "&" : "") + std::string("tags[]=") + std::to_string(i);
    CHECK(tags(form(many)).size() == 200);
    CHECK(event_of("call.completed", "\xEF\xBB\xBF{\"id\":5}", "application/x-www-form-urlencoded").call().provider_call_id() ==
          "5");
}

TEST_CASE("a body in any JSON spelling says the same") {
    const std::string plain =
        R"({"id": 1, "answered": true, "duration": "61", "customer_name": "Zo\u00eb \ud83c\udfe0", "value": 1.0})";
    auto first = event_of("call.completed", plain, "application/json").call().SerializeAsString();
    for (std::string same :
         {std::string(
              "{\"id\":1,\"answered\":true,\"duration\":\"61\",\"customer_name\":\"Zo\xC3\xAB \xF0\x9F\x8F\xA0\",\"value\":1.0}"),
          plain + "\n", "\xEF\xBB\xBF" + plain,
          std::string("{\r\n \"id\": 1,\r\n \"answered\": true,\r\n \"duration\": \"61\",\r\n \"customer_name\": \"Zo\\u00EB "
                      "\\uD83C\\uDFE0\",\r\n \"value\": 1}")}) {
        INFO(same);
        CHECK(event_of("call.completed", same, "application/json").call().SerializeAsString() == first);
    }
    CHECK(event_of("call.completed", std::string("\x1f\x8b\x08\0\0", 5), "application/json").not_understood().find("no JSON") !=
          std::string::npos);  // what a proxy compressed
}
