// Voicemails: a row each, and what they say in words.
#include "voice.hpp"

#include "testing/catch.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;
using namespace otto::lead_pipeline::tests::voice;

namespace {

std::string voicemails(const std::string& company) {
    return lines(
        "SELECT concat_ws(' ', v.recording_sid, right(v.recording_url, 4), v.duration, coalesce(v.transcript, '-'), "
        "coalesce(v.summary, '-'), v.status, c.provider_call_id) AS v FROM voicemail_messages v JOIN calls c USING (company_id, "
        "call_id) WHERE v.company_id = $1 ORDER BY recording_sid",
        company);
}

std::multiset<std::string> analysed(const std::string& company, std::int64_t call) {
    return analyse({said(company, {call, "", ""}, 0, "", "")});
}

}  // namespace

TEST_CASE("one recording is one voicemail, told once", "[integration]") {
    const std::string company = "org_vm_once";
    take(company, incoming());
    take(company, ended(20));
    CHECK(take(company, recorded("RE1", true), 1).changed() == std::multiset<std::string>{"call", "voicemail"});
    auto again = recorded("RE1", true);
    again.mutable_recording()->set_url("https://elsewhere.example/RE9");
    again.mutable_recording()->set_duration_s(99);
    CHECK(take(company, again, 2).changed() == std::multiset<std::string>{"call"});
    CHECK(voicemails(company) == "RE1 /RE1 12 - - new CA1\n");
    CHECK(lines("SELECT (created_at = to_timestamp(1700000020))::text AS v FROM voicemail_messages WHERE company_id = $1",
                company) == "true\n");
    // What a person did with it stays.
    as_owner("UPDATE voicemail_messages SET status = 'listened' WHERE company_id = 'org_vm_once'");
    take(company, recorded("RE1", true), 0);
    CHECK(voicemails(company) == "RE1 /RE1 12 - - listened CA1\n");
    // Another call of the company that claims it does not get it.
    take(company, incoming("CA2"));
    take(company, recorded("RE1", true, "completed", "CA2"));
    CHECK(voicemails(company) == "RE1 /RE1 12 - - listened CA1\n");
    // Nor is it another company's.
    take("org_vm_other", incoming());
    take("org_vm_other", recorded("RE1", true));
    CHECK(voicemails("org_vm_other") == "RE1 /RE1 12 - - new CA1\n");
}

TEST_CASE("a voicemail says what was transcribed and analysed of it, in whatever order that is heard of", "[integration]") {
    std::vector<int> order{0, 1, 2, 3, 4};
    int round = 0;
    do {
        auto company = "org_vm_words" + std::to_string(round++);
        take(company, incoming());
        const auto call = placed(company, "CA1").id;
        for (int step : order) switch (step) {
                case 0:
                    take(company, ended(20));
                    break;
                case 1:
                    take(company, recorded("RE1", true));
                    break;
                case 2:
                    take(company, recorded("RE0", true, "absent"));
                    break;
                case 3:
                    transcript(company, call, "call me");
                    transcribed(company, call);
                    break;
                case 4:
                    summary(company, call, "wants a call");
                    analysed(company, call);
                    break;
            }
        REQUIRE(voicemails(company) == "RE1 /RE1 12 call me wants a call new CA1\n");
        CHECK(transcribed(company, call).empty());  // a repeat
        CHECK(analysed(company, call).count("voicemail") == 0);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a change of its words is told; of a call that somebody answered its own recording is what is analysed",
          "[integration]") {
    const std::string company = "org_vm_told";
    take(company, incoming());
    take(company, recorded("RE1", true));
    const auto call = placed(company, "CA1").id;
    transcript(company, call, "call me");
    CHECK(transcribed(company, call) == std::multiset<std::string>{"voicemail"});
    summary(company, call, "wants a call");
    CHECK(analysed(company, call).count("voicemail") == 1);
    summary(company, call, "wants a roof");  // a person's word
    CHECK(analysed(company, call).count("voicemail") == 1);
    CHECK(voicemails(company) == "RE1 /RE1 12 call me wants a roof new CA1\n");
    CHECK(take(company, recorded("RE2", false)).changed() == std::multiset<std::string>{"call"});  // nobody answered
    CHECK(voicemails(company) == "RE1 /RE1 12 call me wants a roof new CA1\n");
    auto answered = bare("CA1");
    answered.set_answered(true);
    CHECK(take(company, answered).changed().count("voicemail") == 1);
    CHECK(voicemails(company) == "RE1 /RE1 12 - - new CA1\n");
    CHECK(transcribed(company, call).empty());
}

TEST_CASE("a call without a voicemail costs its analysis no statement", "[integration]") {
    auto statements = [](const std::string& company, bool voicemail) {
        take(company, incoming());
        take(company, recorded("RE1", voicemail));
        auto e = said(company, placed(company, "CA1"), 0, "", "");
        rt::Envelope meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        meta.company = CompanyId{company};
        std::vector<rt::In<AnalysisCompleted>> ins{{e, meta}};
        auto tx = Db::shared().service.begin(pg::Scope::company(meta.company));
        rt::Sink sink("lead-pipeline/analysis");
        rt::Out<changes::v1::RowChanged> out(sink);
        Analyses().record(ins, tx, out);
        auto n = tx.statements();
        tx.commit();
        return n;
    };
    CHECK(statements("org_vm_cost_a", true) == statements("org_vm_cost_b", false) + 1);
}

TEST_CASE("where two rows prove to be one call, the voicemails go along, with their words", "[integration]") {
    const std::string company = "org_vm_fold";
    take(company, incoming("CA1"));
    take(company, incoming("CA2"));
    take(company, recorded("RE1", true, "completed", "CA2"));
    const auto younger = placed(company, "CA2").id;
    transcript(company, younger, "call me");
    auto joining = ended(20);
    joining.add_aliases("CA2");
    auto told = take(company, joining);
    CHECK(told.changed().count("voicemail") == 1);
    CHECK((told.call().recording_sid() == "RE1" && told.call().status() == "voicemail"));
    CHECK(voicemails(company) == "RE1 /RE1 12 call me - new CA1\n");
    // What is still told under the id that went.
    summary(company, younger, "wants a call");
    CHECK(analysed(company, younger).count("voicemail") == 1);
    CHECK(voicemails(company) == "RE1 /RE1 12 call me wants a call new CA1\n");
    transcript(company, placed(company, "CA1").id, "call me soon");
    CHECK(transcribed(company, younger) == std::multiset<std::string>{"voicemail"});
    CHECK(voicemails(company) == "RE1 /RE1 12 call me soon wants a call new CA1\n");
}

TEST_CASE("the statements of the seed find the call and its voicemail", "[integration]") {
    const std::string company = "org_vm_seed";
    take(company, incoming());
    take(company, ended(49));
    take(company, recorded("RE1", true));
    CHECK(lines("SELECT concat_ws(' ', call_sid, from_number, status, duration_seconds) AS v FROM (SELECT * FROM call_logs WHERE "
                "to_number = '+15551234567' AND workspace_id = $1 ORDER BY started_at DESC LIMIT 5) s",
                company) == "CA1 +12025550100 voicemail 49\n");
    CHECK(lines("SELECT recording_sid AS v FROM (SELECT * FROM voicemail_messages WHERE company_id = $1 ORDER BY created_at DESC "
                "LIMIT 5) s",
                company) == "RE1\n");
}

TEST_CASE("nobody reads another company's transcripts", "[integration]") {
    transcript("org_vm_wall_b", 7, "secret");
    auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{"org_vm_wall_a"}));
    CHECK(tx.many<Text>({"transcripts", "SELECT transcript_text AS v FROM call_transcripts"}).empty());
}
