// CallRail's signature headers: a line with the key, lines of `name: value` (headers as received), an empty line, the body. In a
// header's value {sha1}, {sha256} and {hex} stand for the right signature, so that mutations play around true ones.
#include <algorithm>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "harness.hpp"
#include "providers/webhook.hpp"

using namespace otto;
using SignatureHeaders = std::vector<std::pair<std::string, std::string>>;

namespace {

std::string filled_in(std::string text, const std::string& mark, const std::string& value) {
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size()))
        text.replace(at, mark.size(), value);
    return text;
}

/// What the documents say, written a second time: nullopt for no such header, false for one that is none of these forms.
struct Opinion {
    bool any = false, malformed = false, right = true;
};

Opinion opinion(const SignatureHeaders& headers, const std::string& sha1, const std::string& sha256) {
    Opinion o;
    std::string first1, first256;
    auto judge = [&](std::string& first, const std::string& bytes, const std::string& wanted) {
        if (!first.empty() && first != bytes) o.malformed = true;
        first = bytes;
        o.right = o.right && bytes == wanted;
        o.any = true;
    };
    for (const auto& [name, value] : headers) {
        std::string v(trim(value));
        if (lower(name) == "signature") {
            auto bytes = base64_decode(v);
            if (!bytes || bytes->size() != 20 || base64_encode(*bytes) != v)
                o.malformed = true;
            else
                judge(first1, *bytes, sha1);
        } else if (lower(name) == "x-callrail-signature") {
            if (v.starts_with("sha256=")) v.erase(0, 7);
            auto bytes = v.size() == 64 ? hex_decode(v) : base64_decode(v);
            if (!bytes || bytes->size() != 32 || (v.size() == 64 ? hex_encode(*bytes) != lower(v) : base64_encode(*bytes) != v))
                o.malformed = true;
            else
                judge(first256, *bytes, sha256);
        }
    }
    return o;
}

/// What there is to verify: "present", or why not.
enum class Signature { absent, malformed, present };
Signature signature_of(const SignatureHeaders& headers) {
    providers::Parts parts;
    parts.headers.assign(headers.begin(), headers.end());
    auto proof = providers::webhook_of("callrail")->proof(parts);
    return !proof.missing                                            ? Signature::present
           : proof.missing->why.find("missing") != std::string::npos ? Signature::absent
                                                                     : Signature::malformed;
}

bool verifies(const SignatureHeaders& headers, std::string_view body, const Secret& key) {
    providers::Parts parts;
    parts.headers.assign(headers.begin(), headers.end());
    parts.body = body;
    return providers::proves(providers::webhook_of("callrail")->proof(parts), key);
}

}  // namespace

void fuzz(std::string_view text) {
    fuzzing::Input input(text);
    const Secret key{std::string(input.line())};
    std::vector<std::string_view> lines;
    while (!input.empty()) {
        auto line = input.line();
        if (line.empty()) break;
        lines.push_back(line);
    }
    const std::string body(input.rest());
    const auto sha1 = hmac_sha1(key.reveal(), body), sha256 = hmac_sha256(key.reveal(), body);
    SignatureHeaders headers;
    for (auto line : lines) {
        auto colon = std::min(line.find(':'), line.size());
        auto value = filled_in(std::string(line.substr(std::min(colon + 1, line.size()))), "{sha1}", base64_encode(sha1));
        value = filled_in(filled_in(std::move(value), "{sha256}", base64_encode(sha256)), "{hex}", hex_encode(sha256));
        headers.emplace_back(std::string(line.substr(0, colon)), std::move(value));
    }
    auto state = signature_of(headers);
    bool good = verifies(headers, body, key);
    auto expected = opinion(headers, sha1, sha256);
    OTTO_EXPECT((state == Signature::malformed) == expected.malformed, text.data());
    if (!expected.malformed) OTTO_EXPECT((state == Signature::present) == expected.any, "");
    OTTO_EXPECT(good == (expected.any && !expected.malformed && expected.right), "");
    auto turned = headers;
    std::reverse(turned.begin(), turned.end());
    OTTO_EXPECT(signature_of(turned) == state && verifies(turned, body, key) == good, "the order of headers counts");
    if (good) {  // of this body and this key, and of no other
        OTTO_EXPECT(!verifies(headers, body + "\n", key), "");
        OTTO_EXPECT(!verifies(headers, body, Secret(key.reveal() + "x")), "");
        OTTO_EXPECT(body.empty() || !verifies(headers, body.substr(1), key), "");
        auto forged = headers;
        for (auto& h : forged) h.second = base64_encode(std::string(20, '\0'));
        OTTO_EXPECT(!verifies(forged, body, key), "");
    }
    OTTO_EXPECT(signature_of({}) == Signature::absent && !verifies({}, body, key), "");
}
