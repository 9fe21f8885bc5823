#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace otto {

std::string_view trim(std::string_view);
std::string lower(std::string_view);
bool iequals(std::string_view a, std::string_view b);
/// Parts between separators, trimmed, empty ones dropped: "a, b,," → {a, b}.
std::vector<std::string> split_list(std::string_view text, char separator = ',');
bool valid_utf8(std::string_view);
/// Each byte that belongs to no well-formed character becomes U+FFFD; valid text stays as it is.
std::string mend_utf8(std::string_view);
/// At most `bytes` bytes, cut between characters.
std::string clip_utf8(std::string_view text, std::size_t bytes);

/// application/x-www-form-urlencoded names and values in order of appearance. Broken %-escapes are kept as they stand.
using FormFields = std::vector<std::pair<std::string, std::string>>;
FormFields parse_form(std::string_view text);
/// First value of a name.
std::optional<std::string_view> form_value(const FormFields&, std::string_view name);
std::string percent_decode(std::string_view text, bool plus_is_space);
std::string percent_encode(std::string_view text);
/// A text as one segment of a URL's path; nullopt for what would be another path however it is encoded: "", "." and "..".
std::optional<std::string> path_segment(std::string_view text);

/// scheme, host (lower-case), port (the scheme's own if absent), path with query ("/" if absent). http and https only; userinfo
/// and fragment are refused.
struct Url {
    std::string scheme, host, port, target;
    static Result<Url> parse(std::string_view text);
};

}  // namespace otto
