// What Shunya's answers become: columns, events, and what is not known.
#include "analysis.hpp"

#include "testing/catch.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;

namespace {

Analysis read(const std::string& json) {
    auto parsed = JsonDocument::parse(json);
    REQUIRE(parsed.ok());
    return read_analysis(analysis_in(parsed->root()));
}

std::optional<Transcript> transcript(const std::string& json) {
    auto parsed = JsonDocument::parse(json);
    REQUIRE(parsed.ok());
    return read_transcript(parsed->root());
}

std::string hash_of(const std::string& json) {
    auto parsed = JsonDocument::parse(json);
    REQUIRE(parsed.ok());
    return output_hash(parsed->root());
}

const char* const kWhole = R"({
 "call_id": 1, "status": "completed", "created_at": "2026-11-21T10:00:00Z", "completed_at": "2026-11-21T10:01:00Z",
 "summary": {"summary": "A roof leaks.", "key_points": [], "sentiment_score": 0.74, "confidence_score": 0.9,
   "pending_actions": [{"type": "follow_up_call", "due_at": "2026-11-22T17:00:00Z", "contact_method": "phone", "confidence": 0.9, "raw_text": "call again tomorrow"}]},
 "compliance": {"compliance_score": 0.85, "target_role": "customer_rep"},
 "objections": {"objections": [{"id": 1, "category_id": 1, "category_text": "Price/Budget", "objection_text": "Too much.", "overcome": false, "speaker_id": "customer", "timestamp": 4.2, "severity": "medium",
   "confidence_score": 0.86, "response_suggestions": ["Offer financing"]}], "total_count": 1},
 "qualification": {"qualification_status": "hot", "booking_status": "booked", "call_outcome_category": "qualified_and_booked", "appointment_confirmed": true, "appointment_date": "2026-11-22T14:00:00",
   "appointment_type": "in-person", "service_requested": "roof repair"},
 "entities": {"address": "123 Main Street, Phoenix, AZ", "name": "Ann", "phone": "+16025550123", "appointment_date": "2026-11-22T14:00:00"}})";

}  // namespace

TEST_CASE("the complete analysis object") {
    auto a = read(kWhole);
    CHECK(a.booking_status == "booked");
    CHECK(a.lead_quality == "hot");
    CHECK(a.call_outcome_category == "qualified_and_booked");
    CHECK(a.summary == "A roof leaks.");
    CHECK(a.appointment_date == "2026-11-22T14:00:00");
    CHECK(a.appointment_type == "in-person");
    CHECK(a.service_type == "roof repair");
    CHECK(a.address == "123 Main Street, Phoenix, AZ");
    CHECK(a.customer_name == "Ann");
    CHECK(a.sop_compliance_score == 8.5);
    CHECK(a.sentiment_score == 0.74);
    CHECK(a.unknown.empty());
    CHECK(
        a.objections ==
        R"([{"key":"price_budget","label":"Price/Budget","objection_text":"Too much.","overcome":false,"severity":"medium","category_id":1,"speaker_id":"customer","timestamp":4.2,"confidence_score":0.86,"response_suggestions":["Offer financing"]}])");
    REQUIRE(a.actions.size() == 1);
    CHECK(a.actions[0] == PendingAction{"follow_up_call", "call again tomorrow", "2026-11-22T17:00:00Z", "phone", {}, {}});
    analysis::v1::AnalysisCompleted m;
    describe(a, m);
    CHECK((m.booking_status() == "booked" && m.has_appointment_date() && !m.has_city() && m.actions_size() == 1 &&
           m.actions(0).due_at() == "2026-11-22T17:00:00Z"));
}

TEST_CASE("nothing is inferred: what is not said is absent") {
    auto a = read(R"({"summary": {"summary": "x"}})");
    CHECK_FALSE(a.booking_status);
    CHECK_FALSE(a.lead_quality);
    CHECK_FALSE(a.call_outcome_category);
    CHECK_FALSE(a.sop_compliance_score);
    CHECK_FALSE(a.sentiment_score);
    CHECK((a.objections == "[]" && a.entities == "{}" && a.actions.empty() && a.unknown.empty()));
    analysis::v1::AnalysisCompleted m;
    describe(a, m);
    CHECK((!m.has_booking_status() && !m.has_lead_quality() && !m.has_appointment_date()));
    // Booked without a time, and a category that says otherwise: both are kept as they are.
    auto odd = read(
        R"({"qualification": {"booking_status": "booked", "call_outcome_category": "qualified_but_unbooked", "appointment_date": null}})");
    CHECK((odd.booking_status == "booked" && odd.call_outcome_category == "qualified_but_unbooked" && !odd.appointment_date &&
           odd.unknown.empty()));
}

TEST_CASE("a word that is not known is kept and reported") {
    auto a = read(
        R"({"qualification": {"booking_status": "Maybe Later", "qualification_status": "lukewarm", "call_outcome_category": "other", "appointment_type": "by drone"},
                      "objections": [{"category_id": 77, "category_text": "Colour of the Van"}, {"category_text": "Moon phase", "severity": "cosmic"}],
                      "summary": {"pending_actions": [{"type": "send_pigeon", "raw_text": "send a pigeon", "contact_method": "pigeon", "assignee": "the boss", "priority": "whenever"}]},
                      "compliance": {"compliance_score": 85}})");
    CHECK(a.booking_status == "Maybe Later");
    CHECK(a.lead_quality == "lukewarm");
    CHECK(a.call_outcome_category == "other");
    CHECK(a.appointment_type == "by drone");
    CHECK_FALSE(a.sop_compliance_score);
    CHECK(a.objections.find(R"("key":"colour_of_the_van","label":"Colour of the Van")") != std::string::npos);
    CHECK(a.objections.find(R"("key":"moon_phase")") != std::string::npos);
    CHECK(a.objections.find(R"("severity":"cosmic")") != std::string::npos);
    REQUIRE(a.actions.size() == 1);
    CHECK((a.actions[0].type == "custom" && a.actions[0].raw_text == "send a pigeon" && a.actions[0].contact_method == "pigeon" &&
           !a.actions[0].assignee && !a.actions[0].priority));
    for (auto line : {"booking_status=Maybe Later", "lead_quality=lukewarm", "call_outcome_category=other",
                      "appointment_type=by drone", "objection_category=77 Colour of the Van", "objection_category=Moon phase",
                      "objection_severity=cosmic", "action_type=send_pigeon", "contact_method=pigeon", "assignee_type=the boss",
                      "priority=whenever", "compliance_score=85"}) {
        INFO(line);
        CHECK(std::find_if(a.unknown.begin(), a.unknown.end(), [&](const auto& u) {
                  return u == line || u.starts_with(std::string(line) + ".");
              }) != a.unknown.end());
    }
}

TEST_CASE("other spellings and names of the same") {
    CHECK(read(R"({"booking_status": " BOOKED ", "lead_quality": "Hot"})").booking_status == "booked");
    CHECK(read(R"({"qualification": {"booking_status": "service not offered"}})").booking_status == "service_not_offered");
    CHECK(read(R"({"qualification": {"call_outcome_category": "qualified_not_booked"}})").call_outcome_category ==
          "qualified_but_unbooked");
    CHECK(read(R"({"summary": "short", "sentiment": "0.5"})").summary == "short");
    CHECK(read(R"({"summary": "short", "sentiment": "0.5"})").sentiment_score == 0.5);
    CHECK(read(R"({"summary": {"sentiment": -0.25}})").sentiment_score == -0.25);
    CHECK(read(R"({"entities": {"scheduled_time": "2026-11-22 09:30"}})").appointment_date == "2026-11-22 09:30");
    CHECK(
        read(
            R"({"entities": {"person_name": "Bo", "address": {"street": "1 A St", "city": "Mesa", "state": "AZ", "zip": 85201}}})")
            .address == "1 A St, Mesa, AZ, 85201");
    CHECK(read(R"({"entities": {"address": {"city": "Mesa"}}})").city == "Mesa");
    for (auto wrapped : {R"({"result": {"booking_status": "booked"}})",
                         R"({"success": true, "data": {"qualification": {"booking_status": "booked"}}})",
                         R"({"data": {"analysis": {"booking_status": "booked"}}})"})
        CHECK(read(wrapped).booking_status == "booked");
    for (auto [score, stored] : {std::pair{"0", 0.0}, {"1", 10.0}, {"0.1", 1.0}, {"0.57", 5.7}})
        CHECK(read(std::string(R"({"compliance": {"compliance_score": )") + score + "}}").sop_compliance_score == stored);
}

TEST_CASE("a model that found nothing writes a word for it, which is nothing") {
    for (std::string nothing : {"N/A",
                                "n/a",
                                "None",
                                "null",
                                "NULL",
                                "-",
                                "—",
                                "Not provided",
                                "not mentioned",
                                "Not specified in the call",
                                "TBD",
                                "unknown",
                                "Unknown.",
                                "",
                                " ",
                                "undefined",
                                "Not available",
                                "No information provided",
                                "Ｎ／Ａ",
                                "NOT_MENTIONED",
                                "[unknown]",
                                "To be determined",
                                "No proporcionado"}) {
        JsonWriter quoted;
        quoted.value(nothing);
        const auto& q = quoted.text();
        auto a = read("{\"summary\": {\"summary\": " + q + ", \"pending_actions\": [" + q + ", {\"action\": " + q +
                      "}, {\"type\": " + q + ", \"raw_text\": " + q + "}, {\"type\": \"call_back\", \"raw_text\": " + q +
                      ", \"due_at\": " + q + ", \"contact_method\": " + q + ", \"assignee\": " + q + ", \"priority\": " + q +
                      "}]}, \"qualification\": {\"booking_status\": " + q + ", \"qualification_status\": " + q +
                      ", \"appointment_date\": " + q + ", \"appointment_type\": " + q + ", \"service_requested\": " + q +
                      ", \"call_outcome_category\": " + q + "}, \"objections\": [" + q + ", {\"category_text\": " + q +
                      ", \"objection_text\": " + q + "}, {\"category_id\": 2, \"objection_text\": " + q +
                      "}], \"entities\": {\"name\": " + q + ", \"address\": " + q + ", \"city\": " + q + ", \"state\": " + q +
                      ", \"phone\": \"+16025550123\"}}");
        INFO(nothing);
        for (const auto* field : {&a.booking_status, &a.lead_quality, &a.call_outcome_category, &a.summary, &a.appointment_date,
                                  &a.appointment_type, &a.service_type, &a.address, &a.city, &a.state, &a.customer_name})
            CHECK_FALSE(*field);
        CHECK(a.actions == std::vector<PendingAction>{{"call_back", "call_back", {}, {}, {}, {}}});
        CHECK(a.objections ==
              R"([{"key":"timing","label":"Timing","objection_text":null,"overcome":null,"severity":null,"category_id":2}])");
        CHECK(a.entities == R"({"name":null,"address":null,"city":null,"state":null,"phone":"+16025550123"})");
        CHECK(a.unknown.empty());
    }
    // It is the answer, though another place speaks of something; nothing at all is none.
    CHECK_FALSE(
        read(
            R"({"qualification": {"appointment_date": "TBD", "service_requested": "N/A"}, "entities": {"scheduled_time": "2026-11-22 09:30", "service": "roof repair"}})")
            .appointment_date);
    CHECK_FALSE(
        read(
            R"({"qualification": {"appointment_date": "TBD", "service_requested": "N/A"}, "entities": {"scheduled_time": "2026-11-22 09:30", "service": "roof repair"}})")
            .service_type);
    CHECK(
        read(
            R"({"qualification": {"appointment_date": "", "service_requested": null}, "entities": {"scheduled_time": "2026-11-22 09:30", "service": "roof repair"}})")
            .appointment_date == "2026-11-22 09:30");
    CHECK(read(R"({"entities": {"name": "Speaker 1", "person_name": "Ann"}})").customer_name == "Ann");
    CHECK(read(R"({"entities": {"address": "N/A, Phoenix, AZ"}})").address == "Phoenix, AZ");
    CHECK(read(R"({"entities": {"address": {"street": "Not provided", "city": "Mesa", "state": "unknown"}}})").address == "Mesa");
    CHECK(read(R"({"entities": {"address": "12 Unknown Rd, Mesa"}})").address == "12 Unknown Rd, Mesa");
    CHECK(read(R"({"objections": ["No objections were raised", "None", "timing"]})").objections.find("Timing") !=
          std::string::npos);
    CHECK(read(R"({"objections": ["No objections", "None"]})").objections == "[]");
    CHECK(read(R"({"booking_status": "booked", "pending_actions": ["No action needed", "No follow-up required."]})")
              .actions.empty());
}

TEST_CASE("a town that a model took for a name is none") {
    auto name = [](const std::string& said, const std::string& rest) {
        return read(R"({"entities": {"name": ")" + said + R"(", )" + rest + "}}").customer_name;
    };
    for (auto where : {R"("address": "123 Main Street, Phoenix, AZ")", R"("address": "123 Main Street, Phoenix, AZ 85001")",
                       R"("address": "Phoenix, AZ, 85001")", R"("city": "Phoenix", "state": "AZ")",
                       R"("address": {"street": "1 A St", "city": "Phoenix", "state": "AZ"})"}) {
        INFO(where);
        CHECK_FALSE(name("PHOENIX      AZ", where));
        CHECK_FALSE(name("Phoenix, AZ", where));
        CHECK(name("Phoenix Lopez", where) == "Phoenix Lopez");
        CHECK(name("Phoenix", where) == "Phoenix");
    }
    CHECK(name("Maria Lopez", R"("address": "12 Elm")") == "Maria Lopez");
}

TEST_CASE("words of closed lists are told by letters, not by ASCII") {
    CHECK(read(R"({"booking_status": "ＢＯＯＫＥＤ"})").booking_status == "booked");
    CHECK(read(R"({"booking_status": "Not—Booked"})").booking_status == "not_booked");
    CHECK(read(R"({"lead_quality": "Hót"})").lead_quality == "hot");
    CHECK(read(R"({"booking_status": "not\u00a0booked\u200b"})").booking_status == "not_booked");
}

TEST_CASE("pending actions come in three shapes") {
    auto actions = [](const std::string& list) { return read(R"({"summary": {"pending_actions": )" + list + "}}").actions; };
    auto objects = actions(
        R"([{"action": "call the customer again", "action_type": "follow_up_call", "assignee_type": "customer_rep", "priority": "high", "context": "asked for the price", "due_at": "2026-11-22"}])");
    REQUIRE(objects.size() == 1);
    CHECK(objects[0] == PendingAction{"follow_up_call", "call the customer again", "2026-11-22", {}, "csr", "high"});
    auto texts = actions(R"(["follow up tomorrow", "send_quote", "", 7])");
    REQUIRE(texts.size() == 3);
    CHECK(texts[0] == PendingAction{"custom", "follow up tomorrow", {}, {}, {}, {}});
    CHECK(texts[1] == PendingAction{"send_quote", "send_quote", {}, {}, {}, {}});
    CHECK(texts[2].raw_text == "7");
    auto typed = actions(R"([{"action": "Send Quote"}, {"type": "custom", "raw_text": "dance"}, {}])");
    REQUIRE(typed.size() == 2);  // the last says nothing
    CHECK((typed[0].type == "send_quote" && typed[0].raw_text == "Send Quote"));
    CHECK((typed[1].type == "custom" && typed[1].raw_text == "dance"));
    CHECK(read(R"({"booking_status": "booked", "pending_actions": ["a b"]})").actions.size() == 1);
    CHECK(actions("{}").empty());
    CHECK(actions("null").empty());
}

TEST_CASE("objections have one key each, whatever Shunya calls them") {
    const char* keys[] = {"price_budget",       "timing",    "competitor",     "trust_credibility", "need_fit",
                          "decision_authority", "technical", "contract_terms", "diy_alternative",   "no_response"};
    for (int i = 0; i < 10; ++i) {
        CHECK(objection_key(i + 1, "") == keys[i]);
        CHECK(objection_key({}, objection_label(keys[i])) == keys[i]);
        CHECK(objection_key({}, keys[i]) == keys[i]);
    }
    for (auto [old, key] : {std::pair{"price", "price_budget"},
                            {"Trust", "trust_credibility"},
                            {"need", "need_fit"},
                            {"authority", "decision_authority"}})
        CHECK(objection_key({}, old) == key);
    CHECK(objection_key(0, "") == "");
    CHECK(objection_key(11, "Weather") == "");
    auto a = read(R"({"objections": ["Too dear for us.", "timing", {"objection_text": "no"}, 5, null]})");
    CHECK(a.objections.find(R"("key":"other","label":"Other","objection_text":"Too dear for us.")") != std::string::npos);
    CHECK(a.objections.find(R"("key":"timing","label":"Timing","objection_text":null)") != std::string::npos);
    CHECK(a.unknown.empty());
}

TEST_CASE("lists take texts, numbers and objects with a name") {
    auto keys = [](const std::string& list) {
        std::string out;
        auto parsed = JsonDocument::parse(read(R"({"objections": )" + list + "}").objections).value();
        for (std::size_t i = 0; i < parsed.root().size(); ++i)
            out += (i ? " " : "") + std::string(*parsed.root().at(i)["key"].string());
        return out;
    };
    CHECK(keys(R"(["price", 5, {"name": "Timing"}, {"category_id": 3.0}, {"label": "DIY"}])") ==
          "price_budget need_fit timing competitor diy_alternative");
    CHECK(keys(R"({"objections": ["timing", 1]})") == "timing price_budget");
    CHECK(keys(R"("too dear")") == "other");
    CHECK(keys("[77]") == "other");
    CHECK(keys(R"([null, true, false, [], ["timing"], ""])") == "");
    for (auto none : {"true", "7", "{}", "null", R"({"objections": true})", R"({"total_count": 0})"}) CHECK(keys(none) == "");
    auto actions = [](const std::string& list) {
        std::string out;
        for (const auto& a : read(R"({"summary": {"summary": "x", "pending_actions": )" + list + "}}").actions)
            out += (out.empty() ? "" : "|") + a.type + ":" + a.raw_text;
        return out;
    };
    CHECK(actions(R"([{"name": "send the quote"}, {"title": "call"}, {"type": "send_quote", "name": "x"}, "check_in", 7])") ==
          "custom:send the quote|custom:call|send_quote:x|check_in:check_in|custom:7");
    CHECK(actions(R"("call the customer back")") == "custom:call the customer back");
    for (auto none : {"true", "7", "{}", "null", R"([true, null, ["x"]])"}) CHECK(actions(none) == "");
    CHECK(
        transcript(
            R"({"transcript_text": null, "speaker_labels": [null, {"speaker": null, "text": null}, {"speaker": "ann", "text": "Hello"}, "hi", {"speaker": 1, "text": "yo"}, {}]})")
            ->text == "ann: Hello\n?: hi\n1: yo");
}

TEST_CASE("a member of another type is none and is reported; where a former analysis stands, what that said stays") {
    struct Row {
        std::string member, reported;
    };
    for (const auto& row :
         std::vector<Row>{{R"("qualification": {"booking_status": {"value": "booked"}})", R"(booking_status={"value":"booked"})"},
                          {R"("qualification": {"booking_status": ["booked"]})", R"(booking_status=["booked"])"},
                          {R"("qualification": {"booking_status": true})", "booking_status=true"},
                          {R"("qualification": "booked")", R"(qualification="booked")"},
                          {R"("qualification": [])", "qualification=[]"},
                          {R"("entities": ["Ann"])", R"(entities=["Ann"])"},
                          {R"("entities": {"name": {"first": "Ann"}})", R"(name={"first":"Ann"})"},
                          {R"("entities": {"address": true})", "address=true"},
                          {R"("compliance": 0.5)", "compliance=0.5"},
                          {R"("compliance": {"compliance_score": [0.5]})", "compliance_score=[0.5]"},
                          {R"("summary": ["x"])", R"(summary=["x"])"},
                          {R"("summary": {"summary": {"text": "x"}})", R"(summary={"text":"x"})"},
                          {R"("objections": true)", "objections=true"}}) {
        INFO(row.member);
        auto content = "{\"model\": \"m\", \"lead_quality\": \"hot\", " + row.member + "}";
        auto alone = read(content);
        CHECK(std::find(alone.unknown.begin(), alone.unknown.end(), row.reported) != alone.unknown.end());
        CHECK_FALSE(alone.booking_status);
        CHECK_FALSE(alone.summary);
        auto now = JsonDocument::parse(content).value(), former = JsonDocument::parse(kWhole).value();
        auto mended = understood(now.root(), former.root());
        REQUIRE(mended);
        auto after = read(*mended), before = read(kWhole);
        CHECK(after.model_version == "m");
        if (row.member.find("qualification") != std::string::npos) CHECK(after.booking_status == "booked");
        if (row.member.find("\"entities\": [") != std::string::npos)
            CHECK((after.customer_name == "Ann" && after.address == before.address));
        if (row.member.find("\"name\"") != std::string::npos) CHECK(after.customer_name == "Ann");
        if (row.member.find("address") != std::string::npos) CHECK(after.address == before.address);
        if (row.member.find("compliance") != std::string::npos) CHECK(after.sop_compliance_score == 8.5);
        if (row.member.find("summary") != std::string::npos) CHECK(after.summary == "A roof leaks.");
        if (row.member.find("objections") != std::string::npos) CHECK(after.objections == before.objections);
    }
    auto whole = JsonDocument::parse(kWhole).value();
    CHECK_FALSE(understood(whole.root(), whole.root()));
    for (auto fine : {R"({"qualification": {"booking_status": null}, "entities": null})", R"({"summary": "short"})",
                      R"({"compliance": {"compliance_score": "n/a"}})", R"({"entities": {"address": {"city": "Mesa"}}})"}) {
        INFO(fine);
        auto parsed = JsonDocument::parse(fine).value();
        CHECK_FALSE(understood(parsed.root(), whole.root()));  // what it says not, it says not
    }
    auto first = JsonDocument::parse(R"({"qualification": 7, "model": "m"})").value();
    CHECK(*understood(first.root(), {}) == R"({"model":"m"})");
}

TEST_CASE("what is no analysis, and what no transcript") {
    for (auto none : {"{}", "[]", "7", "\"booked\"", "null", R"({"data": "booked"})", R"({"result": [1]})",
                      R"({"call_id": 1, "status": "completed"})", R"({"summary": null})"}) {
        INFO(none);
        auto parsed = JsonDocument::parse(none);
        CHECK_FALSE(analysis_in(parsed->root()).exists());
        CHECK_FALSE(read_transcript(parsed->root()));
    }
}

TEST_CASE("transcripts") {
    auto t = transcript(
        R"({"success": true, "transcript_text": "hello", "speaker_labels": [{"speaker": "csr", "text": "hello"}], "confidence_score": 0.9, "word_count": 1, "language": "en-US"})");
    REQUIRE(t);
    CHECK(*t == Transcript{"hello", R"([{"speaker":"csr","text":"hello"}])", 0.9, "en-US", 1});
    CHECK(transcript(R"({"data": {"transcript": "x"}})")->text == "x");
    CHECK(transcript(R"({"result": {"transcription": {"text": "x"}}})")->text == "x");
    CHECK(transcript(R"({"transcript_text": ""})")->text.empty());  // nobody spoke
    CHECK(transcript(R"({"segments": [{"speaker": "a", "text": "hi"}, {"speaker": 2, "text": "yo"}]})")->text == "a: hi\n2: yo");
    CHECK(transcript(R"({"text": "a\u0000b"})")->text ==
          "a\xEF\xBF\xBD"
          "b");
    std::string large(20u << 20, 'x');
    CHECK(transcript("{\"transcript_text\": \"" + large + "\"}")->text.size() == large.size());
}

TEST_CASE("the same content has the same hash, however it was told and ordered") {
    auto h = hash_of(R"({"a": 1, "b": {"x": 1, "y": [1, 2]}})");
    CHECK(
        h ==
        hash_of(
            R"({"b": {"y": [1, 2], "x": 1}, "a": 1, "created_at": "now", "processed_at": 1, "analyzed_at": 2, "timestamp": 3, "call_id": 9, "status": "completed", "success": true})"));
    CHECK(h != hash_of(R"({"a": 1, "b": {"x": 1, "y": [2, 1]}})"));
    CHECK(h != hash_of(R"({"a": 2, "b": {"x": 1, "y": [1, 2]}})"));
    CHECK(hash_of(R"({"o": [{"timestamp": 4.2}]})") !=
          hash_of(R"({"o": [{"timestamp": 5.2}]})"));  // when in the call, not when it was told
}

TEST_CASE("a person's word wins, also to say that there is none") {
    auto machine = read(kWhole);
    auto a =
        corrected(machine, {{"booking_status", "not_booked"}, {"appointment_date", std::nullopt}, {"address", "9 New Road"}});
    CHECK(a.booking_status == "not_booked");
    CHECK_FALSE(a.appointment_date);
    CHECK(a.address == "9 New Road");
    CHECK(a.lead_quality == "hot");
    CHECK(a.entities.find(R"("address":"9 New Road")") != std::string::npos);
    CHECK(a.entities.find(R"("appointment_date":null)") != std::string::npos);
    CHECK(a.entities.find(R"("name":"Ann")") != std::string::npos);
    CHECK(value_of(machine, "booking_status") == "booked");
    CHECK_FALSE(value_of(machine, "colour"));
    CHECK(corrected(machine, {}) == machine);
}

TEST_CASE("jsonb takes whatever is stored") {
    auto parsed = JsonDocument::parse(R"({"a\u0000": "b\\u0000\u0000\\\u0000"})");
    REQUIRE(parsed.ok());
    auto text = storable(parsed->root());
    CHECK(text == R"({"a\ufffd":"b\\u0000\ufffd\\\ufffd"})");
    CHECK(storable(std::string_view("a\0b", 3)) ==
          "a\xEF\xBF\xBD"
          "b");
}
