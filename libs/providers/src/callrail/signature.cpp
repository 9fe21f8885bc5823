#include "callrail/signature.hpp"

#include "base/text.hpp"

namespace otto::providers::callrail {

Proof proof_of(const Parts& parts) {
    std::optional<std::string> sha1, sha256;
    bool malformed = false;
    auto take = [&](std::optional<std::string>& slot, std::optional<std::string> bytes, std::size_t size) {
        if (!bytes || bytes->size() != size || (slot && *slot != *bytes)) {
            malformed = true;
            return;
        }
        slot = std::move(bytes);
    };
    for (const auto& [name, raw] : parts.headers) {
        auto value = trim(raw);
        if (iequals(name, "signature")) take(sha1, base64_decode(value), 20);
        if (iequals(name, "x-callrail-signature")) {
            if (value.starts_with("sha256=")) value.remove_prefix(7);
            take(sha256, value.size() == 64 ? hex_decode(value) : base64_decode(value), 32);
        }
    }
    if (malformed) return Proof::none({"the header Signature is not base64 of a signature"});
    Proof::Claims claims;
    if (sha1) claims.push_back({Digest::hmac_sha1, std::move(*sha1), {}, parts.body});
    if (sha256) claims.push_back({Digest::hmac_sha256, std::move(*sha256), {}, parts.body});
    if (claims.empty()) return Proof::none({"the header Signature is missing"});
    Proof proof;
    proof.alternatives.push_back(std::move(claims));
    return proof;
}

}  // namespace otto::providers::callrail
