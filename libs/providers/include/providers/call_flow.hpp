#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

/// What a caller meets: a company's call flow (CallFlow of the HTTP contract) and the TwiML that says it to Twilio. Pure: a
/// document follows from what is called, the request and the clock, and from nothing else, so that it can be made in the ingress
/// without database or Kafka.
namespace otto::providers {

/// Who is called, as the directory knows it when the request comes.
struct Callee {
    std::string company_id;
    bool active = true;                    ///< a suspended company's calls are answered as an unknown number's
    std::string timezone;                  ///< IANA; `hours` are on its clocks
    std::string call_flow;                 ///< JSON, "" = none is set: the default flow
    std::string number;                    ///< that was called, E.164
    bool voicemail = true;                 ///< whether callers of that number may leave one
    std::vector<std::string> own_numbers;  ///< Twilio voice numbers of the company: none of them is dialled, it would loop
    bool caller_is_ours = false;           ///< From is a number of this deployment: nothing is dialled on
    std::string public_url;                ///< of this deployment, without a slash at its end: where Twilio goes on
};

/// What Twilio asks for: the first document of a call, or how one goes on.
struct CallMoment {
    enum class Kind { incoming, next_step };
    Kind kind = Kind::incoming;
    std::string call_sid, from;
    std::string flow, step;   ///< of next_step: the query's, as call_flow's documents wrote them
    std::string dial_status;  ///< DialCallStatus of a <Dial>'s action: completed, answered, busy, no-answer, failed, canceled
    /// StreamEvent: stream-started, stream-stopped, stream-error; of a stream's status the request's own, else the last one that
    /// this process heard of the call, for Twilio does not say what became of a stream when the call goes on behind it. Unknown:
    /// a stream that lasted is taken for one that ran, of a short one the call goes on as if it had failed.
    std::string stream_event;
    bool over = false;  ///< CallStatus says that the call has ended: nothing that is answered is heard
};

struct CallAnswer {
    std::string twiml;           ///< at most kLongestTwiml bytes, begins with '<'
    std::string notice_sha256;   ///< hex, of the flow's consent notice; "" = it has none
    bool notice_played = false;  ///< this document says it
};

inline constexpr std::size_t kLongestTwiml = 64'000;

/// The document for a call of a number that is a company's. A step's address says what of the call must be known later (whether
/// the notice was played, how often Twilio asked), so that any process can answer for it; a call ends within 20 documents
/// whatever the flow.
CallAnswer answer(const Callee&, const CallMoment&, Instant now);
/// One polite sentence and the end of the call: of a number that is nobody's, or a suspended company's.
std::string_view nobody_answers();

/// Why a flow cannot be set: the field ("call_flow.record") and what to do. Beside what its schema says: recording needs a
/// notice, none of the company's own Twilio voice numbers is dialled, no document of it is longer than Twilio reads.
struct FlowFault {
    std::string field, cure;
};
std::optional<FlowFault> fault_of_flow(std::string_view json, const std::vector<std::string>& own_numbers);

/// `missed_call_text` of a flow: the body, nothing if it is off.
std::optional<std::string> missed_call_text(std::string_view json);

}  // namespace otto::providers
