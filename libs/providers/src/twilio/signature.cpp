#include "twilio/signature.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace otto::providers::twilio {
namespace {

/// A spelling of an address, in pieces of it.
struct Spelling {
    std::string_view before, port, behind;
    void write(std::string& out) const { out.append(before).append(port).append(behind); }
};

/// "https://user:pass@host/…" with its scheme's own port; without the port, if it has one.
Spelling with_port_turned(std::string_view url) {
    auto authority = url.find("://");
    if (authority == std::string::npos) return {url, {}, {}};
    authority += 3;
    const auto end = std::min(url.find_first_of("/?", authority), url.size());
    auto host = url.rfind('@', end);
    host = host == std::string::npos || host < authority ? authority : host + 1;
    const auto place = url.substr(host, end - host);
    const auto colon = place.rfind(':');
    if (colon != std::string_view::npos && place.find(']', colon) == std::string_view::npos)
        return {url.substr(0, host + colon), {}, url.substr(end)};
    return {url.substr(0, end), url.starts_with("https:") ? ":443" : ":80", url.substr(end)};
}

/// The address with `'` of its query as some clients of Twilio's write it.
void escape_quotes(std::string& url) {
    for (auto at = url.find('\'', std::min(url.find('?'), url.size())); at != std::string::npos; at = url.find('\'', at))
        url.replace(at, 1, "%27");
}

/// What may have been signed: `parameters` behind each spelling of each address, without any twice.
std::vector<std::string> signed_messages(const Parts& parts, std::string_view parameters) {
    std::vector<std::string> out;
    out.reserve(2 * parts.urls.size());
    auto add = [&](const Spelling& address, bool quotes_escaped) {
        std::string message;
        message.reserve(address.before.size() + address.port.size() + address.behind.size() + parameters.size());
        address.write(message);
        if (quotes_escaped) escape_quotes(message);
        message.append(parameters);
        if (std::find(out.begin(), out.end(), message) == out.end()) out.push_back(std::move(message));
    };
    for (std::string_view url : parts.urls) {
        const auto turned = with_port_turned(url);
        for (bool quotes_escaped : {false, true}) {
            if (quotes_escaped && url.find('\'') == std::string_view::npos) break;
            add({url, {}, {}}, quotes_escaped);
            add(turned, quotes_escaped);
        }
    }
    return out;
}

std::string signed_parameters(const FormFields& fields, std::size_t size) {
    std::vector<const FormFields::value_type*> sorted;
    sorted.reserve(fields.size());
    for (const auto& field : fields) sorted.push_back(&field);
    std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return *a < *b; });
    auto end = std::unique(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return *a == *b; });
    std::string out;
    out.reserve(size);
    for (auto at = sorted.begin(); at != end; ++at) out.append((*at)->first).append((*at)->second);
    return out;
}

/// What the query says the body is: bytes of its SHA-256.
std::optional<std::string> said_digest(std::string_view target) {
    auto query = target.find('?');
    if (query == std::string_view::npos) return std::nullopt;
    const auto fields = parse_form(target.substr(query + 1));
    auto said = form_value(fields, "bodySHA256");
    auto digest = said ? hex_decode(*said) : std::nullopt;
    return digest && digest->size() == 32 ? digest : std::nullopt;
}

}  // namespace

Proof proof_of(const Parts& parts) {
    const auto count = parts.count(kSignatureHeader);
    if (count == 0) return Proof::none({"the header X-Twilio-Signature is missing"});
    if (count > 1) return Proof::none({"the header X-Twilio-Signature is there more than once"});
    const auto signature = base64_decode(trim(parts.header(kSignatureHeader)));
    if (!signature || signature->size() != 20) return Proof::none({"the header X-Twilio-Signature is not base64 of a signature"});

    Proof::Claims of_body;
    std::string parameters;
    const bool form = parts.content_type == "application/x-www-form-urlencoded";
    if (form) {
        const auto fields = parts.form();
        if (!fields) return Proof::none({"the form has more than " + std::to_string(kMostFormFields) + " fields"});
        parameters = signed_parameters(*fields, parts.body.size());
    }
    // A form never has it; and what was signed as no form is none, whatever is said of it later.
    if (auto digest = said_digest(parts.target))
        of_body.push_back({Digest::sha256, *digest, {}, parts.body});
    else if (!form)
        return Proof::none({"the body is no form, and the query has no bodySHA256 to say what it is"});
    Proof proof;
    auto messages = signed_messages(parts, parameters);
    proof.alternatives.reserve(messages.size());
    for (auto& message : messages) {
        auto& claims = proof.alternatives.emplace_back(of_body);
        claims.push_back({Digest::hmac_sha1, *signature, std::move(message)});
    }
    if (proof.alternatives.empty()) return Proof::none({"the address that was signed is not known"});
    return proof;
}

}  // namespace otto::providers::twilio
