#include "providers/svix.hpp"

#include <charconv>

#include "base/crypto.hpp"
#include "base/text.hpp"

namespace otto::providers::svix {
namespace {

constexpr std::string_view kPrefix = "whsec_", kVersion = "v1,";
constexpr std::size_t kLeastKey = 16, kLongestId = 256;

/// One header under either name. Clerk's own helper trims it.
Result<std::string_view> header(const http::Headers& headers, const std::string& end) {
    for (const char* family : {"svix-", "webhook-"}) {
        auto name = family + end;
        if (headers.count(name) > 1) return Error("there are two headers " + name);
        if (headers.has(name)) return trim(headers.get(name));
    }
    return Error("the header svix-" + end + " is missing");
}

template <class F>
void each_entry(std::string_view signatures, F f) {
    while (!signatures.empty()) {
        auto space = signatures.find(' ');
        auto entry = signatures.substr(0, space);
        if (entry.starts_with(kVersion)) f(entry.substr(kVersion.size()));
        if (space == std::string_view::npos) return;
        signatures.remove_prefix(space + 1);
    }
}

}  // namespace

Result<Secret> key_of(const Secret& written) {
    auto text = trim(std::string_view(written.reveal()));
    if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
    auto bytes = base64_decode(text);
    if (!bytes) return Error("is not written as whsec_ and base64");
    if (bytes->size() < kLeastKey) return Error("is shorter than " + std::to_string(kLeastKey) + " bytes");
    return Secret(std::move(*bytes));
}

Result<std::vector<Secret>> keys_of(const Secret& list) {
    std::vector<Secret> keys;
    for (const auto& one : split_list(list.reveal())) {
        auto key = key_of(Secret(one));
        if (!key) return key.error();
        keys.push_back(std::move(*key));
    }
    return keys;
}

Result<Signed> read_head(const http::Headers& headers, Instant now) {
    auto id = header(headers, "id"), timestamp = header(headers, "timestamp"), signatures = header(headers, "signature");
    for (const auto* part : {&id, &timestamp, &signatures})
        if (!*part) return part->error();
    if (id->empty() || id->size() > kLongestId) return Error("the id takes 1 to " + std::to_string(kLongestId) + " characters");
    std::int64_t seconds = 0;
    auto [end, fault] = std::from_chars(timestamp->data(), timestamp->data() + timestamp->size(), seconds);
    if (fault != std::errc{} || end != timestamp->data() + timestamp->size() || seconds < 0 || seconds > 100'000'000'000)
        return Error("the timestamp is no number of seconds since 1970");
    auto apart = now - (Instant{} + std::chrono::seconds(seconds));
    if (apart > kWindow) return Error("the timestamp is more than five minutes old");
    if (apart < -kWindow) return Error("the timestamp is more than five minutes ahead");
    bool any = false;
    each_entry(*signatures, [&](std::string_view) { any = true; });
    if (!any) return Error("the signature has no entry of version v1");
    return Signed{*id, *timestamp, *signatures};
}

Result<void> verify(const Signed& what, std::string_view body, std::span<const Secret> keys) {
    bool good = false;
    for (const auto& key : keys) {
        auto mine = hmac_sha256(key.reveal(), {what.id, ".", what.timestamp, ".", body});
        // Headers are short, so this is bounded whatever a stranger lists.
        each_entry(what.signatures, [&](std::string_view entry) {
            auto theirs = base64_decode(entry);
            good = (theirs && constant_time_equal(*theirs, mine)) || good;
        });
    }
    if (!good) return Error("no signature of version v1 is made of this body, id and timestamp with our secret");
    return {};
}

std::string sign(std::string_view id, std::string_view timestamp, std::string_view body, const Secret& key) {
    return std::string(kVersion) + base64_encode(hmac_sha256(key.reveal(), {id, ".", timestamp, ".", body}));
}

}  // namespace otto::providers::svix
