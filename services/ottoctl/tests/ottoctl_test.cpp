#include "arguments.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "flight.hpp"
#include "lag.hpp"
#include "log_lines.hpp"
#include "mask.hpp"
#include "ottoctl/sql.hpp"
#include "payload.hpp"
#include "report.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "events/json.hpp"
#include "otto/routed/v1/routed.pb.h"
#include "pg/connection.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::ottoctl;

namespace {

Arguments parse(const std::vector<std::string>& typed) { return parse_arguments(commands(), typed); }

std::string usage_error(const std::vector<std::string>& typed) {
    try {
        parse(typed);
    } catch (const UsageError& e) {
        return e.error().message;
    }
    return "";
}

std::string masked(const std::string& json) { return mask_event(JsonDocument::parse(json).value().root()); }

}  // namespace

TEST_CASE("words, operands, options and settings are told apart wherever they stand") {
    auto a = parse({"held", "release", "id-1", "--wait", "3s", "--yes", "id-2", "--kafka-brokers=k:9092", "--json"});
    REQUIRE(a.command);
    CHECK(a.command->words == "held release");
    CHECK(a.operands == std::vector<std::string>{"id-1", "id-2"});
    CHECK(a.options.find("wait")->second == "3s");
    CHECK(a.options.contains("yes"));
    CHECK(a.options.contains("json"));
    CHECK(a.settings == std::vector<std::string>{"--kafka-brokers=k:9092"});
    auto edit = parse({"dead-letters", "edit", "id", "--set=call.value=a=b", "--set", "phone=+1"});
    CHECK(edit.options.count("set") == 2);
    CHECK(edit.options.find("set")->second == "call.value=a=b");
    CHECK(parse({"--help"}).help);
    CHECK(parse({"held", "--help"}).help);
    CHECK(parse({"held", "release", "--help"}).command->words == "held release");
}

TEST_CASE("what cannot be meant is refused by name") {
    CHECK(usage_error({}) == "no command was given");
    CHECK(usage_error({"hold", "list"}) == "there is no command 'hold list'");
    CHECK(usage_error({"held"}) == "there is no command 'held'");
    CHECK(usage_error({"held", "list", "--foo"}) == "there is no option --foo");
    CHECK(usage_error({"held", "list", "--number"}) == "--number lacks its value");
    CHECK(usage_error({"held", "release", "--yes=no"}) == "--yes takes no value");
    CHECK(usage_error({"held", "show"}) == "ottoctl held show takes ID");
    CHECK(usage_error({"lag", "more"}) == "ottoctl lag takes nothing more");
}

TEST_CASE("every command's help has an example that parses, and no name stands twice") {
    std::set<std::string_view> names;
    for (const auto& c : commands()) {
        INFO(c.words);
        CHECK(names.insert(c.words).second);
        CHECK(help_of(c).find("Example:\n  ottoctl " + std::string(c.words)) != std::string::npos);
        CHECK(help_of_all().find("  " + std::string(c.words)) != std::string::npos);
        std::vector<std::string> words;  // as a shell splits it
        std::string word;
        bool quoted = false;
        for (char ch : std::string(c.example) + " ") {
            if (ch == '\'')
                quoted = !quoted;
            else if (ch != ' ' || quoted)
                word += ch;
            else if (!word.empty())
                words.push_back(std::exchange(word, {}));
        }
        words.erase(words.begin());
        CHECK(parse(words).command->words == c.words);
    }
}

TEST_CASE("a table is aligned by characters, and what strangers sent cannot steer a terminal") {
    Report r;
    r.many(
        "held",
        {{{"id", "1"}, {"reason", "Größe"}, {"n", 3}}, {{"id", "22"}, {"reason", "a\x1b[31mred\nline\xc2\x9b"}, {"n", Cell()}}},
        {}, "none");
    CHECK(r.text() == "ID  REASON           N\n1   Größe            3\n22  a [31mred line\n");
    CHECK(r.json() == R"({"held":[{"id":"1","reason":"Größe","n":3},{"id":"22","reason":"a\u001b[31mred\nline)"
                      "\xc2\x9b"
                      R"(","n":null}]})");
    Report empty;
    empty.many("held", {}, {}, "nothing is held");
    CHECK(empty.text() == "nothing is held\n");
    CHECK(empty.json() == R"({"held":[]})");
}

TEST_CASE("parts have headings, a table shows chosen columns, JSON has all, remarks come last") {
    Report r;
    r.one("letter", {{"id", "x"}, {"good", true}});
    r.many("by_reason", {{{"a", "1"}, {"hidden", "2"}}}, {"a"});
    r.note("Look.");
    CHECK(r.text() == "LETTER\nid    x\ngood  yes\n\nBY REASON\nA\n1\n\nLook.\n");
    CHECK(r.json() == R"({"letter":{"id":"x","good":true},"by_reason":[{"a":"1","hidden":"2"}],"notes":["Look."]})");
}

TEST_CASE("Postgres's JSON becomes cells: times as elsewhere, lists as JSON, null as nothing") {
    auto doc =
        JsonDocument::parse(R"({"at":"2026-11-21T07:54:35.1+00:00","n":3,"b":false,"none":null,"l":[],"o":{"a":1}})").value();
    auto r = record_from(doc.root());
    CHECK(find(r, "at")->text == "2026-11-21T07:54:35.100000Z");
    CHECK(find(r, "n")->json == "3");
    CHECK(find(r, "b")->text == "no");
    CHECK(find(r, "none")->json == "null");
    CHECK(find(r, "l")->text.empty());
    CHECK(find(r, "o")->json == R"({"a":1})");
}

TEST_CASE("numbers are shown by their last four digits, and free text without numbers and quoted values") {
    CHECK(mask_number("+12148654559") == "…4559");
    CHECK(mask_number("anonymous") == "…");
    CHECK(mask_number("").empty());
    CHECK(mask_key("org_1:+12148654559") == "org_1:…4559");
    CHECK(mask_key("org_1:CAL123") == "org_1:CAL123");
    CHECK(mask_key("org_1:sip:bob@example.com") == "org_1:sip:…");
    CHECK(mask_key("+12148654559") == "…4559");
    CHECK(scrub("No company found for tracking number +12148654559") == "No company found for tracking number …4559");
    CHECK(scrub("from (214) 865-4559 or 214.865.4559, 12148654559.") == "from …4559 or …4559, …4559.");
    CHECK(scrub("invalid input: \"Bob Smith, 12 Elm St\"") == "invalid input: \"…\"");
    CHECK(scrub("column \"started_at\" of relation \"calls\"") == "column \"started_at\" of relation \"calls\"");
    // What is no number stays: times, ids, offsets.
    for (const char* plain :
         {"at 2026-11-21T07:54:35.123456Z", "0192f0c1-7c3e-7bbb-8a55-446655440000", "otto.routed/3 at 1234567",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "the owner's key isn't set"})
        CHECK(scrub(plain) == plain);
}

TEST_CASE("an event's fields are masked unless they are known to be nobody's") {
    auto out = masked(
        R"({"company_id":"org_1","phone":"+12148654559","receipt":{"provider":"callrail","raw_body":"e30=","headers":[{"name":"signature","value":"abc"}]},)"
        R"("call":{"customer_name":"Bob","tags":["vip"],"duration_s":"35","answered":true,"tracking_number":"+15205232772","a_new_field":"Bob's"}})");
    for (const char* hidden : {"Bob", "vip", "2148654559", "e30=", "abc"}) CHECK(out.find(hidden) == std::string::npos);
    for (const char* shown : {"org_1", "…4559", "callrail", "\"35\"", "true", "+15205232772", "a_new_field"})
        CHECK(out.find(shown) != std::string::npos);
    auto text = masked(
        R"({"company_id":"org_1","receipt":{"provider":"twilio","judged_urls":["https://otto.example/?who=Bob"]},"addressee":{"other_number":"+12148654559"},)"
        R"("message":{"provider_message_id":"SM1","customer_phone":"+12148654559","company_number":"+15205232772","body":"I am Bob","agent":"Bob","status":"failed",)"
        R"("error_code":"30003","error_message":"no answer from +12148654559","media":[{"url":"https://media.example/Bob","content_type":"image/png"}]}})");
    for (const char* hidden : {"Bob", "2148654559"}) CHECK(text.find(hidden) == std::string::npos);
    for (const char* shown : {"SM1", "…4559", "+15205232772", "failed", "30003", "no answer from", "image/png"})
        CHECK(text.find(shown) != std::string::npos);
    Record r{{"phone_number", "+12148654559"},
             {"first_name", "Bob"},
             {"status", "completed"},
             {"error", "bad value 'Bob Smith'"},
             {"key", "org_1:+12148654559"}};
    Cell history;
    history.json = R"([{"at":"2026-11-21T07:54:35Z","error":"called +12148654559","former_value":"Qm9i"}])";
    r.emplace_back("history", history);
    mask_persons(r);
    CHECK(find(r, "phone_number")->text == "…4559");
    CHECK(find(r, "first_name")->text == "(masked)");
    CHECK(find(r, "status")->text == "completed");
    CHECK(find(r, "error")->text == "bad value '…'");
    CHECK(find(r, "key")->text == "org_1:…4559");
    CHECK(find(r, "history")->json ==
          R"x([{"at":"2026-11-21T07:54:35Z","error":"called …4559","former_value":"(masked, 4 bytes)"}])x");
}

TEST_CASE("lag is what lies between a lane, else its group, else the beginning, and the end") {
    kafka::TopicPartition p0{"t", 0}, p1{"t", 1}, p2{"t", 2}, gone{"t", 9};
    std::vector<LaneAt> lanes{{"c", p0, 40}, {"c", p1, {}}, {"c", p2, {}}, {"c", gone, 3}, {"old", p0, 5}};
    auto parts = lag_of(lanes, {{p0, 10, 100}, {p1, 0, 20}, {p2, 7, 9}}, {{{"c", p1}, 15}});
    REQUIRE(parts.size() == 4);
    CHECK((parts[0].lag == 60 && std::string(parts[0].by) == "lane"));
    CHECK((parts[1].lag == 5 && std::string(parts[1].by) == "group"));
    CHECK((parts[2].lag == 2 && std::string(parts[2].by) == "beginning"));
    CHECK(parts[3].lag == 90);  // what retention took cannot be done any more
    auto sums = by_topic(parts);
    REQUIRE(sums.size() == 2);
    CHECK(find(sums[0], "lag")->json == "67");
    CHECK(find(sums[0], "largest_partition_lag")->json == "60");
}

namespace {

events::Wire reported(const std::string& company, const std::string& phone) {
    routed::v1::CallReported m;
    m.set_company_id(company);
    m.set_phone(phone);
    m.mutable_call()->set_duration_s(30);
    events::Meta meta;
    meta.id = EventId{Uuid::v7(system_clock().now())};
    meta.source = "/tenant-router";
    meta.time = system_clock().now();
    meta.trace = tel::TraceContext::fresh();
    return events::encode(m, meta);
}

Letter letter(const events::Wire& w) {
    Letter l;
    l.topic = w.topic;
    l.key = w.key;
    l.value = w.value;
    l.headers = w.headers;
    auto meta = events::read_meta(w.headers).value();
    l.type = meta.type;
    l.event_id = meta.id.value();
    l.company_id = "org_1";
    l.offset = 7;
    return l;
}

routed::v1::CallReported parsed(const Letter& l) {
    routed::v1::CallReported m;
    REQUIRE(events::parse_into(m, l.value));
    return m;
}

}  // namespace

TEST_CASE("a mended event keeps its id and company; its key follows its payload") {
    auto before = letter(reported("org_1", "+12148654559"));
    auto after = mend(before, {{}, {{"call.duration_s", "35"}, {"phone", "+12148654560"}, {"call.answered", "true"}}, {}},
                      system_clock().now());
    REQUIRE(after.ok());
    CHECK(parsed(*after).call().duration_s() == 35);
    CHECK(parsed(*after).call().answered());
    CHECK(after->event_id == before.event_id);
    CHECK(after->headers == before.headers);
    CHECK(after->key == "org_1:+12148654560");
    auto whole = mend(before, {R"({"company_id":"org_1","phone":"+1","kind":"call.completed"})", {}, {}}, system_clock().now());
    REQUIRE(whole.ok());
    CHECK((parsed(*whole).kind() == "call.completed" && !parsed(*whole).has_call()));

    auto refused = [&](const Edit& e) { return mend(before, e, system_clock().now()).error().message; };
    CHECK(refused({{}, {{"company_id", "org_2"}}, {}}) == "company_id was org_1 and would be 'org_2'");
    CHECK(refused({{}, {{"call.nothing", "1"}}, {}}).find("no field 'nothing'") != std::string::npos);
    CHECK(refused({{}, {{"call.duration_s", "soon"}}, {}}).find("does not take 'soon'") != std::string::npos);
    CHECK(refused({{}, {{"call.tags", "a"}}, {}}).find("is a list") != std::string::npos);
    CHECK(refused({"{", {}, {}}).find("the JSON is no otto.routed.v1.CallReported") == 0);
    CHECK(refused({"{}", {}, "otto.calls.v1.CallRecorded"}).find("cannot become") != std::string::npos);
}

TEST_CASE("a record that was no event at all becomes one, with one id for every consumer that buried it") {
    Letter garbage;
    garbage.topic = "otto.routed";
    garbage.value = "\xff\xff";
    garbage.partition = 3;
    garbage.offset = 12;
    Edit edit{R"({"company_id":"org_1","phone":"+12148654559"})", {}, "otto.routed.v1.CallReported"};
    auto now = system_clock().now();
    auto one = mend(garbage, edit, now), two = mend(garbage, edit, now);
    REQUIRE(one.ok());
    CHECK(one->event_id == two->event_id);
    CHECK(one->key == "org_1:+12148654559");
    CHECK(one->company_id == "org_1");
    CHECK(events::read_meta(one->headers)->id.value() == *one->event_id);
    CHECK(headers_from(headers_json(one->headers)) == one->headers);
    CHECK(mend(garbage, {"{}", {}, {}}, now).error().message == "the record does not say of which type it is");
    CHECK(mend(garbage, {"{}", {}, "otto.calls.v1.CallRecorded"}, now).error().message.find("lives on otto.calls") !=
          std::string::npos);
    CHECK(mend(garbage, {{}, {{"phone", "+1"}}, "otto.routed.v1.CallReported"}, now).error().hint.find("--file") !=
          std::string::npos);
}

TEST_CASE("an event's family is what caused it and what followed, and nobody else's") {
    auto root = reported("org_1", "+1");
    auto record = [](const events::Wire& w, const std::string& topic, std::int64_t offset) {
        kafka::Record r;
        r.topic = topic;
        r.partition = 0;
        r.offset = offset;
        r.headers = w.headers;
        return r;
    };
    auto id = [](const events::Wire& w) { return events::read_meta(w.headers)->id.value(); };
    auto child = [&](const events::Wire& of) {
        auto w = reported("org_1", "+1");
        w.headers.emplace_back("ce_causationid", id(of).to_string());
        return w;
    };
    auto routed = child(root), call = child(routed), change = child(routed), stranger = reported("org_1", "+1"),
         strangers_child = child(stranger);
    Sightings s;
    CHECK(s.add(record(call, "otto.calls", 5)));
    CHECK(s.add(record(root, "otto.inbound", 1)));
    CHECK(s.add(record(routed, "otto.routed", 2)));
    CHECK(s.add(record(change, "otto.changes", 9)));
    CHECK(s.add(record(stranger, "otto.inbound", 3)));
    CHECK(s.add(record(strangers_child, "otto.routed", 4)));
    CHECK(s.add(record(root, "otto.inbound", 8)));  // the provider's repeat
    CHECK_FALSE(s.add(kafka::Record{}));
    for (const auto& from : {root, routed, call}) {
        std::set<Uuid> ids{id(from)};
        auto family = s.family(ids);
        std::vector<std::int64_t> offsets;
        for (const auto& f : family) offsets.push_back(f.offset);
        CHECK(offsets == std::vector<std::int64_t>{1, 8, 2, 5, 9});
        CHECK(ids.size() == 4);
    }
}

TEST_CASE("log lines of a number are found by its hash, its traces and its events; other companies' are not") {
    char name[] = "/tmp/otto-logs-XXXXXX";
    std::filesystem::path folder = ::mkdtemp(name);
    auto line = [](const std::string& time, const std::string& rest) {
        return R"({"time":"2026-11-21T)" + time + R"(Z","level":"info","service":"s",)" + rest + "}\n";
    };
    std::ofstream(folder / "a.log")
        << line("10:00:00", R"("message":"webhook","tracking_number":{"last4":"4559","hash":"abcdef012345"},"trace_id":"t1")")
        << line("10:00:03", R"("message":"of another call","trace_id":"t9")") << "Segmentation fault\n"
        << line("13:00:00", R"("message":"too late","x":"abcdef012345")");
    std::ofstream(folder / "b.log")
        << line("10:00:01", R"("message":"it called +12148654559 and said 'help me'","trace_id":"t1")")
        << line("10:00:02", R"("message":"by its event","event_id":"e1")")
        << R"({"time":"2026-11-21T10:00:04Z","level":"error","message":"no database"})"
           "\n"
        << R"({"time":"2026-11-21T10:00:05Z","level":"error","message":"theirs","company_id":"org_2"})"
           "\n"
        << R"({"time":"2026-11-21T10:00:06Z","level":"warn","message":"nobody's number","tracking_number":{"last4":"1111","hash":"other"}})"
           "\n";
    auto found = find_log_lines(
        folder, {"abcdef012345", "org_1", *parse_time("2026-11-21T09:00:00Z"), *parse_time("2026-11-21T11:00:00Z"), {"e1"}});
    std::filesystem::remove_all(folder);
    REQUIRE(found.lines.size() == 4);
    CHECK(found.lines[0].find("webhook") != std::string::npos);
    CHECK(found.lines[1].find("it called …4559 and said '…'") != std::string::npos);
    CHECK(found.lines[2].find("by its event") != std::string::npos);
    CHECK(found.lines[3].find("no database") != std::string::npos);
    CHECK_THROWS_AS(find_log_lines("/nonexistent", {}), Failure);
}

namespace {

/// Two companies with a text in each state, and what became of others; the numbers of the ids tell them apart.
constexpr const char* kTextsToLeave = R"sql(
INSERT INTO contact_cards (company_id, id) SELECT c, '00000000-0000-4000-8000-0000000000ff' FROM unnest('{org_a,org_b}'::text[]) c;
INSERT INTO messages (company_id, id, provider, direction, status, error_message, scheduled_at, contact_card_id, sent_at)
SELECT company, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'twilio', direction, status, why, planned, '00000000-0000-4000-8000-0000000000ff', now()
  FROM (VALUES ('org_a', 1, 'outbound', 'queued', NULL, NULL), ('org_a', 2, 'outbound', 'queued', NULL, NULL), ('org_a', 3, 'outbound', 'sending', NULL, NULL), ('org_a', 4, 'outbound', 'queued', NULL, NULL),
               ('org_a', 5, 'outbound', 'scheduled', NULL, timestamptz '2027-01-01T15:00:00Z'), ('org_b', 6, 'outbound', 'queued', NULL, NULL), ('org_a', 7, 'outbound', 'failed', 'It is no number', NULL),
               ('org_a', 8, 'outbound', 'delivered', NULL, NULL), ('org_a', 9, 'inbound', 'received', NULL, NULL), ('org_a', 10, 'outbound', 'canceled', NULL, NULL)) t (company, n, direction, status, why, planned);
INSERT INTO text_sends (company_id, message_id, from_number, to_number, automatic, segments, state, asked_at, failures, why, accepted_at)
SELECT company, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '+16025550100', '+1480200000' || person, false, 1, state, CASE WHEN state = 'unknown' THEN now() END, failures, why, now() - (20 - n) * interval '1 minute'
  FROM (VALUES ('org_a', 1, 1, 'waiting', 0, NULL), ('org_a', 2, 1, 'behind', 0, NULL), ('org_a', 3, 2, 'unknown', 0, 'the answer was lost'), ('org_a', 4, 3, 'released', 2, 'Twilio asks for a rest'),
               ('org_a', 5, 4, 'scheduled', 0, NULL), ('org_b', 6, 5, 'waiting', 0, NULL)) s (company, n, person, state, failures, why);
INSERT INTO text_pauses (company_id, why, credentials, until) VALUES ('org_b', 'Twilio does not let the account in', 'x', now() + interval '1 hour');
INSERT INTO work (queue, company_id, key, due_at) VALUES ('lead-pipeline/texts', 'org_a', '00000000-0000-4000-8000-000000000003', now() + interval '1 minute'), ('lead-pipeline/text-numbers', 'org_b', '+16025550100', now() + interval '1 hour');
)sql";

std::string text_id(int n) { return "00000000-0000-4000-8000-00000000000" + std::to_string(n); }

}  // namespace

TEST_CASE("texts that are to leave are counted by company, and what holds them up is shown", "[integration]") {
    testkit::Database database("otto_maintenance");
    database.owner.execute(kTextsToLeave);
    auto tx = database.service.begin(pg::Scope::none());
    auto companies = records(tx, sql::texts_by_company, {nullptr});
    REQUIRE(companies.size() == 2);
    CHECK(find(companies[0], "company_id")->text == "org_b");  // who is paused comes first
    CHECK(find(companies[0], "paused_why")->text == "Twilio does not let the account in");
    const std::pair<const char*, const char*> counts[] = {{"texts", "5"},     {"scheduled", "1"}, {"waiting", "2"},
                                                          {"under_way", "0"}, {"in_doubt", "1"},  {"put_off", "1"}};
    for (auto [name, n] : counts) CHECK(find(companies[1], name)->text == n);
    CHECK(records(tx, sql::texts_by_company, {pg::Param::array(std::vector<std::string>{"org_c"})}).empty());
    auto held_up = records(tx, sql::texts_held_up, {nullptr, 50});
    REQUIRE(held_up.size() == 2);
    CHECK(find(held_up[0], "id")->text == text_id(3));
    CHECK(find(held_up[0], "state")->text == "in doubt");
    CHECK_FALSE(find(held_up[0], "next_at")->text.empty());
    CHECK(find(held_up[1], "state")->text == "put off");
    CHECK(find(held_up[1], "why")->text == "Twilio asks for a rest");
    mask_persons(held_up[0]);
    CHECK(find(held_up[0], "to_number")->text == "…0002");
    CHECK(find(held_up[0], "number")->text == "+16025550100");
}

TEST_CASE("texts retry knocks for what is held up, and for nothing else", "[integration]") {
    testkit::Database database("otto_maintenance");
    database.owner.execute(kTextsToLeave);
    auto tx = database.service.begin(pg::Scope::none());
    std::vector<std::string> whose;
    auto chosen = [&](const pg::Param& ids, const pg::Param& company) {
        std::vector<std::string> out;
        whose.clear();
        tx.each(sql::texts_chosen, {ids, company}, [&](const pg::Fields& f) {
            out.push_back(f.text("message_id"));
            whose.push_back(f.text("company_id"));
        });
        return out;
    };
    CHECK(chosen(nullptr, nullptr) == std::vector<std::string>{text_id(3), text_id(4), text_id(6)});
    CHECK(chosen(nullptr, "org_a") == std::vector<std::string>{text_id(3), text_id(4)});
    std::vector<std::string> named;
    for (int n = 1; n <= 9; ++n) named.push_back(text_id(n));
    auto ids = chosen(pg::Param::array(named), nullptr);
    CHECK(ids.size() == 6);
    std::string lack;
    for (const auto& r : records(tx, sql::texts_not_in_line, {pg::Param::array(named)})) lack += find(r, "why")->text + "|";
    CHECK(lack ==
          "it failed for good, and is never sent again: a new one may be written|the provider has it: delivered|it came in|");

    auto knocked = [&] {
        std::string out;
        tx.each({"knocked", "SELECT company_id || ' ' || queue || ' ' || key AS v FROM work WHERE due_at <= now() ORDER BY 1"},
                {}, [&](const pg::Fields& f) { out += f.text("v") + "\n"; });
        return out;
    };
    std::optional<Instant> asked;
    const pg::Param companies = pg::Param::array(whose), those = pg::Param::array(ids);
    tx.write(sql::note_texts, {companies, those, "me", "they wait"});
    tx.each(sql::ask_texts, {companies, those}, [&](const pg::Fields& f) { asked = f.time("at"); });
    tx.write(sql::end_pauses, {companies});
    CHECK(knocked() == "org_a lead-pipeline/text-numbers +16025550100\norg_a lead-pipeline/texts " + text_id(3) +
                           "\norg_a lead-pipeline/texts " + text_id(4) + "\norg_b lead-pipeline/text-numbers +16025550100\n");
    auto paused = [&] {
        bool any = false;
        tx.each({"paused", "SELECT FROM text_pauses WHERE until > now()"}, {}, [&](const pg::Fields&) { any = true; });
        return any;
    };
    CHECK_FALSE(paused());
    auto open = [&] {
        std::int64_t n = -1;
        tx.each(sql::texts_under_way, {companies, those, asked}, [&](const pg::Fields& f) { n = f.integer("n"); });
        return n;
    };
    CHECK(open() == 5);  // four looks, and a pause that is over until one text was tried
    // The sender looks: one is gone, one is asked just now, the rest waits for its number.
    tx.write({"gone", "DELETE FROM text_sends WHERE message_id = '00000000-0000-4000-8000-000000000004'"});
    tx.write(
        {"taken",
         "UPDATE messages SET status = 'queued', provider_message_id = 'SM4' WHERE id = '00000000-0000-4000-8000-000000000004'"});
    tx.write(
        {"asks",
         "UPDATE text_sends SET state = 'asked', asked_at = now() WHERE message_id = '00000000-0000-4000-8000-000000000001'"});
    tx.write({"looked", "UPDATE work SET due_at = now() + interval '1 second'"});
    CHECK(open() == 2);
    tx.write({"refused again", "UPDATE text_pauses SET until = now() + interval '5 minutes'"});
    CHECK(open() == 1);
    std::string came;
    for (const auto& r : records(tx, sql::texts_outcomes, {companies, those}))
        came += find(r, "outcome")->text + ": " + find(r, "why")->text + "|";
    CHECK(came ==
          "waits: |waits: another text from this number to this person is before it|in doubt: the answer was lost|taken: |waits: "
          "its time is "
          "2027-01-01T15:00:00Z|waits: Twilio does not let the account in|");
}

TEST_CASE("every query fits the schema and the maintenance role's grants", "[integration]") {
    testkit::Database database("otto_maintenance");
    CHECK(database.prepares_all(sql::all) == "");
    auto& db = database.service;
    // What operators did stays as it was written, and services see nothing of it.
    db.execute("INSERT INTO operator_actions (operator, action, target) VALUES ('me', 'held.release', gen_random_uuid())");
    CHECK_THROWS_AS(db.execute("UPDATE operator_actions SET operator = 'you'"), pg::SqlFailure);
    CHECK_THROWS_AS(db.execute("DELETE FROM operator_actions"), pg::SqlFailure);
    pg::Connection service(database.as("otto_tenant_router"), "test");
    CHECK_THROWS_AS(service.execute("SELECT 1 FROM operator_actions"), pg::SqlFailure);
}
