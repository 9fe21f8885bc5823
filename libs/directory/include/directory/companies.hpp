#pragma once
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "app/process.hpp"
#include "app/secrets.hpp"
#include "base/crypto.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "kafka/topic_table.hpp"

namespace otto::inbound::v1 {
class Addressee;
}

namespace otto::directory {

/// How sure it is that a number is the company's: it says so, a webhook that its key signed came for it, the provider itself says
/// so.
enum class Standing { unproven, proven, final_ };

/// A number and when it is the company's. No bound = since ever, until further notice.
struct Number {
    std::string e164;
    bool voice = false, text = false;
    std::optional<Instant> from, to;
    Standing standing = Standing::proven;
    std::string provider = {};  ///< who serves it: callrail, twilio
    bool voicemail = true;      ///< whether callers may leave a voicemail
    bool covers(Instant at) const { return (!from || *from <= at) && (!to || at < *to); }
};

/// A signing key, open. Former ones are valid for a while after a rotation.
struct Key {
    Secret secret;
    std::optional<Instant> valid_to;
    bool from_provider = false;  ///< the provider's API gave it: what it signs is final proof; else a person typed it in
};

/// What a company has at one provider.
struct Account {
    std::string provider, id;
    std::vector<std::string> company_ids;  ///< which companies at the provider it is
    std::vector<Key> signing_keys;         ///< what proves the provider's webhooks
    std::optional<Secret> api_key;
    std::string problem, problem_cure;  ///< what is wrong with the account; "" if nothing is known to be
    /// Signing keys valid at that moment, the newest first; the account's own.
    std::vector<const Key*> keys_at(Instant) const;
};

/// What routing and verification need to know of one company.
struct Profile {
    CompanyId id;
    std::int64_t version = 0;
    std::string name, timezone, call_provider;
    bool active = true;
    std::vector<Number> numbers;
    std::vector<Account> accounts;  ///< one of each provider at most
    bool held_limited = false;      ///< too much waits on its account
    std::string workflow_config;    ///< JSON object, "" if none is set
    std::string call_flow = {};     ///< CallFlow of the HTTP contract as JSON, "" if none is set
    /// An empty one if it has none at the provider.
    const Account& account(std::string_view provider) const;
    /// How sure it is that the number is the company's at that moment; nothing: it is not the company's.
    enum class Purpose { voice, text };
    std::optional<Standing> owns(std::string_view e164, Purpose, Instant at) const;
};
using ProfilePtr = std::shared_ptr<const Profile>;
using Purpose = Profile::Purpose;

/// "number:+1202…", "callrail:ACC1", "company:org_…": what must change in the directory before another answer about whose an
/// event could be can be expected.
std::vector<std::string> names_of(std::string_view provider, const inbound::v1::Addressee&);
std::string name_of(const CompanyId&);

/// A company that an event could be of: its key must prove it.
struct Candidate {
    ProfilePtr company;
    std::optional<Standing> owns_at,
        owns_now;  ///< owner of the number at the event's own time, and now; neither: it comes by its ids, or is claimed
    bool other_end = false;  ///< it has no more than the number at a text's other end: that it may have written proves nothing
};
/// Whose the number was at the event's own time, else is now; null if it is nobody's or several companies'.
const Candidate* sole_owner(const std::vector<Candidate>&);
/// Whether an event that this company's key proves is about a number that finally is another's: somebody else has the provider's
/// word for it, the signer does not own it.
bool contested(const std::vector<Candidate>&, const CompanyId& signer);

/// All companies, in memory, fed by the compacted topic otto.directory; with a snapshot on disk for a start without Kafka.
/// Look-ups are cheap and thread-safe.
class Companies {
public:
    struct Options {
        std::string brokers, client_id;
        std::string snapshot;  ///< file; "" = none
        KeyRing keys;          ///< unless `live` says what they are by now
        std::optional<app::Live<KeyRing>> live = {};
    };
    explicit Companies(Options);
    /// Starts and stops with the process, which is not ready until the topic has been read once (or the snapshot). What a service
    /// does without knowing companies it does meanwhile.
    Companies(app::Service&, const std::string& snapshot_folder);
    ~Companies();
    Companies(const Companies&) = delete;

    void start();
    void stop();
    bool ready() const { return caught_up() || table_.snapshot_of(); }
    /// The topic has been read to its end; a snapshot is not enough. Waits for that so long.
    bool caught_up(Millis wait = Millis{0}) const;
    /// Whatever of the service starts after this finds the companies known, and its routes wait too: a time zone or an owner that
    /// is merely not read yet must not pass for none.
    void hold_start(app::Service&);
    /// What their being known waits for: kafka, or the topic's end; nothing: they are.
    std::optional<app::Awaited> awaited() const;
    /// Whether Kafka answered when it was asked last, some seconds ago at most.
    Result<void> kafka_answers() const;

    ProfilePtr find(const CompanyId&) const;
    /// Active companies that own the number (E.164) at that moment; more than one is a fault in the data.
    std::vector<ProfilePtr> owners(std::string_view e164, Purpose, Instant at) const;
    /// Whether any company, a suspended one too, has the number at that moment, for whatever purpose, as surely as that. Anybody
    /// may write down a number: what is kept from a number that is ours asks for one that is proven.
    bool is_ours(std::string_view e164, Instant at, Standing least) const;
    /// Whom an event of that provider could be of (architecture.md G4), in the order in which their keys count: the number's
    /// owners at the event's own time, and now; those of a text's other end; companies with one of its ids at the provider, of
    /// which at most sixteen are tried, those first whose credentials the provider has confirmed; the company that it claims.
    /// Suspended ones too: whose an event is does not change with that.
    std::vector<Candidate> candidates(std::string_view provider, const inbound::v1::Addressee&, Instant at, Instant now) const;
    /// Whether claimed and mapped company contradict each other, or the signer ("": nobody's key proved it). Who names only one
    /// of them contradicts nothing.
    bool mismatched(std::string_view provider, const inbound::v1::Addressee&, const CompanyId& signer) const;
    std::size_t size() const;
    /// Versions of all companies, to find what the topic is behind with.
    std::map<std::string, std::int64_t> versions() const;
    /// Rises with every change.
    std::uint64_t generation() const { return generation_; }
    /// What has changed after a generation, as names_of() says it, so far as it can change an answer of candidates().
    struct Changes {
        std::uint64_t generation;  ///< up to which
        std::optional<std::vector<std::string>>
            names;  ///< nothing: too much, or too long ago, to say; whatever waits may be concerned
    };
    Changes changed_since(std::uint64_t generation) const;
    /// Takes one record of the topic (also for tests); an empty value removes the company.
    void apply(const std::string& company_id, std::string_view value);

private:
    void dump(const std::function<void(const std::string&, std::string_view)>&) const;
    void drop_locked(const std::string& id);
    void note_changes_locked(const Profile* former, const Profile* fresh);
    const std::set<std::string>* with_id_locked(std::string_view provider, std::string_view id) const;
    std::vector<ProfilePtr> claimants_locked(std::string_view provider, const inbound::v1::Addressee&, Instant now) const;

    Options options_;
    mutable std::shared_mutex lock_;
    std::map<std::string, ProfilePtr, std::less<>> profiles_;
    std::map<std::string, std::string, std::less<>> raw_;  ///< what the topic says, for the snapshot
    using Index = std::map<std::string, std::set<std::string>, std::less<>>;
    Index by_number_;
    std::map<std::string, Index, std::less<>> by_provider_;  ///< then by account, or company, there
    std::atomic<std::uint64_t> generation_{0};
    std::deque<std::pair<std::uint64_t, std::string>> changes_;  ///< generation and name of what changed, the latest ones
    std::uint64_t changes_from_ = 0;                             ///< all changes after this generation are among them
    kafka::TopicTable table_;                                    ///< the last: its thread calls the others
};

}  // namespace otto::directory
