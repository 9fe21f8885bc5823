#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "http/message.hpp"
#include "providers/call_flow.hpp"

namespace otto::inbound::v1 {
class Addressee;
class ProviderEvent;
class Receipt;
}  // namespace otto::inbound::v1

/// A provider's webhooks, in one place: what they mean, whose they could be, how they are proven and what answers them. The
/// ingress asks where one arrives, and tenant-router asks the same object about one that waited for its owner's key. Nothing here
/// knows a company: keys are the directory's, or the deployment's.
namespace otto::providers {

/// Fields of a form that are looked at: of more nothing is read before a key has proven it, and so nothing is proven.
inline constexpr std::size_t kMostFormFields = 1'000;

/// What a webhook is read and proven by: of a request, or of what is kept of one. It views most of that, which must outlive it.
struct Parts {
    std::string path;          ///< decoded, without query
    std::string_view target;   ///< as received
    std::string content_type;  ///< lower-case media type without parameters
    std::string_view body;
    std::vector<std::pair<std::string_view, std::string_view>> headers;  ///< of a receipt only those that carry the signature
    Instant received_at{};
    std::vector<std::string> urls = {};  ///< where Webhook::signs_address(): under which the request can have been addressed
    mutable std::shared_ptr<const FormFields> read_form = {};  ///< form() keeps it here

    static Parts of(const http::Request&);
    static Parts of(const inbound::v1::Receipt&);
    /// The first of that name, "" if there is none; names compare without case.
    std::string_view header(std::string_view name) const;
    std::size_t count(std::string_view name) const;
    /// The body as a form, read once: both what it means and how it is signed are asked for. Null: it has more than
    /// kMostFormFields. Of one thread.
    std::shared_ptr<const FormFields> form() const;
};

/// Why nothing is proven. Whoever sent it is told `why` and `cure`, and learns no setting's name; `operators_cure` goes to the
/// log of who receives it.
struct Refusal {
    std::string why;
    std::string cure = "Check the signing key of the integration.";
    std::string operators_cure = {};
};

/// What a webhook offers as its proof. Pure; a key proves the webhook if, in one of the alternatives, it meets every claim.
struct Proof {
    struct Claim {
        Digest kind;
        DigestBytes digest;          ///< what a key must make of the message: `composed`, and `body` behind it
        std::string composed = {};   ///< what was put together for it: an address with parameters, an id and a time
        std::string_view body = {};  ///< a part as it came, which is not copied
    };
    using Claims = std::vector<Claim>;
    std::vector<Claims> alternatives;  ///< the first kMostAlternatives are tried
    std::optional<Refusal> missing;    ///< there is none: why ("the header Signature is missing")

    static Proof none(Refusal why);
};
/// Whoever sends a webhook can write any number of signatures into it, and each may cost a digest of its body.
inline constexpr std::size_t kMostAlternatives = 8;

/// Keys that are tried on proofs. All digests are made together, which costs a fraction of one after another; what several claims
/// of a proof say of one message is made once a key.
class Trials {
public:
    /// Returns the trial's number. Proof, what it views, and key must live until run() is over.
    std::size_t add(const Proof&, std::string_view key);
    std::size_t digests() const { return hashes_.size(); }
    void run();
    /// Whether the key of that trial proves it. Constant time in the digests' contents.
    bool good(std::size_t trial) const;

private:
    struct Hash {
        const Proof::Claim* claim;
        std::string_view key;
        DigestBytes digest;
    };
    struct Trial {
        const Proof* proof;
        std::vector<std::size_t> hashes;  ///< of the claims of all alternatives, in their order
    };
    std::vector<Hash> hashes_;
    std::vector<Trial> trials_;
};
/// One key alone.
bool proves(const Proof&, const Secret& key);

/// An empty one. All that is put into it stands in one piece of memory: an event has some thirty texts and messages.
std::shared_ptr<inbound::v1::ProviderEvent> new_event();

/// A body in our words.
struct Normalized {
    std::shared_ptr<inbound::v1::ProviderEvent> event;  ///< lacks only the receipt
    std::string identity;  ///< the provider's own id of what happened; with the raw body's hash it makes the event's id
    bool whole = false;    ///< `identity` says all: it makes the event's id alone, whatever else a repeat's body says
    std::string customer;  ///< for the log, hashed there
    bool waits = false;    ///< nothing can be made of it yet, whoever proves it: it will be held
    std::optional<CallMoment> moment = {};  ///< of a call whose provider asks how it goes on: what it asks
};

/// A webhook whose body has been read so far as it says whose it could be. A stranger may have sent it: whatever costs more comes
/// after the verdict.
class Reading {
public:
    virtual ~Reading() = default;
    virtual const inbound::v1::Addressee& addressee() const = 0;
    /// `parts` as it was read; the event has the addressee too.
    virtual Normalized normalize(const Parts& parts) const = 0;
};

/// What an operator, or a manager, can do where no key proves a webhook. Each begins a sentence, or stands behind "or" if its
/// name says so, and ends without a stop.
struct Cures {
    std::string_view no_key;             ///< its owner has set none
    std::string_view no_key_of_account;  ///< its owner has an account at the provider, which gives none
    std::string_view or_set_key;
    std::string_view if_it_is_the_providers;   ///< it names no number, and an account or company that nobody has
    std::string_view mapping_reason, mapping;  ///< the companies that it names contradict each other
};

/// One provider: pure functions of what came. Thread-safe.
class Webhook {
public:
    virtual ~Webhook() = default;
    virtual std::string_view name() const = 0;
    /// As people write it: "CallRail".
    virtual std::string_view title() const = 0;
    virtual std::vector<std::string> paths() const = 0;
    /// Headers that carry the signature, as the receipt writes their names: it keeps these.
    virtual std::vector<std::string_view> signature_headers() const = 0;
    virtual std::unique_ptr<Reading> read(const Parts&) const = 0;
    /// What its headers alone refute, before the body is read.
    virtual std::optional<Refusal> refused_by_head(const Parts& /*head*/) const { return std::nullopt; }
    virtual Proof proof(const Parts&) const = 0;
    /// Whether the address is part of what is signed: the ingress then says under which it can have been (Parts::urls).
    virtual bool signs_address() const { return false; }
    /// Whether an event flows only to a company that has registered its number for its purpose: the provider has no numbers that
    /// come and go, and one account of its may be several companies'.
    virtual bool numbers_are_registered() const { return false; }
    /// A webhook that is about to be kept.
    struct Taken {
        std::string_view event_id, verdict;
        inbound::v1::ProviderEvent& event;   ///< not encoded yet: what it keeps of its answer is written into it
        const CallMoment* moment = nullptr;  ///< Normalized::moment
        const Callee* callee = nullptr;  ///< with a moment: whom the call is for, if its company's key proved it; null: nobody
        Instant now = {};
    };
    /// What answers it once it is safe.
    virtual http::Response answer(const Taken&) const;
    virtual Cures cures() const { return {}; }
    /// Bytes of the largest body that is taken; 413 above.
    virtual std::size_t body_limit() const { return 2u << 20; }
};

/// The one table of providers, made of the folders of src/: of each with a webhook.cpp it has `<folder>::webhook()`. Null for a
/// name that is none of them. Of Shunya's it has the meaning only: how it signs is a setting (providers/shunya_webhook.hpp).
const Webhook* webhook_of(std::string_view provider);

}  // namespace otto::providers
