#pragma once
#include <string>
#include <utility>
#include <variant>

#include "base/json.hpp"
#include "base/text.hpp"
#include "providers/twilio.hpp"

/// What the requests of Twilio's API have in common.
namespace otto::providers::twilio {

/// Where Twilio's addresses begin, below the API's own.
inline constexpr std::string_view kVersion = "/2010-04-01/";
inline constexpr std::string_view kPageSize = "1000";

/// What a member says as text; "" for one that says nothing.
inline std::string said(JsonView object, std::string_view name) { return object[name].loose_text().value_or(""); }

/// A list's next page, as far as it is one of the same API: what an answer names is asked with the account's credentials.
inline std::string next_of(JsonView root) {
    auto next = said(root, "next_page_uri");
    return next.starts_with(kVersion) && next.find_first_of(" \r\n#") == std::string::npos ? next : "";
}

/// One field of a form.
inline std::string form_field(std::string_view name, std::string_view value) {
    return std::string(name) + "=" + percent_encode(value);
}

/// What came of a request that may not simply be made twice, unless it was done.
using NotDone = std::variant<NotTaken, Rejected, InDoubt>;
/// Of an answer that is no 2xx. `words`: of a refusal, what is shown for people beside its code.
NotDone not_done(const http::Response&, Instant now, std::string (*words)(const ApiError&, const std::string& body));
/// Of an answer that never came.
NotDone unanswered(const http::Sent&);
/// Twilio's own words in an answer's body, as far as they can be kept; `otherwise` where there are none.
std::string words_in(const std::string& body, std::string otherwise);

/// Why an answer is none of the wished kind.
ApiError error_of(const http::Response&, Instant now);

template <class T>
Reply<T> understood(Result<T> read) {
    if (!read) return ApiError{ApiError::Kind::unreadable, read.error().message};
    return std::move(*read);
}

/// What a reply says, as `read` reads it.
template <class T, class Read>
Reply<T> understood(Reply<std::string> reply, Read&& read) {
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    return understood<T>(read(std::get<std::string>(reply)));
}

}  // namespace otto::providers::twilio
