#include "api/asked.hpp"

#include <algorithm>

#include "api/context.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "values.hpp"

namespace otto::api {

Asked::Asked(const http::Request& request, std::span<const std::string_view> filters, Paged paged) {
    constexpr std::string_view kPage[] = {"limit", "offset", "cursor", "sort"};
    auto taken = [&](std::string_view name) {
        return std::ranges::find(filters, name) != filters.end() ||
               (paged == Paged::yes && std::ranges::find(kPage, name) != std::end(kPage));
    };
    for (auto& [name, value] : request.query_fields()) {
        if (!valid_utf8(name) || !taken(name))
            refuse_field(valid_utf8(name) ? clip_utf8(name, 100) : "query",
                         paged == Paged::yes ? "is no filter of this list" : "is nothing that this takes");
        if (!valid_utf8(value) || value.find('\0') != std::string::npos) refuse_field(name, "is no valid text");
        if (value.size() > (name == "ids" ? kMostIds * 40 : 1'000)) refuse_field(name, "is too long");
        if (values_.contains(name)) refuse_field(name, "stands twice");
        if (!trim(value).empty()) values_.emplace(name, value);
    }
}

std::optional<std::string> Asked::text(std::string_view name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : std::optional(std::string(trim(found->second)));
}

pg::Param Asked::any_of(std::string_view name, Words words) const {
    auto value = text(name);
    if (!value) return nullptr;
    auto items = split_list(*value);
    if (items.empty() || items.size() > 50) refuse_field(std::string(name), "takes a comma list of 1 to 50 values");
    for (const auto& item : items)
        if (!words.empty() && !words.has(item)) refuse_field(std::string(name), "takes " + words.listed());
    return pg::Param::array(items);
}

namespace {

/// The items of a comma list of ids, each of which `is_one`.
pg::Param ids_of(std::string_view name, const std::optional<std::string>& value, bool (*is_one)(const std::string&),
                 const char* one) {
    if (!value) return nullptr;
    auto items = split_list(*value);
    if (items.empty() || items.size() > Asked::kMostIds || !std::all_of(items.begin(), items.end(), is_one))
        refuse_field(std::string(name), "takes a comma list of 1 to " + std::to_string(Asked::kMostIds) + " " + one);
    return pg::Param::array(items);
}

}  // namespace

pg::Param Asked::uuids(std::string_view name) const {
    return ids_of(
        name, text(name), [](const std::string& item) { return Uuid::parse(item).has_value(); }, "UUIDs");
}

pg::Param Asked::numbers(std::string_view name) const {
    return ids_of(
        name, text(name), [](const std::string& item) { return whole_number(item).has_value(); }, "whole numbers");
}

std::optional<std::int64_t> Asked::number(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    auto n = whole_number(*value);
    if (!n || *n < 0) refuse_field(std::string(name), "takes a whole number from 0 on");
    return n;
}

std::optional<std::string> Asked::one_of(std::string_view name, Words words) const {
    auto value = text(name);
    if (value && !words.has(*value)) refuse_field(std::string(name), "takes one of " + words.listed());
    return value;
}

std::int64_t Asked::whole(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most,
                          const char* beyond) const {
    auto value = text(name);
    if (!value) return fallback;
    auto n = whole_number(*value);
    if (!n || *n < least)
        refuse_field(std::string(name), "takes a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    if (*n > most) refuse_field(std::string(name), "is at most " + std::to_string(most) + beyond);
    return *n;
}

std::optional<bool> Asked::truth(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    if (auto said = yes_or_no(*value)) return said;
    refuse_field(std::string(name), "takes true or false");
}

std::optional<Uuid> Asked::uuid(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    auto id = Uuid::parse(*value);
    if (!id) refuse_field(std::string(name), "is no UUID");
    return id;
}

std::optional<std::string> Asked::date(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    bool shape = value->size() == 10 && (*value)[4] == '-' && (*value)[7] == '-';
    auto at = shape ? parse_time(*value) : std::nullopt;
    if (!at || to_rfc3339(*at).substr(0, 10) != *value) refuse_field(std::string(name), "is no date; write it as 2026-11-21");
    return value;
}

std::optional<std::string> Asked::phone(std::string_view name) const {
    auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    return normalize_phone(found->second).text;
}

std::optional<std::string> Asked::search() const {
    auto value = values_.find("search");
    if (value == values_.end()) return std::nullopt;
    auto first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
    auto letters = static_cast<std::size_t>(std::count_if(value->second.begin(), value->second.end(), first_byte));
    if (letters > kLongestSearch) refuse_field("search", "takes at most " + std::to_string(kLongestSearch) + " letters");
    return value->second;
}

void takes_nothing(const Context& c) { Asked(c.request, {}, Asked::Paged::no); }

}  // namespace otto::api
