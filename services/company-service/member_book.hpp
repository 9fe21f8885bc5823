#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "identity/members.hpp"
#include "otto/members/v1/members.pb.h"
#include "pg/connection.hpp"
#include "runtime/audit.hpp"
#include "runtime/runtime.hpp"

namespace otto::company_service {

/// What Clerk says of one membership, by webhook, in a listing or as the answer to what we asked.
struct MemberFact {
    UserId user;
    std::string clerk_role;  ///< Clerk's word: "org:admin"; not looked at of who is removed
    std::optional<std::string> email, name;
    bool removed = false;
    std::int64_t clerk_updated_at = 0;  ///< ms, Clerk's: what is older than what is known has no effect; 0: not Clerk's word
    /// ms: when e-mail and name were so; 0: beside a membership in a webhook, which may be older than what is known of the
    /// person.
    std::int64_t profile_at = 0;
};

/// What Clerk says of one invitation that is not over.
struct InvitationFact {
    std::string id, email, clerk_role;
    std::optional<std::string> name = {};
    std::int64_t clerk_updated_at = 0;  ///< ms
};

/// What became of the rows.
struct MemberChange {
    UserId user;
    std::string was, is;  ///< "": no row; else "csr", "csr removed", "org:janitor?", as changed; equal ones are not told
};

/// company_users: who belongs to a company. Nothing else writes role or status there. In the scope of the company.
class MemberBook {
public:
    /// Rows end the same in whatever order, and however often, the facts come. Answers those that changed.
    static std::vector<MemberChange> take(pg::Tx&, const CompanyId&, std::span<const MemberFact>);
    static std::vector<MemberChange> take(pg::Tx& tx, const CompanyId& company, const MemberFact& fact) {
        return take(tx, company, std::span(&fact, 1));
    }
    /// Who makes a company is its first manager; Clerk's word of the person, which may have come before, stands above it.
    static void founded(pg::Tx&, const CompanyId&, const UserId&);
    /// Changes that nobody asked for here, on the company's record: as Clerk told them, or Otto found them. What a request asks
    /// for is on record as its own.
    static void on_record(pg::Tx&, const CompanyId&, std::span<const MemberChange>, rt::Actor);
    /// Somebody is invited: a row under the invitation's id, unless that is over, or one with this e-mail address is a member.
    /// False: nothing changed.
    static bool invited(pg::Tx&, const CompanyId&, const InvitationFact&);
    /// The invitation was taken, or revoked: then its row stays as one who was removed.
    static bool invitation_over(pg::Tx&, const CompanyId&, const std::string& id, bool revoked);
    /// The roles as they are written to Clerk: manager is org:admin, else org:<role>.
    static std::string clerk_role(std::string_view role);
};

/// Keeps otto.members true to the rows: each change of a member's role or status is told, in the order of versions, and again
/// whatever the topic turns out to have otherwise.
class MemberPublisher {
public:
    /// `published`: the topic, read back.
    explicit MemberPublisher(std::shared_ptr<const identity::Members> published) : published_(std::move(published)) {}
    void publish(pg::Connection&) const;
    /// While Kafka answers and the topic has been read: who stands there in another version than in the rows is told again, and
    /// Clerk is asked anew who is a member, for one of both may have been taken back to an earlier moment.
    void reconcile(pg::Connection&) const;
    /// The same, whatever Kafka says.
    static void reconcile(pg::Connection&, const identity::Members& topic);

private:
    void publish_one(pg::Connection&, const CompanyId&, std::int64_t changes) const;
    std::shared_ptr<const identity::Members> published_;
    rt::Emitter<members::v1::Member> emitter_{"company-service"};
};

}  // namespace otto::company_service
