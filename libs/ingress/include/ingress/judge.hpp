#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "directory/companies.hpp"
#include "providers/webhook.hpp"

/// Whether a webhook is genuine, and whose it is. The key that says so is a company's, or the deployment's.
namespace otto::ingress {

enum class Verdict { authentic, open, unsigned_, forged };
std::string_view to_text(Verdict);
struct Judgement {
    Verdict verdict = Verdict::open;
    CompanyId company = {};           ///< whose key proved it
    providers::Refusal refusal = {};  ///< of forged: which check failed, and what to do
    std::vector<CompanyId> refused_for =
        {};  ///< of forged: companies whose keys did not prove its signature; none if it carries none that is well-formed
    bool final_proof = false;   ///< of authentic: the provider's API gave that key
    bool contested = false;     ///< of authentic: its number finally is another's, see directory::contested
    CompanyId held_for = {};    ///< on whose account it will be held: the signer's, or that of the owner who has set no key; "" =
                                ///< nobody's, or it flows on
    bool held_limited = false;  ///< too much waits there already, as the directory tells
};

/// Pure but for what the directory knows. Thread-safe.
class Judge {
public:
    virtual ~Judge() = default;
    /// What the headers alone refute, before the body is read; asked if it judges them at all.
    virtual bool judges_heads() const { return false; }
    virtual std::optional<providers::Refusal> refused_by_head(const providers::Parts& /*head*/) const { return std::nullopt; }
    struct Case {
        const providers::Parts& parts;
        const inbound::v1::Addressee& addressee;
        Instant received;  ///< as it is stamped
    };
    /// One judgement for each, all keys tried together.
    virtual std::vector<Judgement> judge(std::span<const Case>, Instant now) const = 0;
};

/// The secrets that a provider signs with for the whole deployment, the newest first, and where operators set them.
struct DeploymentKey {
    std::vector<Secret> secrets = {};
    std::string setting = {};            ///< "OTTO_SHUNYA_WEBHOOK_SECRET"
    std::string signature_setting = {};  ///< names what is signed; "" if that is no setting
};
/// The deployment's own account at a provider that companies have accounts at too.
struct DeploymentAccount {
    std::string id;  ///< as an addressee names it; "" = it has none
    DeploymentKey key;
};

/// Architecture G4. Whose key of the candidates verifies, owns. None has a key: open. One has a key and none verifies: forged.
class KeyedByCompany final : public Judge {
public:
    /// `allow_unsigned`: what nobody's key could prove is taken for the owner of its number.
    KeyedByCompany(const providers::Webhook& webhook, const directory::Companies& companies, bool allow_unsigned)
        : webhook_(webhook), companies_(companies), allow_unsigned_(allow_unsigned) {}
    std::vector<Judgement> judge(std::span<const Case>, Instant now) const override;

private:
    const providers::Webhook& webhook_;
    const directory::Companies& companies_;
    bool allow_unsigned_;
};

/// A signature proves that the provider speaks, and nothing about a company.
class KeyedByDeployment final : public Judge {
public:
    /// `allow_unsigned`: without a secret everything is taken; who has set one is always verified.
    KeyedByDeployment(const providers::Webhook& webhook, DeploymentKey key, bool allow_unsigned)
        : webhook_(webhook), key_(std::move(key)), allow_unsigned_(allow_unsigned) {}
    bool judges_heads() const override { return true; }
    std::optional<providers::Refusal> refused_by_head(const providers::Parts& head) const override;
    std::vector<Judgement> judge(std::span<const Case>, Instant now) const override;

private:
    providers::Refusal no_secret() const;
    const providers::Webhook& webhook_;
    DeploymentKey key_;
    bool allow_unsigned_;
};

/// What is kept of a request beside its event: the body as it came, byte for byte; target, headers and client with whatever is no
/// UTF-8 in them mended, for an event with such a text could be written and acknowledged, but never read again.
void fill_receipt(inbound::v1::Receipt&, const providers::Webhook&, const http::Request&, const Judgement&, Instant received);

}  // namespace otto::ingress
