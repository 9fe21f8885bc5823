#include "twilio/twiml.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace otto::providers::twilio {
namespace {

/// How much of a text one <Say> takes: to the end of a sentence, else of a word, else of a character.
std::size_t portion(std::string_view text) {
    if (text.size() <= kLongestSay) return text.size();
    const auto most = clip_utf8(text, kLongestSay).size();
    for (std::string_view ends : {".!?", " "}) {
        const auto at = text.substr(0, most).find_last_of(ends);
        if (at != std::string_view::npos && at >= most / 2) return at + 1;
    }
    return most;
}

/// White space is a space, other control characters are none, nor are the two that XML 1.0 forbids at the end of a plane.
std::string plain(std::string_view text) {
    const auto mended = mend_utf8(text);
    std::string out;
    out.reserve(mended.size());
    for (std::size_t i = 0; i < mended.size(); ++i) {
        const char c = mended[i];
        const auto rest = std::string_view(mended).substr(i);
        if (rest.starts_with("\xef\xbf\xbe") || rest.starts_with("\xef\xbf\xbf")) {
            i += 2;
        } else if (c == '\t' || c == '\n' || c == '\r') {
            out += ' ';
        } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
            out += c;
        }
    }
    return out;
}

}  // namespace

void Twiml::inside() {
    if (in_tag_) out_ += '>';
    in_tag_ = false;
}

void Twiml::escape(std::string_view text) {
    for (char c : text) switch (c) {
            case '&':
                out_ += "&amp;";
                break;
            case '<':
                out_ += "&lt;";
                break;
            case '>':
                out_ += "&gt;";
                break;
            case '"':
                out_ += "&quot;";
                break;
            case '\'':
                out_ += "&apos;";
                break;
            default:
                out_ += c;
        }
}

Twiml& Twiml::begin(std::string_view verb) {
    inside();
    out_.append("<").append(verb);
    open_.emplace_back(verb);
    in_tag_ = true;
    return *this;
}

Twiml& Twiml::attribute(std::string_view name, std::string_view value) {
    out_.append(" ").append(name).append("=\"");
    escape(plain(value));
    out_ += '"';
    return *this;
}

Twiml& Twiml::text(std::string_view text) {
    inside();
    escape(plain(text));
    return *this;
}

Twiml& Twiml::end() {
    if (in_tag_)
        out_ += "/>";
    else
        out_.append("</").append(open_.back()).append(">");
    in_tag_ = false;
    open_.pop_back();
    return *this;
}

Twiml& Twiml::say(std::string_view text) {
    const auto said = plain(text);
    for (auto rest = trim(said); !rest.empty(); rest = trim(rest)) {
        const auto bytes = portion(rest);
        begin("Say").text(trim(rest.substr(0, bytes))).end();
        rest.remove_prefix(bytes);
    }
    return *this;
}

std::string Twiml::document(const Twiml& first, const Twiml& then) {
    if (first.empty() && then.empty()) return R"(<?xml version="1.0" encoding="UTF-8"?><Response/>)";
    return R"(<?xml version="1.0" encoding="UTF-8"?><Response>)" + first.out_ + then.out_ + "</Response>";
}

}  // namespace otto::providers::twilio
