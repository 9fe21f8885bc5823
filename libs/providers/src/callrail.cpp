#include "providers/callrail.hpp"

#include <optional>

#include "base/text.hpp"

namespace otto::providers::callrail {
namespace {

struct Given {
    std::optional<std::string> sha1, sha256;
    bool malformed = false;
};

Given read(const SignatureHeaders& headers) {
    Given g;
    auto take = [&](std::optional<std::string>& slot, std::optional<std::string> bytes, std::size_t size) {
        if (!bytes || bytes->size() != size || (slot && *slot != *bytes)) {
            g.malformed = true;
            return;
        }
        slot = std::move(bytes);
    };
    for (const auto& [name, raw] : headers) {
        auto value = trim(raw);
        if (iequals(name, "signature")) take(g.sha1, base64_decode(value), 20);
        if (iequals(name, "x-callrail-signature")) {
            if (value.starts_with("sha256=")) value.remove_prefix(7);
            take(g.sha256, value.size() == 64 ? hex_decode(value) : base64_decode(value), 32);
        }
    }
    return g;
}

}  // namespace

Signature signature_of(const SignatureHeaders& headers) {
    if (headers.empty()) return Signature::absent;
    auto g = read(headers);
    if (g.malformed) return Signature::malformed;
    return g.sha1 || g.sha256 ? Signature::present : Signature::absent;
}

std::vector<Claim> claims(const SignatureHeaders& headers) {
    auto g = read(headers);
    std::vector<Claim> out;
    if (g.malformed) return out;
    if (g.sha1) out.push_back({Digest::hmac_sha1, std::move(*g.sha1)});
    if (g.sha256) out.push_back({Digest::hmac_sha256, std::move(*g.sha256)});
    return out;
}

bool verifies(const SignatureHeaders& headers, std::string_view raw_body, const Secret& key) {
    auto all = claims(headers);
    bool good = !all.empty();
    for (const auto& claim : all) {
        auto ours = claim.kind == Digest::hmac_sha1 ? hmac_sha1(key.reveal(), raw_body) : hmac_sha256(key.reveal(), raw_body);
        good = constant_time_equal(ours, claim.digest) && good;
    }
    return good;
}

}  // namespace otto::providers::callrail
