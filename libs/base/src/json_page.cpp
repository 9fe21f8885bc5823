#include "base/json_page.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace otto {
namespace {

/// Walks along JSON without understanding it: strings and brackets are all it knows, so it comes past what is no JSON between
/// them.
class Walk {
public:
    explicit Walk(std::string_view text) : text_(text) {}
    std::size_t at() const { return at_; }
    char peek() {
        at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char c) { return peek() == c && at_ < text_.size() && ++at_; }
    /// A string, without its quotes and with its escapes.
    std::optional<std::string_view> string() {
        if (!take('"')) return std::nullopt;
        auto from = at_;
        for (; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\\')
                ++at_;
            else if (text_[at_] == '"')
                return text_.substr(from, at_++ - from);
        }
        at_ = text_.size();
        return std::nullopt;
    }
    /// Whatever comes before the next comma or bracket of this level.
    std::string_view value() {
        peek();
        auto from = at_, end = at_;
        for (std::size_t depth = 0; at_ < text_.size(); end = at_) {
            char c = text_[at_];
            if (depth == 0 && (c == ',' || c == ']' || c == '}')) break;
            if (c == '"') {
                if (!string()) break;
                continue;
            }
            if (c == '[' || c == '{') ++depth;
            if (c == ']' || c == '}') --depth;
            ++at_;
        }
        return trim(text_.substr(from, end - from));
    }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

std::vector<std::string_view> entries_of(std::string_view text, std::string_view list) {
    std::vector<std::string_view> out;
    Walk walk(text);
    if (text.starts_with("\xEF\xBB\xBF")) walk = Walk(text.substr(3));
    if (!walk.take('{')) return out;
    for (;;) {
        auto name = walk.string();
        if (!name || !walk.take(':')) return out;
        if (*name == list && walk.peek() == '[') break;
        if (*name == list) return out;
        walk.value();
        if (!walk.take(',')) return out;
    }
    walk.take('[');
    if (walk.peek() == ']') return out;
    for (;;) {
        out.push_back(walk.value());
        if (!walk.take(',')) return out;
    }
}

}  // namespace

Result<JsonPage> JsonPage::parse(std::string_view text, std::string_view list) {
    auto entries = entries_of(text, list);
    auto whole = JsonDocument::parse(text);
    if (whole) return JsonPage{std::move(*whole), std::move(entries), {}};
    std::string mended(text);
    std::vector<std::string> unfit;
    for (auto entry : entries) {
        auto alone = JsonDocument::parse("[[" + std::string(entry) + "]]");  // as deep as it stands
        if (alone || entry.empty()) continue;
        unfit.push_back(alone.error().message);
        auto at = static_cast<std::size_t>(entry.data() - text.data());
        std::string_view instead = entry.size() < 4 ? "0" : "null";
        mended.replace(at, entry.size(), std::string(instead) + std::string(entry.size() - instead.size(), ' '));
    }
    if (unfit.empty()) return whole.error();
    auto rest = JsonDocument::parse(mended);
    if (!rest) return whole.error();
    return JsonPage{std::move(*rest), std::move(entries), std::move(unfit)};
}

std::string_view whole_number_text(std::string_view text) {
    text = trim(text);
    auto point = text.find('.');
    if (point == std::string_view::npos || point == 0 || point + 1 == text.size()) return text;
    bool digits = text.find_first_not_of("0123456789") == point,
         zeros = text.find_first_not_of('0', point + 1) == std::string_view::npos;
    return digits && zeros ? text.substr(0, point) : text;
}

}  // namespace otto
