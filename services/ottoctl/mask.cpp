#include "mask.hpp"

#include <algorithm>
#include <array>
#include <regex>

namespace otto::ottoctl {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Fields of events whose texts say nothing of a person. Tracking numbers are the company's own lines.
constexpr std::array<std::string_view, 36> kPlain{"company_id",
                                                  "provider",
                                                  "kind",
                                                  "type",
                                                  "status",
                                                  "direction",
                                                  "stage",
                                                  "verdict",
                                                  "proven_company_id",
                                                  "content_type",
                                                  "provider_call_id",
                                                  "provider_message_id",
                                                  "our_message_id",
                                                  "company_number",
                                                  "error_code",
                                                  "opt_out_type",
                                                  "aliases",
                                                  "tracking_number",
                                                  "account_id",
                                                  "provider_company_ids",
                                                  "claimed_company_id",
                                                  "call_id",
                                                  "lead_id",
                                                  "contact_card_id",
                                                  "id",
                                                  "version",
                                                  "duration_s",
                                                  "recording_duration_s",
                                                  "started_at_us",
                                                  "ended_at_us",
                                                  "received_at_us",
                                                  "not_understood",
                                                  "at",
                                                  "by",
                                                  "action",
                                                  "timezone"};
constexpr std::array<std::string_view, 10> kNumbers{"phone",          "phone_number", "primary_phone", "customer_phone",
                                                    "customer",       "other_number", "from_number",   "to_number",
                                                    "client_address", "phone_e164"};
constexpr std::array<std::string_view, 6> kErrors{"error", "reason", "why", "message", "last_error", "error_message"};
constexpr std::array<std::string_view, 21> kWords{
    "first_name",     "last_name", "name_of_customer", "address",       "city",     "state", "note",    "tags",
    "keywords",       "value",     "lead_status",      "recording_url", "raw_body", "body",  "headers", "signature_headers",
    "request_target", "campaign",  "source",           "former_value",  "detail"};

void mask_into(JsonWriter& w, JsonView v, std::string_view name) {
    if (v.is_object()) {
        w.begin_object();
        for (auto [member, value] : v.members()) mask_into(w.key(member), value, member);
        w.end_object();
    } else if (v.is_array()) {
        w.begin_array();
        for (std::size_t i = 0; i < v.size(); ++i) mask_into(w, v.at(i), name);
        w.end_array();
    } else if (auto text = v.string()) {
        if (text->empty() || among(kPlain, name))
            w.value(*text);
        else if (among(kNumbers, name))
            w.value(mask_number(*text));
        else if (name == "key")
            w.value(mask_key(*text));
        else if (among(kErrors, name))
            w.value(scrub(*text));
        else
            w.value("(masked, " + std::to_string(text->size()) + " bytes)");
    } else {
        w.raw(v.dump());
    }
}

}  // namespace

std::string mask_number(std::string_view number) {
    if (number.empty()) return {};
    auto tail = number.size() >= 7 ? number.substr(number.size() - 4) : std::string_view{};
    if (tail.empty() || !std::all_of(tail.begin(), tail.end(), digit)) return "…";
    return "…" + std::string(tail);
}

std::string scrub(std::string_view text) {
    // A number with a plus; ten to fifteen digits that stand alone; the North American way of writing. Times, ids and offsets
    // stay.
    static const std::regex number(
        R"((^|[^A-Za-z0-9_.-])(\+[0-9][0-9 ().-]{6,20}[0-9]|[0-9]{10,15}(?![A-Za-z0-9_-])|\(?[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}(?![0-9-])))");
    static const std::regex quoted(R"((^|[\s(:=,])(["'])(.*?)\2(?![A-Za-z0-9]))");
    static const std::regex identifier(R"([A-Za-z][A-Za-z0-9_./-]{0,62})");
    auto replaced = [](const std::string& in, const std::regex& what, auto with) {
        std::string out;
        auto from = in.begin();
        for (std::sregex_iterator m(in.begin(), in.end(), what), end; m != end; ++m) {
            out.append(from, (*m)[0].first).append(with(*m));
            from = (*m)[0].second;
        }
        return out.append(from, in.end());
    };
    auto without = replaced(std::string(text), quoted, [](const std::smatch& m) {
        auto inside = m[3].str();
        if (inside.empty() || std::regex_match(inside, identifier)) return m[0].str();
        return m[1].str() + m[2].str() + "…" + m[2].str();
    });
    return replaced(without, number, [](const std::smatch& m) { return m[1].str() + mask_number(m[2].str()); });
}

std::string mask_key(std::string_view key) {
    auto colon = key.rfind(':');
    if (colon == std::string_view::npos)
        return key.starts_with("org_") ? std::string(key) : key.starts_with('+') ? mask_number(key) : scrub(key);
    auto phone = key.substr(colon + 1);
    return std::string(key.substr(0, colon + 1)) + (phone.starts_with('+')                      ? mask_number(phone)
                                                    : phone.find('@') != std::string_view::npos ? "…"
                                                                                                : std::string(phone));
}

std::string mask_event(JsonView event) {
    JsonWriter w;
    mask_into(w, event, "");
    return w.take();
}

void mask_persons(Record& record) {
    for (auto& [name, cell] : record) {
        if (cell.json == "null" || cell.json == "\"\"") continue;
        if (among(kNumbers, name))
            cell = Cell(mask_number(cell.text));
        else if (name == "key")
            cell = Cell(mask_key(cell.text));
        else if (among(kErrors, name))
            cell = Cell(scrub(cell.text));
        else if (among(kWords, name))
            cell = Cell("(masked)");
        else if (name == "history" || name == "payload") {
            auto parsed = JsonDocument::parse(cell.json);
            cell.json = parsed ? mask_event(parsed->root()) : "\"(masked)\"";
            cell.text = cell.json;
        }
    }
}

}  // namespace otto::ottoctl
