#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "providers/shunya_webhook.hpp"

namespace otto::providers::shunya {
namespace {

constexpr int kDeepest = 500;  ///< Python gives up at about a thousand

/// Reads one text front to back and writes it again. Throws Misfit.
class Rewriter {
public:
    struct Misfit {
        std::string why;
    };
    explicit Rewriter(std::string_view text) : text_(text) {}
    std::string run() {
        space();
        value(0);
        space();
        if (at_ < text_.size()) fail("something follows the value");
        return std::move(out_);
    }

private:
    [[noreturn]] void fail(const std::string& what) const { throw Misfit{what + " at byte " + std::to_string(at_)}; }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) {
        if (peek() != c || at_ >= text_.size()) return false;
        ++at_;
        return true;
    }
    void space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    }

    void value(int depth) {
        if (depth > kDeepest) fail("nested deeper than " + std::to_string(kDeepest) + " levels");
        switch (peek()) {
            case '{':
                object(depth);
                return;
            case '[':
                array(depth);
                return;
            case '"':
                write(string());
                return;
            default:
                break;
        }
        for (std::string_view word : {"true", "false", "null"})
            if (text_.substr(at_).starts_with(word)) {
                at_ += word.size();
                out_ += word;
                return;
            }
        number();
    }

    void number() {
        auto begin = at_;
        auto digits = [&] {
            auto from = at_;
            while (peek() >= '0' && peek() <= '9') ++at_;
            return at_ - from;
        };
        take('-');
        if (take('0')) {
        } else if (digits() == 0) {
            fail("no value");
        }
        if (take('.') && digits() == 0) fail("a number ends in a point");
        if (peek() == 'e' || peek() == 'E') {
            ++at_;
            if (!take('+')) take('-');
            if (digits() == 0) fail("a number's exponent has no digits");
        }
        out_ += text_.substr(begin, at_ - begin);
    }

    void array(int depth) {
        take('[');
        out_ += '[';
        space();
        if (!take(']')) {
            for (bool first = true;; first = false) {
                if (!first) out_ += ", ";
                space();
                value(depth + 1);
                space();
                if (take(']')) break;
                if (!take(',')) fail("an array misses a comma");
            }
        }
        out_ += ']';
    }

    void object(int depth) {
        take('{');
        out_ += '{';
        const auto body = out_.size();
        struct Member {
            std::string key;
            std::size_t begin, end, order;
        };
        std::vector<Member> members;
        space();
        if (!take('}')) {
            while (true) {
                space();
                if (peek() != '"') fail("a key is missing");
                auto key = string();
                auto begin = out_.size();
                write(key);
                out_ += ": ";
                space();
                if (!take(':')) fail("a key has no colon");
                space();
                value(depth + 1);
                members.push_back({std::move(key), begin, out_.size(), members.size()});
                space();
                if (take('}')) break;
                if (!take(',')) fail("an object misses a comma");
            }
        }
        // UTF-8 sorts as its code points do. Of doubled keys the last is the one that Python keeps.
        std::sort(members.begin(), members.end(),
                  [](const Member& a, const Member& b) { return a.key != b.key ? a.key < b.key : a.order < b.order; });
        std::string sorted;
        sorted.reserve(out_.size() - body + 2 * members.size());
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (i + 1 < members.size() && members[i + 1].key == members[i].key) continue;
            if (!sorted.empty()) sorted += ", ";
            sorted.append(out_, members[i].begin, members[i].end - members[i].begin);
        }
        out_.resize(body);
        out_ += sorted;
        out_ += '}';
    }

    unsigned hex4() {
        unsigned v = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            char c = peek();
            if (c >= '0' && c <= '9')
                v = v * 16 + static_cast<unsigned>(c - '0');
            else if (c >= 'a' && c <= 'f')
                v = v * 16 + static_cast<unsigned>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F')
                v = v * 16 + static_cast<unsigned>(c - 'A' + 10);
            else
                fail("\\u without four hex digits");
        }
        return v;
    }

    static void append_utf8(std::string& to, unsigned c) {  // halves of surrogate pairs too: Python keeps them
        if (c < 0x80) {
            to += static_cast<char>(c);
        } else if (c < 0x800) {
            to += static_cast<char>(0xC0 | c >> 6);
            to += static_cast<char>(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            to += static_cast<char>(0xE0 | c >> 12);
            to += static_cast<char>(0x80 | (c >> 6 & 0x3F));
            to += static_cast<char>(0x80 | (c & 0x3F));
        } else {
            to += static_cast<char>(0xF0 | c >> 18);
            to += static_cast<char>(0x80 | (c >> 12 & 0x3F));
            to += static_cast<char>(0x80 | (c >> 6 & 0x3F));
            to += static_cast<char>(0x80 | (c & 0x3F));
        }
    }

    /// What a string says, as UTF-8.
    std::string string() {
        take('"');
        std::string out;
        while (true) {
            if (at_ >= text_.size()) fail("a string does not end");
            auto c = static_cast<unsigned char>(text_[at_]);
            if (c < 0x20) fail("a control character in a string");
            ++at_;
            if (c == '"') return out;
            if (c != '\\') {
                out += static_cast<char>(c);
                continue;
            }
            char escape = peek();
            ++at_;
            switch (escape) {
                case '"':
                case '\\':
                case '/':
                    out += escape;
                    break;
                case 'b':
                    out += '\b';
                    break;
                case 'f':
                    out += '\f';
                    break;
                case 'n':
                    out += '\n';
                    break;
                case 'r':
                    out += '\r';
                    break;
                case 't':
                    out += '\t';
                    break;
                case 'u': {
                    auto code = hex4();
                    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
                        auto back = at_;
                        at_ += 2;
                        auto low = hex4();
                        if (low >= 0xDC00 && low < 0xE000)
                            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                        else
                            at_ = back;
                    }
                    append_utf8(out, code);
                    break;
                }
                default:
                    fail("an unknown escape");
            }
        }
    }

    void write(std::string_view s) {
        static constexpr char kHex[] = "0123456789abcdef";
        auto unit = [&](unsigned u) {
            out_ += "\\u";
            for (int shift : {12, 8, 4, 0}) out_ += kHex[u >> shift & 0xF];
        };
        out_ += '"';
        for (std::size_t i = 0; i < s.size();) {
            auto c = static_cast<unsigned char>(s[i]);
            if (c < 0x80) {
                ++i;
                switch (c) {
                    case '"':
                        out_ += "\\\"";
                        break;
                    case '\\':
                        out_ += "\\\\";
                        break;
                    case '\b':
                        out_ += "\\b";
                        break;
                    case '\f':
                        out_ += "\\f";
                        break;
                    case '\n':
                        out_ += "\\n";
                        break;
                    case '\r':
                        out_ += "\\r";
                        break;
                    case '\t':
                        out_ += "\\t";
                        break;
                    default:
                        if (c < 0x20 || c == 0x7F)
                            unit(c);
                        else
                            out_ += static_cast<char>(c);
                }
                continue;
            }
            int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
            unsigned code = c & (0x3Fu >> more);
            for (++i; more > 0; --more, ++i) code = code << 6 | (static_cast<unsigned char>(s[i]) & 0x3Fu);
            if (code < 0x10000) {
                unit(code);
            } else {
                unit(0xD800 + ((code - 0x10000) >> 10));
                unit(0xDC00 + ((code - 0x10000) & 0x3FF));
            }
        }
        out_ += '"';
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::string out_;
};

}  // namespace

Result<std::string> sorted_json(std::string_view text) {
    if (!valid_utf8(text)) return Error("not valid UTF-8");
    try {
        return Rewriter(text).run();
    } catch (const Rewriter::Misfit& m) {
        return Error(m.why);
    }
}

}  // namespace otto::providers::shunya
