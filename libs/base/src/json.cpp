#include "base/json.hpp"

#include "rapidjson.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/text.hpp"

namespace otto {
namespace {

constexpr unsigned kMaxDepth = 64;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

const rapidjson::Value* value_of(const void* p) { return static_cast<const rapidjson::Value*>(p); }

bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20; }

/// The second half of a surrogate pair as an escape, "\udc00" to "\udfff", and the first, "\ud800" to "\udbff".
bool is_escape(std::string_view text, char lowest, char highest) {
    if (text.size() < 6 || text[0] != '\\' || text[1] != 'u' || (text[2] | 0x20) != 'd' || !is_hex(text[3]) || !is_hex(text[4]) ||
        !is_hex(text[5]))
        return false;
    char digit = text[3] >= 'A' && text[3] <= 'F' ? static_cast<char>(text[3] | 0x20) : text[3];
    return digit >= lowest && digit <= highest;
}

/// Half a surrogate pair may stand in a text as an escape (RFC 8259, 8.2) and in no UTF-8: it becomes U+FFFD, whose escape is as
/// long. RapidJSON would refuse a first half alone, and of a second one make invalid UTF-8.
void mend_halves(char* text, std::size_t size) {
    std::string_view all(text, size);
    for (auto at = all.find('\\'); at != std::string_view::npos;) {
        auto rest = all.substr(at);
        bool first = is_escape(rest, '8', 'b'), pair = first && is_escape(rest.substr(6), 'c', 'f');
        if (!pair && (first || is_escape(rest, 'c', 'f'))) std::memcpy(text + at + 2, "fffd", 4);
        at = all.find('\\', at + (pair ? 12 : 2));
    }
}

/// More nested brackets than RapidJSON's recursion may follow. Few texts have so many brackets at all, strings included; only
/// those are read one by one.
bool too_deep(std::string_view text) {
    auto exceeds = [&](char bracket, unsigned& seen) {
        for (auto at = text.find(bracket); at != std::string_view::npos && seen <= kMaxDepth; at = text.find(bracket, at + 1))
            ++seen;
        return seen > kMaxDepth;
    };
    unsigned brackets = 0;
    if (!exceeds('{', brackets) && !exceeds('[', brackets)) return false;
    unsigned depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > kMaxDepth) return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return false;
}

/// Where a character from 0x18 to 0x1F stands: JSON has none. Eight are looked at at once: of such a byte the upper five bits are
/// 00011.
std::optional<std::size_t> high_control(std::string_view text) {
    auto is_one = [](char c) { return (static_cast<unsigned char>(c) & 0xF8) == 0x18; };
    std::size_t at = 0;
    for (std::uint64_t eight = 0; at + sizeof eight <= text.size(); at += sizeof eight) {
        std::memcpy(&eight, text.data() + at, sizeof eight);
        eight = (eight ^ 0x1818181818181818u) & 0xF8F8F8F8F8F8F8F8u;
        if (((eight - 0x0101010101010101u) & ~eight & 0x8080808080808080u) != 0) break;
    }
    auto found = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), is_one);
    return found == text.end() ? std::nullopt : std::optional<std::size_t>(found - text.begin());
}

/// What RapidJSON would take and we do not, found before anything is built: nested brackets outside strings; a NUL, which it
/// takes for the end, whatever comes after; 0x1A to 0x1F in a string, where it compares sixteen letters at once; and parts of a
/// byte order mark, which it skips one by one.
std::optional<std::string> unfit(std::string_view text) {
    if (auto nul = text.find('\0'); nul != std::string_view::npos) return "not JSON: a NUL at byte " + std::to_string(nul);
    if (auto control = high_control(text)) return "not JSON: a control character at byte " + std::to_string(*control);
    if (!text.empty() && static_cast<unsigned char>(text.front()) >= 0x80 && !text.starts_with(kByteOrderMark))
        return "not JSON: an unexpected character at byte 0";
    if (too_deep(text)) return "JSON nested deeper than " + std::to_string(kMaxDepth) + " levels";
    return std::nullopt;
}

/// RapidJSON refuses most numbers that are too big, but some just past the end of double come out infinite, and what is written
/// of them is cut off there.
bool finite(const rapidjson::Value& v) {
    if (v.IsObject()) {
        for (const auto& member : v.GetObject())
            if (!finite(member.value)) return false;
    } else if (v.IsArray()) {
        for (const auto& item : v.GetArray())
            if (!finite(item)) return false;
    } else if (v.IsDouble()) {
        return std::isfinite(v.GetDouble());
    }
    return true;
}

}  // namespace

struct JsonDocument::Impl {
    /// Memory in pieces that fit the text: the library's own, 64 KiB each, cost more than the parsing of a webhook.
    explicit Impl(std::size_t text) : pool(std::clamp<std::size_t>(text * 2, 1'024, 65'536)), document(&pool, 4'096) {}
    std::unique_ptr<char[]> in_place;  // in which the strings of a document stand that was parsed in place
    rapidjson::MemoryPoolAllocator<> pool;
    rapidjson::Document document;
};

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
    if (auto why = unfit(text)) return Error(*why);
    auto impl = std::make_unique<Impl>(text.size());
    // Neither way with its flag for full precision: that reads 0.01e-323 as -2e307.
    std::size_t skipped = 0;
    if (valid_utf8(text)) {
        // In place, in a copy of ours, whole registers at a time: several times as fast as letter by letter into strings of their
        // own.
        skipped = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
        constexpr std::size_t past_the_end = 16;  // as far as such a register may read
        auto size = text.size() - skipped;
        impl->in_place.reset(new char[size + past_the_end]);
        std::memcpy(impl->in_place.get(), text.data() + skipped, size);
        std::memset(impl->in_place.get() + size, 0, past_the_end);
        mend_halves(impl->in_place.get(), size);
        impl->document.ParseInsitu(impl->in_place.get());
    } else {
        impl->document.Parse<rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());  // it says where
    }
    if (impl->document.HasParseError())
        return Error(std::string("not JSON: ") + rapidjson::GetParseError_En(impl->document.GetParseError()) + " at byte " +
                     std::to_string(impl->document.GetErrorOffset() + skipped));
    if (!finite(impl->document)) return Error("not JSON: a number is too big to be stored in double");
    return JsonDocument(std::move(impl));
}

JsonDocument::JsonDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;
JsonView JsonDocument::root() const { return JsonView(static_cast<const rapidjson::Value*>(&impl_->document)); }

bool JsonView::is_null() const { return value_ && value_of(value_)->IsNull(); }
bool JsonView::is_object() const { return value_ && value_of(value_)->IsObject(); }
bool JsonView::is_array() const { return value_ && value_of(value_)->IsArray(); }
bool JsonView::is_string() const { return value_ && value_of(value_)->IsString(); }
bool JsonView::is_number() const { return value_ && value_of(value_)->IsNumber(); }
bool JsonView::is_bool() const { return value_ && value_of(value_)->IsBool(); }

JsonView JsonView::operator[](std::string_view key) const {
    if (!is_object()) return {};
    for (const auto& member : value_of(value_)->GetObject())
        if (std::string_view(member.name.GetString(), member.name.GetStringLength()) == key) return JsonView(&member.value);
    return {};
}

JsonIndex::JsonIndex(JsonView object) : object_(object) {
    // Names that were made to share a place must not cost more than reading the members one by one.
    constexpr std::size_t longest_way = 32, most = 1'024;
    if (!object.is_object() || object.size() > most) return;
    const auto& members = value_of(object.pointer())->GetObject();
    slots_.resize(std::bit_ceil(std::max<std::size_t>(members.MemberCount() * 2, 8)));
    for (const auto& member : members) {
        std::string_view name(member.name.GetString(), member.name.GetStringLength());
        auto at = place(name);
        std::size_t way = 0;
        for (; way < longest_way && slots_[at].value.exists() && slots_[at].name != name; ++way)
            at = (at + 1) & (slots_.size() - 1);
        if (way == longest_way) {
            slots_.clear();
            return;
        }
        if (!slots_[at].value.exists()) slots_[at] = {name, JsonView(&member.value)};
    }
}

std::size_t JsonIndex::place(std::string_view name) const { return std::hash<std::string_view>{}(name) & (slots_.size() - 1); }

JsonView JsonIndex::operator[](std::string_view name) const {
    if (slots_.empty()) return object_[name];
    for (auto at = place(name); slots_[at].value.exists(); at = (at + 1) & (slots_.size() - 1))
        if (slots_[at].name == name) return slots_[at].value;
    return {};
}

JsonView JsonView::at(std::size_t index) const {
    if (!is_array() || index >= value_of(value_)->Size()) return {};
    return JsonView(&(*value_of(value_))[static_cast<rapidjson::SizeType>(index)]);
}

std::size_t JsonView::size() const {
    if (is_array()) return value_of(value_)->Size();
    return is_object() ? value_of(value_)->MemberCount() : 0;
}

std::vector<JsonMember> JsonView::members() const {
    std::vector<JsonMember> out;
    if (!is_object()) return out;
    out.reserve(size());
    for (const auto& member : value_of(value_)->GetObject())
        out.push_back({{member.name.GetString(), member.name.GetStringLength()}, JsonView(&member.value)});
    return out;
}

std::optional<std::string_view> JsonView::string() const {
    if (!is_string()) return std::nullopt;
    return std::string_view(value_of(value_)->GetString(), value_of(value_)->GetStringLength());
}

std::optional<std::int64_t> JsonView::integer() const {
    if (!is_number() || !value_of(value_)->IsInt64()) return std::nullopt;
    return value_of(value_)->GetInt64();
}

std::optional<double> JsonView::number() const {
    if (!is_number()) return std::nullopt;
    return value_of(value_)->GetDouble();
}

std::optional<bool> JsonView::boolean() const {
    if (!is_bool()) return std::nullopt;
    return value_of(value_)->GetBool();
}

std::optional<std::string> JsonView::loose_text() const {
    if (auto text = string()) return text->empty() ? std::nullopt : std::optional<std::string>(*text);
    if (!is_number() && !is_bool()) return std::nullopt;
    // 4711 and 4711.0 are one number, and one id; of more than 15 digits a double does not tell which it was.
    constexpr double kExact = 1e15;
    if (auto n = number(); n && !integer() && std::trunc(*n) == *n && std::abs(*n) < kExact)
        return std::to_string(static_cast<std::int64_t>(*n));
    return dump();
}

std::optional<std::int64_t> JsonView::loose_integer() const {
    if (auto whole = integer()) return whole;
    double real = 0;
    if (auto n = number()) {
        real = *n;
    } else if (auto text = string()) {
        auto digits = trim(*text);
        auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), real);
        if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    } else {
        return std::nullopt;
    }
    if (!std::isfinite(real) || std::abs(real) >= 9.0e15) return std::nullopt;
    return static_cast<std::int64_t>(real);
}

std::optional<bool> JsonView::loose_boolean() const {
    if (auto b = boolean()) return b;
    auto text = loose_text();
    if (!text) return std::nullopt;
    auto word = lower(trim(*text));
    if (word == "true" || word == "yes" || word == "1") return true;
    if (word == "false" || word == "no" || word == "0") return false;
    return std::nullopt;
}

std::string JsonView::dump() const {
    if (!value_) return "null";
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    value_of(value_)->Accept(writer);
    std::string_view written(buffer.GetString(), buffer.GetSize());
    // RapidJSON 1.1 writes U+001A to U+001F as they are where it writes whole registers at once. It writes no white space of its
    // own, so such letters are those of strings.
    std::string out;
    for (auto at = std::find_if(written.begin(), written.end(), is_control); at != written.end();
         at = std::find_if(written.begin(), written.end(), is_control)) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(*at)));
        out.append(written.begin(), at).append(escaped);
        written.remove_prefix(static_cast<std::size_t>(at - written.begin()) + 1);
    }
    out.append(written);
    return out;
}

void JsonWriter::separate() {
    if (after_key_) {
        after_key_ = false;
        return;
    }
    if (open_.empty()) {
        if (!out_.empty()) throw std::logic_error("JsonWriter: a second value at the top");
        return;
    }
    char& level = open_.back();
    if (level == '{' || level == 'o') throw std::logic_error("JsonWriter: a value in an object needs a key");
    if (level == 'a') out_ += ',';
    level = 'a';
}

JsonWriter& JsonWriter::begin_object() {
    separate();
    out_ += '{';
    open_.push_back('{');
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    separate();
    out_ += '[';
    open_.push_back('[');
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    if (open_.empty() || (open_.back() != '{' && open_.back() != 'o') || after_key_)
        throw std::logic_error("JsonWriter: no object to end");
    open_.pop_back();
    out_ += '}';
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    if (open_.empty() || (open_.back() != '[' && open_.back() != 'a')) throw std::logic_error("JsonWriter: no array to end");
    open_.pop_back();
    out_ += ']';
    return *this;
}

namespace {

void append_quoted(std::string& out, std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    static constexpr auto is_plain = [] {
        std::array<bool, 256> of{};
        for (std::size_t c = 0x20; c < 0x80; ++c) of[c] = c != '"' && c != '\\';
        return of;
    }();
    out += '"';
    while (!text.empty()) {
        std::size_t plain = 0;  // most of most texts
        while (plain < text.size() && is_plain[static_cast<unsigned char>(text[plain])]) ++plain;
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;
        auto c = static_cast<unsigned char>(text.front());
        std::size_t taken = 1;
        if (c == '"' || c == '\\') {
            out.append({'\\', static_cast<char>(c)});
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c < 0x20) {
            out.append("\\u00").append({digits[c >> 4], digits[c & 15]});
        } else {
            taken = 0;
            for (std::size_t n = 2; n <= 4 && n <= text.size() && taken == 0; ++n)
                if (valid_utf8(text.substr(0, n))) taken = n;
            if (taken == 0) {
                out += "\xEF\xBF\xBD";
                taken = 1;
            } else {
                out += text.substr(0, taken);
            }
        }
        text.remove_prefix(taken);
    }
    out += '"';
}

}  // namespace

JsonWriter& JsonWriter::key(std::string_view name) {
    if (open_.empty() || (open_.back() != '{' && open_.back() != 'o') || after_key_)
        throw std::logic_error("JsonWriter: a key belongs in an object");
    if (open_.back() == 'o') out_ += ',';
    open_.back() = 'o';
    append_quoted(out_, name);
    out_ += ':';
    after_key_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    append_quoted(out_, text);
    return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) { return raw(std::to_string(number)); }

JsonWriter& JsonWriter::value(double number) {
    if (!std::isfinite(number)) return null();
    char buffer[32];
    auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
    return raw(error == std::errc{} ? std::string_view(buffer, static_cast<std::size_t>(end - buffer))
                                    : std::string_view("null"));
}

JsonWriter& JsonWriter::value(bool b) { return raw(b ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

}  // namespace otto
