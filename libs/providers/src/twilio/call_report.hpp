#pragma once
#include <string>
#include <string_view>

#include "providers/call_flow.hpp"

namespace otto::inbound::v1 {
class Addressee;
class ProviderEvent;
}  // namespace otto::inbound::v1

/// What Twilio says of a call, in our words.
namespace otto::providers::twilio {

/// Which of a call's webhooks it is. All have the same parameters, as far as they have any, so the path tells them apart.
enum class CallHook { incoming, status, step, recording };
/// "call.incoming", "call.status", "call.step", "call.recording".
std::string_view kind_of(CallHook);

/// In Twilio's words; "": it does not say.
struct CallFacts {
    CallHook hook = CallHook::incoming;
    std::string sid, parent_sid, account_sid, direction, from, to;
    std::string status;     ///< "ringing", "completed"
    std::string timestamp;  ///< RFC 2822, of what the status says
    std::string duration;   ///< CallDuration, seconds; never Duration, which is minutes to be paid
    std::string sequence = {}, answered_by = {};
    std::string dial_status = {};                                ///< DialCallStatus: what came of a <Dial>
    std::string stream_event = {};                               ///< StreamEvent: "stream-started"
    std::string name = {}, city = {}, state = {}, country = {};  ///< of the customer's end
    std::string recording_sid = {}, recording_url = {}, recording_status = {}, recording_duration = {}, recording_source = {},
                recording_started = {};
    std::string flow = {}, step = {};  ///< of the address's query
};

/// A call that a <Dial> made: it is part of the call that it was made for, and its ends are not the customer's.
bool is_leg(const CallFacts&);

/// The call came to the company's number; else it went out from there. Who says nothing came in.
bool came_in(const CallFacts&);

/// Whose it could be. The company's end is `to` of a call that came in, else `from`; where none is named, and of a leg and of a
/// recording, the call is.
inbound::v1::Addressee addressee_of(const CallFacts&);

/// What makes an event's id. `whole`: alone; else with the body's hash.
struct CallIdentity {
    std::string text;
    bool whole = false;
};
/// Sets kind, key, addressee and the report; a status of a call, or of a recording, that nobody knows is not understood.
/// Identity: the recording's SID and status; else the call's (a leg's own), how it stands and the SequenceNumber; else, where
/// there is none, also flow and step, and not alone.
CallIdentity tell(const CallFacts&, inbound::v1::ProviderEvent&);

/// What it asks for, of one that is answered with TwiML.
CallMoment moment_of(const CallFacts&);

}  // namespace otto::providers::twilio
