#include "base/json.hpp"
#include "base/text.hpp"
#include "keepable.hpp"
#include "twilio/api.hpp"

namespace otto::providers::twilio {
namespace {

constexpr std::size_t kLongestWhy = 1'000;

/// Twilio says what is wrong with a text in one of these; what else may be wrong is with the account or the request.
bool is_of_a_text(int code) { return code >= 21'000 && code < 70'000; }

/// Whether an answer says that nobody is let in as whom was asked, so that nothing became of the text and of no other either.
bool lets_nobody_in(const ApiError& error) {
    using Kind = ApiError::Kind;
    return error.kind == Kind::refused || (error.not_let_in() && !is_of_a_text(error.code));
}

std::string words_of(const ApiError& error, const std::string& body) {
    auto known = explain(error.code);
    return known.empty() ? words_in(body, error.why + ".") : std::string(known);
}

template <class Outcome>
Outcome widened(NotDone fate) {
    return std::visit([](auto& f) { return Outcome{std::move(f)}; }, fate);
}

}  // namespace

std::string words_in(const std::string& body, std::string otherwise) {
    auto parsed = JsonDocument::parse(body);
    auto message = parsed ? parsed->root()["message"].loose_text() : std::nullopt;
    auto kept = keepable(trim(message.value_or("")), kLongestWhy);
    return kept.empty() ? otherwise : kept;
}

NotDone not_done(const http::Response& answer, Instant now, std::string (*words)(const ApiError&, const std::string&)) {
    auto error = error_of(answer, now);
    if (error.kind == ApiError::Kind::busy || lets_nobody_in(error)) return NotTaken{std::move(error)};
    // A redirect may stand behind what was done; 408 is said by whoever did not wait for all of the request, or for the answer of
    // who did it.
    const bool refusal = answer.status >= 400 && answer.status < 500 && answer.status != 408;
    if (!refusal) return InDoubt{error.why};
    return Rejected{error.code, words(error, answer.body)};
}

NotDone unanswered(const http::Sent& sent) {
    if (sent.unsent()) return NotTaken{{ApiError::Kind::no_answer, "Twilio is not reached: " + sent.error().message}};
    return InDoubt{"Twilio's answer was lost: " + sent.error().message};
}

SendOutcome read_sending(const http::Response& answer, Instant now) {
    if (answer.status >= 200 && answer.status < 300) {
        auto message = read_message(answer.body);
        if (!message) return InDoubt{"Twilio answered " + std::to_string(answer.status) + ", but " + message.error().message};
        return Taken{std::move(*message)};
    }
    return widened<SendOutcome>(not_done(answer, now, words_of));
}

SendOutcome Client::send(const Account& account, const NewText& text, const tel::TraceContext& trace) const {
    auto form = form_field("To", text.to) + "&" + form_field("From", text.from) + "&" + form_field("Body", text.body);
    if (!text.status_callback.empty()) form += "&" + form_field("StatusCallback", text.status_callback);
    auto answer = post(account, "/Messages.json", std::move(form), trace);
    return answer ? read_sending(*answer, system_clock().now()) : widened<SendOutcome>(unanswered(answer));
}

Reply<MessagePage> Client::messages_of_pair(const Account& account, const std::string& from, const std::string& to,
                                            const std::string& next, const tel::TraceContext& trace) const {
    auto first =
        "/Messages.json?PageSize=" + std::string(kPageSize) + "&From=" + percent_encode(from) + "&To=" + percent_encode(to);
    return understood<MessagePage>(page(account, first, next, trace), read_messages);
}

Reply<ListedMessage> Client::message(const Account& account, const std::string& sid, const tel::TraceContext& trace) const {
    auto segment = path_segment(sid);
    if (!segment) return ApiError{ApiError::Kind::unreadable, "no message has the SID \"" + sid + "\""};
    return understood<ListedMessage>(page(account, "/Messages/" + *segment + ".json", "", trace), read_message);
}

}  // namespace otto::providers::twilio
