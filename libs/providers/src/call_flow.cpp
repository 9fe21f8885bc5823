#include "providers/call_flow.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "base/wall_clock.hpp"
#include "twilio/twiml.hpp"

namespace otto::providers {
namespace {

using twilio::Twiml;

constexpr std::string_view kGreeting = "Please leave a message after the tone.";
constexpr std::size_t kMostNumbers = 10;  ///< that one <Dial> rings at once
/// What a call may wait for: dials, streams and voicemails; with the first document and the voicemail at its end it then asks 19
/// times at most.
constexpr int kMostWaits = 17;
/// Twilio has given up on a stream's socket after so long.
constexpr std::int64_t kHandshakeSeconds = 60;
constexpr std::size_t kSpokenBytesASecond = 8;  ///< of the slowest voice
constexpr std::size_t kLongestParameter = 400;  ///< Twilio takes 500 characters of a stream's <Parameter>, its name included

enum class List { open, closed, no_answer, end };
constexpr std::array<std::string_view, 4> kLists{"open", "closed", "no_answer", "end"};

struct Step {
    enum class Kind { none, say, dial, stream, voicemail };
    Kind kind = Kind::none;
    std::string text;                  ///< what is said, a voicemail's greeting, a stream's address
    std::vector<std::string> numbers;  ///< E.164
    std::int64_t seconds = 0;          ///< that a dial rings, that a voicemail may last
};

/// Whether Twilio comes back with what came of it.
bool waits(const Step& step) {
    return step.kind == Step::Kind::dial || step.kind == Step::Kind::stream || step.kind == Step::Kind::voicemail;
}

/// A company's flow as far as it can be understood: its schema has seen it, but a row can be written by hand.
struct Flow {
    std::string notice;
    bool record = false;
    bool always_open = true;
    std::vector<Opening> openings;
    std::array<std::vector<Step>, 3> steps;  ///< by List
    std::array<std::string, 3> as_set;       ///< by List, JSON

    const std::vector<Step>& of(List list) const { return steps[static_cast<std::size_t>(list)]; }
    bool is_open(std::string_view timezone, Instant now) const;
    /// Of what a call meets that is in this list: it changes when a step's place could mean another step.
    std::string sign(List) const;
};

/// Of a notice that nobody can hear nobody has been told.
bool can_be_heard(std::string_view text) { return !Twiml{}.say(text).empty(); }

std::string_view said(JsonView v) { return v.string().value_or(""); }

Step step_of(JsonView v) {
    using Kind = Step::Kind;
    if (v["stream"].is_string()) return {Kind::stream, std::string(said(v["stream"])), {}, 0};
    if (v["say"].is_string()) return {Kind::say, std::string(said(v["say"])), {}, 0};
    if (auto dial = v["dial"]; dial.is_array()) {
        Step step{Kind::dial, {}, {}, std::clamp<std::int64_t>(v["timeout_s"].integer().value_or(20), 5, 600)};
        for (std::size_t i = 0; i < std::min(dial.size(), kMostNumbers); ++i)
            if (auto phone = normalize_phone(said(dial.at(i)));
                phone.e164 && std::find(step.numbers.begin(), step.numbers.end(), phone.text) == step.numbers.end())
                step.numbers.push_back(phone.text);
        return step;
    }
    if (auto voicemail = v["voicemail"]; voicemail.is_object())
        return {Kind::voicemail,
                std::string(voicemail["greeting"].string().value_or(kGreeting)),
                {},
                std::clamp<std::int64_t>(voicemail["max_s"].integer().value_or(120), 2, 3'600)};
    return {};
}

constexpr std::pair<std::string_view, std::chrono::weekday> kDays[] = {
    {"mon", std::chrono::Monday}, {"tue", std::chrono::Tuesday},  {"wed", std::chrono::Wednesday}, {"thu", std::chrono::Thursday},
    {"fri", std::chrono::Friday}, {"sat", std::chrono::Saturday}, {"sun", std::chrono::Sunday}};

/// Where no steps are set the caller may leave a voicemail.
Flow read_flow(JsonView root) {
    Flow flow;
    flow.notice = said(root["consent_notice"]);
    if (!can_be_heard(flow.notice)) flow.notice.clear();
    flow.record = root["record"].boolean().value_or(false) && !flow.notice.empty();
    for (std::size_t i = 0; i < flow.steps.size(); ++i) {
        const auto list = root[kLists[i]];
        if (!list.is_array()) {
            flow.steps[i] = {{Step::Kind::voicemail, std::string(kGreeting), {}, 120}};
            continue;
        }
        flow.as_set[i] = list.dump();
        for (std::size_t n = 0; n < list.size(); ++n) flow.steps[i].push_back(step_of(list.at(n)));
    }
    if (auto hours = root["hours"]; hours.is_object()) {
        flow.always_open = false;
        for (const auto& [name, day] : kDays)
            for (std::size_t i = 0, n = hours[name].size(); i < n; ++i) {
                const auto pair = hours[name].at(i);
                const auto from = minute_of_day(said(pair.at(0))), to = minute_of_day(said(pair.at(1)));
                if (from && to) flow.openings.push_back({day, *from, *to});
            }
    }
    return flow;
}

Flow read_flow(std::string_view json) {
    auto parsed = JsonDocument::parse(json);
    return read_flow(parsed ? parsed->root() : JsonView());
}

bool Flow::is_open(std::string_view timezone, Instant now) const {
    if (always_open) return true;
    auto wall = wall_clock(timezone, now);
    if (!wall) wall = wall_clock("America/New_York", now);  // as the tables have it; no clocks at all: people are called
    return !wall || std::any_of(openings.begin(), openings.end(), [&](const Opening& o) { return o.holds(*wall); });
}

std::string Flow::sign(List list) const {
    auto at = [this](List l) -> const std::string& { return as_set[static_cast<std::size_t>(l)]; };
    const auto whole = list == List::end ? std::string() : at(list) + "\n" + at(List::no_answer);
    return hex_encode(sha256(whole)).substr(0, 12);
}

/// What Twilio is told to come back with, and what must be known of the call then. A step's address has it as
/// "open.1.dial.nm.3": the second step of `open` was a dial; the notice was played, somebody was called in vain before, and the
/// document is the fourth.
struct Place {
    enum class After { dial, stream, stream_status, voicemail };
    List list = List::end;
    std::size_t step = 0;
    After after = After::voicemail;
    bool noticed = false;    ///< "n": the consent notice was played
    bool missed = false;     ///< "m": a dial or a stream of the list came to nothing, so its end is not the call's
    bool recording = false;  ///< "r": the whole call is recorded already
    int requests = 0;        ///< that were answered before
    std::int64_t until = 0;  ///< after a stream: seconds since 1970; from then on it must have run

    std::string text() const;
    static std::optional<Place> of(std::string_view text);
};
constexpr std::array<std::string_view, 4> kAfter{"dial", "stream", "stream-status", "voicemail"};

std::string Place::text() const {
    std::string flags = std::string(noticed ? "n" : "") + (missed ? "m" : "") + (recording ? "r" : "");
    std::string out(kLists[static_cast<std::size_t>(list)]);
    out += "." + std::to_string(step) + ".";
    out += kAfter[static_cast<std::size_t>(after)];
    out += "." + (flags.empty() ? "-" : flags) + "." + std::to_string(requests);
    return until ? out + "." + std::to_string(until) : out;
}

template <class Number>
bool read_number(std::string_view text, Number& into) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc{} && end == text.data() + text.size();
}

/// The query is inside Twilio's signature, so it is as it was written; anything else is none.
std::optional<Place> Place::of(std::string_view text) {
    if (text.size() > 100) return std::nullopt;
    const auto parts = split_list(text, '.');
    if (parts.size() != 5 && parts.size() != 6) return std::nullopt;
    Place out;
    const auto list = std::find(kLists.begin(), kLists.end(), parts[0]);
    const auto after = std::find(kAfter.begin(), kAfter.end(), parts[2]);
    if (list == kLists.end() || after == kAfter.end()) return std::nullopt;
    out.list = static_cast<List>(list - kLists.begin());
    out.after = static_cast<After>(after - kAfter.begin());
    out.noticed = parts[3].find('n') != std::string::npos;
    out.missed = parts[3].find('m') != std::string::npos;
    out.recording = parts[3].find('r') != std::string::npos;
    if (!read_number(parts[1], out.step) || !read_number(parts[4], out.requests)) return std::nullopt;
    if (parts.size() == 6 && !read_number(parts[5], out.until)) return std::nullopt;
    if (out.requests < 0 || out.text() != text) return std::nullopt;
    return out;
}

bool fits(const Place& at, const Flow& flow) {
    if (at.list == List::end || at.step >= flow.of(at.list).size()) return false;
    switch (flow.of(at.list)[at.step].kind) {
        case Step::Kind::dial:
            return at.after == Place::After::dial;
        case Step::Kind::stream:
            return at.after == Place::After::stream;
        case Step::Kind::voicemail:
            return at.after == Place::After::voicemail;
        default:
            return false;
    }
}

/// One document in the making.
class Telling {
public:
    Telling(const Callee& callee, const CallMoment& moment, const Flow& flow, Instant now, Place at)
        : callee_(callee), moment_(moment), flow_(flow), now_(now), at_(at) {
        at_.until = 0;
        if (at_.noticed || flow_.notice.empty()) return;
        notice_.say(flow_.notice);
        at_.noticed = true;
    }
    bool has_notice() const { return !notice_.empty(); }
    bool only_ends() const { return only_ends_; }
    /// With the notice, or what comes behind it alone.
    std::string document(bool with_notice) const { return Twiml::document(with_notice ? notice_ : Twiml{}, body_); }

    /// The steps from there on, to where Twilio must come back or the call ends.
    void go(List list, std::size_t from) {
        at_.list = list;
        at_.step = from;
        while (!step()) {
        }
    }
    /// Nothing of the flow is left for the call: it may leave a voicemail.
    void leave_it() {
        at_.list = List::end;
        at_.step = 0;
        if (callee_.voicemail)
            voicemail({Step::Kind::voicemail, std::string(kGreeting), {}, 120});
        else
            hang_up();
    }
    void hang_up() { body_.verb("Hangup"); }

    void say(std::string_view text) {
        const auto before = body_.bytes();
        body_.say(text);
        spoken_ += text.size();
        if (body_.bytes() != before) only_ends_ = false;
    }
    void voicemail(const Step& step) {
        at_.missed = false;  // what the caller wanted is said: nobody is called behind it
        say(step.text);
        only_ends_ = false;
        body_.begin("Record")
            .attribute("maxLength", std::to_string(step.seconds))
            .attribute("playBeep", "true")
            .attribute("action", come_back(Place::After::voicemail));
        recording_status();
        body_.end();
        hang_up();  // of silence there is no recording, and Twilio goes on here
    }
    void dial(const Step& step, const std::vector<std::string>& numbers) {
        only_ends_ = false;
        at_.missed = true;  // it is asked for again only if nobody took it
        body_.begin("Dial")
            .attribute("timeout", std::to_string(step.seconds))
            .attribute("callerId", callee_.number)
            .attribute("action", come_back(Place::After::dial));
        if (flow_.record && !at_.recording) {
            body_.attribute("record", "record-from-answer-dual");
            recording_status();
        }
        for (const auto& number : numbers)
            body_.begin("Number").attribute("statusCallback", webhook("call-status")).text(number).end();
        body_.end();
    }
    void stream(const Step& step) {
        only_ends_ = false;
        at_.missed = true;
        if (flow_.record && !at_.recording) {
            body_.begin("Start").begin("Recording");
            recording_status();
            body_.end().end();
            at_.recording = true;
        }
        const auto begins = std::chrono::floor<std::chrono::seconds>(now_.time_since_epoch()).count();
        const auto heard_first = static_cast<std::int64_t>((spoken_ + flow_.notice.size()) / kSpokenBytesASecond);
        body_.begin("Connect")
            .begin("Stream")
            .attribute("url", step.text)
            .attribute("statusCallback", come_back(Place::After::stream_status));
        for (const auto& [name, value] : {std::pair<const char*, std::string_view>{"call_sid", moment_.call_sid},
                                          {"company_id", callee_.company_id},
                                          {"from", moment_.from}})
            body_.begin("Parameter").attribute("name", name).attribute("value", clip_utf8(value, kLongestParameter)).end();
        body_.end().end();
        // Twilio comes here when the agent's side has closed the stream, and when there never was one.
        at_.until = begins + heard_first + kHandshakeSeconds;
        body_.begin("Redirect").attribute("method", "POST").text(come_back(Place::After::stream)).end();
    }
    std::size_t bytes() const { return document(true).size(); }

private:
    /// True where the document ends.
    bool step() {
        if (at_.step >= flow_.of(at_.list).size()) {
            if (at_.missed && at_.list != List::no_answer) return turn_to_no_answer();
            hang_up();
            return true;
        }
        const auto& step = flow_.of(at_.list)[at_.step];
        if (waits(step) && at_.requests >= kMostWaits) {
            leave_it();
            return true;
        }
        switch (step.kind) {
            case Step::Kind::stream:
                stream(step);
                return true;
            case Step::Kind::voicemail:
                if (!callee_.voicemail) break;
                voicemail(step);
                return true;
            case Step::Kind::dial:
                if (const auto numbers = to_ring(step); !numbers.empty()) {
                    dial(step, numbers);
                    return true;
                }
                at_.missed = true;
                if (callee_.caller_is_ours && at_.list != List::no_answer) return turn_to_no_answer();
                break;
            case Step::Kind::say:
                say(step.text);
                break;
            case Step::Kind::none:
                break;
        }
        ++at_.step;
        return false;
    }
    bool turn_to_no_answer() {
        at_.list = List::no_answer;
        at_.step = 0;
        return false;
    }
    std::vector<std::string> to_ring(const Step& step) const {
        std::vector<std::string> out;
        if (callee_.caller_is_ours) return out;
        const auto& own = callee_.own_numbers;
        for (const auto& number : step.numbers)
            if (number != callee_.number && std::find(own.begin(), own.end(), number) == own.end()) out.push_back(number);
        return out;
    }
    std::string webhook(std::string_view name) const { return callee_.public_url + "/api/aloha/webhooks/" + std::string(name); }
    std::string come_back(Place::After after) {
        auto then = at_;
        then.after = after;
        then.requests = at_.requests + 1;
        return webhook("next-step") + "?flow=" + flow_.sign(then.list) + "&step=" + then.text();
    }
    void recording_status() {
        body_.attribute("recordingStatusCallback", webhook("voicemail-recorded"))
            .attribute("recordingStatusCallbackEvent", "completed absent");
    }

    const Callee& callee_;
    const CallMoment& moment_;
    const Flow& flow_;
    const Instant now_;
    Place at_;
    Twiml notice_, body_;
    std::size_t spoken_ = 0;
    bool only_ends_ = true;
};

/// Somebody took the call, or the voice agent had it: what comes now is its end, whatever became of the flow.
bool is_served(const Place& at, const CallMoment& moment, Instant now) {
    if (at.after == Place::After::dial) return moment.dial_status == "completed" || moment.dial_status == "answered";
    if (at.after == Place::After::stream) {
        if (!moment.stream_event.empty()) return moment.stream_event != "stream-error";
        return now.time_since_epoch() >= std::chrono::seconds{at.until};
    }
    return at.list == List::end;
}

/// Behind what came to nothing, or behind a voicemail.
void go_on(Telling& telling, const Place& at) {
    // A stream has the call to itself: steps behind it are for nobody, and who could not reach it has waited long enough.
    if (at.after == Place::After::stream && at.list != List::no_answer) return telling.go(List::no_answer, 0);
    telling.go(at.list, at.step + 1);
}

CallAnswer answer_of(const Callee& callee, const CallMoment& moment, const Flow& flow, Instant now) {
    CallAnswer out;
    if (!flow.notice.empty()) out.notice_sha256 = hex_encode(sha256(flow.notice));
    const bool first = moment.kind == CallMoment::Kind::incoming;
    const auto at = first ? std::nullopt : Place::of(moment.step);
    if (moment.over || (at && at->after == Place::After::stream_status)) {
        out.twiml = Twiml::document({}, {});  // nobody hears it
        return out;
    }
    if (at && is_served(*at, moment, now)) {
        out.twiml = Twiml::document({}, Twiml{}.verb("Hangup"));
        return out;
    }
    if (!callee.active) {
        out.twiml = nobody_answers();
        return out;
    }
    Telling telling(callee, moment, flow, now, at.value_or(Place{}));
    if (first)
        telling.go(flow.is_open(callee.timezone, now) ? List::open : List::closed, 0);
    else if (at && moment.flow == flow.sign(at->list) && fits(*at, flow))
        go_on(telling, *at);
    else if (at && at->after == Place::After::voicemail)
        telling.hang_up();
    else
        telling.leave_it();
    out.notice_played = telling.has_notice() && (first || !telling.only_ends());
    out.twiml = telling.document(out.notice_played);
    return out;
}

/// How long the parts of a flow's documents can get, in bytes: the notice, what is said in a list, the longest thing that a
/// document of it ends with.
struct Lengths {
    std::size_t notice = 0;
    std::array<std::size_t, 3> said{}, last{};  ///< by List

    std::size_t part(std::size_t list) const { return said[list] + last[list]; }
    std::size_t document(std::size_t list) const {
        constexpr auto then = static_cast<std::size_t>(List::no_answer);
        return notice + said[list] + said[then] + std::max(last[list], last[then]);
    }
};

Lengths lengths_of(const Flow& flow) {
    constexpr std::size_t longest_url = 300;
    const std::string longest_parameter(kLongestParameter, '&');  // a caller's id is a stranger's text
    const Callee callee{
        .company_id = longest_parameter, .number = std::string(16, '0'), .public_url = std::string(longest_url, 'u')};
    const CallMoment moment{.call_sid = longest_parameter, .from = longest_parameter};
    Place at{.list = List::no_answer, .step = 99'999, .noticed = true, .missed = true, .requests = kMostWaits};
    auto bytes = [&](auto&& piece) {
        Telling telling(callee, moment, flow, Instant{}, at);
        piece(telling);
        return telling.bytes();
    };
    Lengths out;
    out.notice = bytes([&](Telling& t) { t.say(flow.notice); });
    for (std::size_t i = 0; i < flow.steps.size(); ++i)
        for (const auto& step : flow.steps[i])
            if (step.kind == Step::Kind::say)
                out.said[i] += bytes([&](Telling& t) { t.say(step.text); });
            else if (waits(step))
                out.last[i] = std::max(out.last[i], bytes([&](Telling& t) {
                                           if (step.kind == Step::Kind::dial) t.dial(step, step.numbers);
                                           if (step.kind == Step::Kind::stream) t.stream(step);
                                           if (step.kind == Step::Kind::voicemail) t.voicemail(step);
                                       }));
    return out;
}

std::string nth(std::string_view list, std::size_t i) { return "call_flow." + std::string(list) + "[" + std::to_string(i) + "]"; }

std::optional<FlowFault> fault_of_step(JsonView step, const std::string& field, const std::vector<std::string>& own_numbers) {
    const auto dial = step["dial"];
    for (std::size_t i = 0; i < dial.size(); ++i) {
        const auto at = field + ".dial[" + std::to_string(i) + "]";
        const auto phone = normalize_phone(said(dial.at(i)));
        if (!phone.e164) return FlowFault{at, "takes a number that can be called, as +16025550100"};
        if (std::find(own_numbers.begin(), own_numbers.end(), phone.text) != own_numbers.end())
            return FlowFault{at,
                             "is a number of the company's own at Twilio: its call would meet this flow again; give the number "
                             "of a person's telephone"};
    }
    const auto stream = said(step["stream"]);
    const auto odd = [](char c) { return c <= ' ' || c == '?' || c == '#' || c == '\x7f'; };  // what is not ASCII is below ' '
    if (stream == "wss://" || std::any_of(stream.begin(), stream.end(), odd))
        return FlowFault{
            field + ".stream",
            "takes an address in ASCII with a host and without a query, a fragment and spaces, which Twilio would not "
            "call; the call's SID, company and caller are told to the stream as parameters"};
    return std::nullopt;
}

std::optional<FlowFault> fault_of_hours(JsonView hours) {
    for (const auto& [day, openings] : hours.members())
        for (std::size_t i = 0; i < openings.size(); ++i)
            if (openings.at(i).at(0).string() == openings.at(i).at(1).string())
                return FlowFault{
                    nth("hours." + std::string(day), i),
                    R"(takes two different times, from and to: ["08:00","18:00"]; the whole day is ["00:00","24:00"])"};
    return std::nullopt;
}

/// Of the documents of a list and what follows it.
std::optional<FlowFault> fault_of_length(const Flow& flow) {
    const auto lengths = lengths_of(flow);
    constexpr auto then = static_cast<std::size_t>(List::no_answer);
    for (auto list : {List::open, List::closed}) {
        const auto i = static_cast<std::size_t>(list);
        const auto waits_in = [&](std::size_t l) { return std::count_if(flow.steps[l].begin(), flow.steps[l].end(), waits); };
        if (waits_in(i) + waits_in(then) > kMostWaits)
            return FlowFault{"call_flow." + std::string(kLists[waits_in(i) < waits_in(then) ? then : i]),
                             "has too many steps: of stream, dial and voicemail a call can meet " + std::to_string(kMostWaits) +
                                 ", in the list that it begins with and no_answer together"};
        if (lengths.document(i) <= kLongestTwiml) continue;
        const bool by_notice = lengths.notice >= std::max(lengths.part(i), lengths.part(then));
        const auto longest = kLists[lengths.part(i) < lengths.part(then) ? then : i];
        return FlowFault{"call_flow." + std::string(by_notice ? "consent_notice" : longest),
                         "is too long: what is said in one go, the notice and the steps of no_answer included, can be " +
                             std::to_string(kLongestTwiml) + " bytes as Twilio reads it, and would be " +
                             std::to_string(lengths.document(i)) + "; shorten what is said"};
    }
    return std::nullopt;
}

}  // namespace

CallAnswer answer(const Callee& callee, const CallMoment& moment, Instant now) {
    auto out = answer_of(callee, moment, read_flow(callee.call_flow), now);
    if (out.twiml.size() <= kLongestTwiml) return out;
    // Such a flow cannot be set; one that was written to the table by hand is as good as none.
    out = answer_of(callee, moment, read_flow(""), now);
    if (out.twiml.size() > kLongestTwiml) out.twiml = nobody_answers();
    return out;
}

std::string_view nobody_answers() {
    static const auto document =
        Twiml::document({}, Twiml{}.say("We are sorry, the number you have called cannot take calls.").verb("Hangup"));
    return document;
}

std::optional<FlowFault> fault_of_flow(std::string_view json, const std::vector<std::string>& own_numbers) {
    auto parsed = JsonDocument::parse(json);
    if (!parsed || !parsed->root().is_object()) return FlowFault{"call_flow", "takes a JSON object"};
    const auto root = parsed->root();
    if (root["record"].boolean().value_or(false) && !can_be_heard(said(root["consent_notice"])))
        return FlowFault{"call_flow.record", "needs a consent_notice: whoever calls must hear that the call is recorded"};
    if (root["missed_call_text"]["enabled"].boolean().value_or(false) && !missed_call_text(json))
        return FlowFault{"call_flow.missed_call_text.body", "is needed where enabled is true: it is the text that is sent"};
    if (auto fault = fault_of_hours(root["hours"])) return fault;
    for (auto list : {List::open, List::closed, List::no_answer}) {
        const auto name = kLists[static_cast<std::size_t>(list)];
        for (std::size_t i = 0, n = root[name].size(); i < n; ++i)
            if (auto fault = fault_of_step(root[name].at(i), nth(name, i), own_numbers)) return fault;
    }
    return fault_of_length(read_flow(root));
}

std::optional<std::string> missed_call_text(std::string_view json) {
    auto parsed = JsonDocument::parse(json);
    if (!parsed) return std::nullopt;
    const auto text = parsed->root()["missed_call_text"];
    const auto body = trim(said(text["body"]));
    if (!text["enabled"].boolean().value_or(false) || body.empty()) return std::nullopt;
    return std::string(body);
}

}  // namespace otto::providers
