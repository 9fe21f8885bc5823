#pragma once
#include <string>
#include <utility>
#include <variant>

#include "providers/twilio.hpp"

/// What the requests of Twilio's API have in common.
namespace otto::providers::twilio {

/// Where Twilio's addresses begin, below the API's own.
inline constexpr std::string_view kVersion = "/2010-04-01/";
inline constexpr std::string_view kPageSize = "1000";

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
