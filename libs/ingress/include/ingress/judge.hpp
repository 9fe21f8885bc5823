#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/secrets.hpp"
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
    bool final_proof = false;    ///< of authentic: the provider's API gave that key
    bool by_deployment = false;  ///< of authentic: the deployment's own account signed it; `company` is the number's sole owner
    bool contested = false;      ///< of authentic: its number finally is another's, see directory::contested
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
    std::string setting = {};                                 ///< "OTTO_SHUNYA_WEBHOOK_SECRET"
    std::string signature_setting = {};                       ///< names what is signed; "" if that is no setting
    std::optional<app::Live<std::vector<Secret>>> live = {};  ///< what `secrets` are by now, where they may be replaced
    std::shared_ptr<const std::vector<Secret>> present() const {
        return live ? live->now() : std::make_shared<const std::vector<Secret>>(secrets);
    }
};
/// The deployment's own account at a provider that companies have accounts at too.
struct DeploymentAccount {
    std::string id;  ///< as an addressee names it; "" = it has none
    DeploymentKey key;
    /// `secrets`: a comma list, the newest first; `setting`: where operators set it.
    static DeploymentAccount of(std::string id, const app::LiveSecret& secrets, std::string setting);
};

/// Architecture G4. Whose key of the candidates verifies, owns. None has a key: open. One has a key and none verifies: forged.
/// The deployment's key is one more where its account is named; what it alone verifies is the number's sole owner's.
class KeyedByCompany final : public Judge {
public:
    /// `allow_unsigned`: what nobody's key could prove is taken for the owner of its number.
    KeyedByCompany(const providers::Webhook& webhook, const directory::Companies& companies, bool allow_unsigned,
                   DeploymentAccount deployment = {})
        : webhook_(webhook), companies_(companies), allow_unsigned_(allow_unsigned), deployment_(std::move(deployment)) {}
    std::vector<Judgement> judge(std::span<const Case>, Instant now) const override;

private:
    struct Try;
    /// Keys that could prove a case join the trials; without any the verdict is reached at once.
    void try_all(Try&, const Case&, std::size_t number, Instant now, Judgement&) const;
    Judgement proven(const Try&, const Case&, std::size_t trial) const;
    const providers::Webhook& webhook_;
    const directory::Companies& companies_;
    bool allow_unsigned_;
    DeploymentAccount deployment_;
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

/// Under which addresses a request can have been sent to this deployment: `public_url` (without a slash at its end) with what
/// stood in the request line, byte for byte; and, where a trusted proxy says so, the scheme and host that it forwards.
std::vector<std::string> addresses_of(const std::string& public_url, const http::Request&);

/// What is kept of a request beside its event: the body as it came, byte for byte; target, headers and client with whatever is no
/// UTF-8 in them mended, for an event with such a text could be written and acknowledged, but never read again.
void fill_receipt(inbound::v1::Receipt&, const providers::Webhook&, const http::Request&, const Judgement&, Instant received,
                  std::span<const std::string> urls = {});

}  // namespace otto::ingress
