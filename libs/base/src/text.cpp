#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace otto {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

char lower_char(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// Length of the well-formed sequence at the front (RFC 3629: no overlong forms, no surrogates), 0 if there is none.
std::size_t sequence(std::string_view s) {
    auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
    auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    unsigned a = byte(0);
    if (a < 0x80) return 1;
    if (a >= 0xc2 && a <= 0xdf) return tail(1) ? 2 : 0;
    if (a >= 0xe0 && a <= 0xef) {
        if ((a == 0xe0 && byte(1) < 0xa0) || (a == 0xed && byte(1) > 0x9f)) return 0;
        return tail(1) && tail(2) ? 3 : 0;
    }
    if (a >= 0xf0 && a <= 0xf4) {
        if ((a == 0xf0 && byte(1) < 0x90) || (a == 0xf4 && byte(1) > 0x8f)) return 0;
        return tail(1) && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::string_view trim(std::string_view s) {
    auto first = s.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return s.substr(first, s.find_last_not_of(kSpace) - first + 1);
}

std::string lower(std::string_view s) {
    std::string out(s);
    std::transform(out.begin(), out.end(), out.begin(), lower_char);
    return out;
}

bool iequals(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower_char(x) == lower_char(y); });
}

std::vector<std::string> split_list(std::string_view text, char separator) {
    std::vector<std::string> out;
    while (!text.empty()) {
        auto end = std::min(text.find(separator), text.size());
        if (auto part = trim(text.substr(0, end)); !part.empty()) out.emplace_back(part);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

bool valid_utf8(std::string_view s) {
    while (!s.empty()) {
        // Most of most texts is ASCII: eight bytes at a time.
        std::uint64_t eight = 0;
        while (s.size() >= sizeof eight) {
            std::memcpy(&eight, s.data(), sizeof eight);
            if ((eight & 0x8080808080808080u) != 0) break;
            s.remove_prefix(sizeof eight);
        }
        if (s.empty()) break;
        auto n = sequence(s);
        if (n == 0) return false;
        s.remove_prefix(n);
    }
    return true;
}

std::string clip_utf8(std::string_view s, std::size_t bytes) {
    if (s.size() <= bytes) return std::string(s);
    std::size_t end = bytes;
    while (end > 0 && (static_cast<unsigned char>(s[end]) & 0xc0) == 0x80) --end;
    return std::string(s.substr(0, end));
}

std::string mend_utf8(std::string_view s) {
    if (valid_utf8(s)) return std::string(s);
    std::string out;
    out.reserve(s.size());
    while (!s.empty()) {
        auto n = sequence(s);
        if (n == 0)
            out += "\xEF\xBF\xBD";
        else
            out += s.substr(0, n);
        s.remove_prefix(std::max<std::size_t>(n, 1));
    }
    return out;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
    if (text.find('%') == std::string_view::npos && !(plus_is_space && text.find('+') != std::string_view::npos))
        return std::string(text);
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (unsigned char c : text) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                     c == '.' || c == '~';
        if (plain)
            out += static_cast<char>(c);
        else
            out.append({'%', digits[c >> 4], digits[c & 15]});
    }
    return out;
}

std::optional<std::string> path_segment(std::string_view text) {
    if (text.empty() || text == "." || text == "..") return std::nullopt;
    return percent_encode(text);
}

/// More of a form's fields are not provided for at once: it may be made of nothing but separators.
static constexpr std::size_t kUsualFields = 64, kUsualField = 20;  // bytes of one

FormFields parse_form(std::string_view text) {
    FormFields out;
    out.reserve(std::min(text.size() / kUsualField + 1, kUsualFields));
    while (!text.empty()) {
        auto end = std::min(text.find('&'), text.size());
        auto part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (part.empty()) continue;
        auto equals = std::min(part.find('='), part.size());
        out.emplace_back(percent_decode(part.substr(0, equals), true),
                         equals < part.size() ? percent_decode(part.substr(equals + 1), true) : std::string{});
    }
    return out;
}

std::optional<std::string_view> form_value(const FormFields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (key == name) return value;
    return std::nullopt;
}

Result<Url> Url::parse(std::string_view text) {
    auto bad = [&](const char* why) {
        return Error("'" + clip_utf8(text, 80) + "' is no usable URL: " + why, "http://host[:port]/path or https://…");
    };
    Url url;
    auto colon = text.find("://");
    if (colon == std::string_view::npos) return bad("it has no scheme");
    url.scheme = lower(text.substr(0, colon));
    if (url.scheme != "http" && url.scheme != "https") return bad("only http and https are");
    text.remove_prefix(colon + 3);
    if (text.find('#') != std::string_view::npos) return bad("it has a fragment");
    for (unsigned char c : text)
        if (c <= ' ' || c == 0x7f) return bad("it has white space or control characters");
    auto end = std::min(text.find_first_of("/?"), text.size());
    auto authority = text.substr(0, end);
    url.target = text.substr(end);
    if (url.target.empty() || url.target.front() != '/') url.target.insert(0, "/");
    if (authority.find('@') != std::string_view::npos) return bad("it has user information");
    auto port = authority.rfind(':');
    if (port != std::string_view::npos && authority.find(']', port) == std::string_view::npos) {
        url.port = authority.substr(port + 1);
        authority = authority.substr(0, port);
        int number = 0;
        auto [stop, error] = std::from_chars(url.port.data(), url.port.data() + url.port.size(), number);
        if (error != std::errc{} || stop != url.port.data() + url.port.size() || number < 1 || number > 65535)
            return bad("its port is no port");
    } else {
        url.port = url.scheme == "https" ? "443" : "80";
    }
    // What else a host could hold would mean one thing here and another to whoever reads the Host header.
    std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    if (authority.size() > 2 && authority.front() == '[' && authority.back() == ']') {
        authority = authority.substr(1, authority.size() - 2);
        allowed = "abcdef0123456789:.";
    }
    url.host = lower(authority);
    if (url.host.empty() || url.host.size() > 253) return bad("it has no host");
    if (url.host.find_first_not_of(allowed) != std::string::npos)
        return bad("its host is neither a name nor an address ([…] around IPv6)");
    return url;
}

}  // namespace otto
