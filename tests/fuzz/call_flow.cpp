// A company's call flow and what Twilio asks of it: lines with the step, the flow's hash ({right} stands for the one of the first
// document), DialCallStatus, StreamEvent and the caller, then the flow.
#include "providers/call_flow.hpp"

#include "base/text.hpp"
#include "harness.hpp"
#include "twiml_reader.hpp"

using namespace otto;
using providers::CallMoment;
using providers::tests::TwimlReader;

namespace {

const Instant kNow = from_micros(1'767'225'600'000'000);

void look(const providers::Callee& callee, const CallMoment& moment) {
    const auto a = providers::answer(callee, moment, kNow);
    std::string why;
    const auto root = TwimlReader::read(a.twiml, why);
    OTTO_EXPECT(root.has_value(), why + ": " + a.twiml);
    OTTO_EXPECT(a.twiml == providers::answer(callee, moment, kNow).twiml, "not pure");
    OTTO_EXPECT(!a.notice_played || a.notice_sha256.size() == 64, a.twiml);
    OTTO_EXPECT(a.twiml.find("record-from-answer") == std::string::npos || !a.notice_sha256.empty(), a.twiml);
    OTTO_EXPECT(a.twiml.find(">+16025550119<") == std::string::npos, "its own number is dialled");
    for (const auto& verb : root->inside) OTTO_EXPECT(!callee.caller_is_ours || verb.name != "Dial", a.twiml);
}

}  // namespace

void fuzz(std::string_view text) {
    fuzzing::Input input(text);
    CallMoment moment{.kind = CallMoment::Kind::next_step, .call_sid = "CA0123456789abcdef0123456789abcdef"};
    moment.step = input.line();
    moment.flow = input.line();
    moment.dial_status = input.line();
    moment.stream_event = input.line();
    moment.from = input.line();
    providers::Callee callee{.company_id = "org_1",
                             .timezone = "America/Phoenix",
                             .call_flow = std::string(input.rest()),
                             .number = "+16025550100",
                             .own_numbers = {"+16025550119"},
                             .public_url = "https://otto.example"};
    CallMoment first{.call_sid = moment.call_sid, .from = moment.from};
    const auto begun = providers::answer(callee, first, kNow).twiml;
    if (const auto at = begun.find("?flow="); moment.flow == "{right}" && at != std::string::npos)
        moment.flow = begun.substr(at + 6, begun.find('&', at) - at - 6);
    for (bool voicemail : {true, false})
        for (bool ours : {false, true}) {
            callee.voicemail = voicemail;
            callee.caller_is_ours = ours;
            look(callee, first);
            look(callee, moment);
        }
    if (!providers::fault_of_flow(callee.call_flow, callee.own_numbers))
        OTTO_EXPECT(providers::answer(callee, first, kNow).twiml != providers::nobody_answers(), callee.call_flow);
    if (auto body = providers::missed_call_text(callee.call_flow)) OTTO_EXPECT(trim(*body) == *body && !body->empty(), *body);
}
