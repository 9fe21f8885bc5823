#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "telemetry/trace.hpp"

/// Clerk's API, as far as it is asked: organisations, who is a member of them and who is invited.
namespace otto::providers::clerk {

/// Why there is no answer of the wished kind.
struct ApiError {
    enum class Kind {
        lost,        ///< no answer, one that cannot be read, or 5xx: Clerk may have done it all the same
        unsent,      ///< no byte has left: Clerk has done nothing
        busy,        ///< 429: nothing was done, and may be asked again
        not_let_in,  ///< 401, 403: the key is none, or may not do this
        not_found,   ///< 404
        no_role,     ///< this role is none of the instance
        already,     ///< the person is a member already, or is invited already
        refused      ///< any other 4xx, in Clerk's own words
    };
    int status = 0;   ///< 0: it did not answer, or not what can be read
    std::string why;  ///< for people
    Kind kind = Kind::lost;
    std::optional<Millis> after = {};  ///< of busy: what Retry-After asks for
    /// Whether only a look at what Clerk has can tell what came of it.
    bool in_doubt() const { return kind == Kind::lost; }
};
template <class T>
using Reply = std::variant<T, ApiError>;

/// A member of an organisation, whatever the role.
struct Member {
    std::string user;
    std::string role;  ///< Clerk's word: "org:admin"
    std::optional<std::string> email, name;
    std::int64_t updated_at = 0;  ///< ms, of the membership; 0: Clerk did not say
};
/// One page of an organisation's memberships, and how many memberships there are in all.
struct MemberPage {
    std::vector<Member> members;
    std::size_t read = 0, total = 0;
    bool whole = true;  ///< false: somebody on it could not be made out, so that nobody may be taken for gone
};
Result<MemberPage> read_members(std::string_view json);

/// An invitation to an organisation; who takes it becomes a member of that role.
struct Invitation {
    std::string id, email, role, status;  ///< status: pending, accepted, revoked, expired
    std::int64_t updated_at = 0;          ///< ms
};
/// An organisation that somebody is a member of.
struct Organization {
    std::string id, name, created_by;
    std::int64_t created_at = 0;  ///< ms
};

struct Done {};

/// Each call is one request. Thread-safe.
class Client {
public:
    /// `http` must outlive it.
    Client(std::string api, Secret key, http::Client& http) : api_(std::move(api)), key_(std::move(key)), http_(http) {}
    /// Whether there is a key to ask with.
    bool keyed() const { return !key_.empty(); }
    /// The id of the new organisation.
    Reply<std::string> create_organization(const std::string& name, const std::string& created_by,
                                           const tel::TraceContext&) const;
    Reply<Done> rename_organization(const std::string& id, const std::string& name, const tel::TraceContext&) const;
    Reply<Done> delete_organization(const std::string& id, const tel::TraceContext&) const;
    /// Those after the first `offset`.
    Reply<MemberPage> memberships(const std::string& organization, std::size_t offset, const tel::TraceContext&) const;
    /// One person's membership; nullopt: there is none.
    Reply<std::optional<Member>> membership(const std::string& organization, const std::string& user,
                                            const tel::TraceContext&) const;
    Reply<Member> add_member(const std::string& organization, const std::string& user, const std::string& role,
                             const tel::TraceContext&) const;
    Reply<Member> set_role(const std::string& organization, const std::string& user, const std::string& role,
                           const tel::TraceContext&) const;
    /// What was ended; nullopt, and well, if there is no such membership (any more).
    Reply<std::optional<Member>> remove_member(const std::string& organization, const std::string& user,
                                               const tel::TraceContext&) const;
    Reply<Invitation> invite(const std::string& organization, const std::string& email, const std::string& role,
                             const std::string& inviter, const tel::TraceContext&) const;
    /// The pending one of an e-mail address, whatever its case; nullopt: none is.
    Reply<std::optional<Invitation>> pending_invitation(const std::string& organization, const std::string& email,
                                                        const tel::TraceContext&) const;
    Reply<Invitation> invitation(const std::string& organization, const std::string& id, const tel::TraceContext&) const;
    Reply<Invitation> revoke(const std::string& organization, const std::string& id, const std::string& by,
                             const tel::TraceContext&) const;
    /// Those that a user is a member of, the newest 100.
    Reply<std::vector<Organization>> organizations_of(const std::string& user, const tel::TraceContext&) const;

private:
    Reply<std::string> ask(http::Method, const std::string& path, std::string body, const tel::TraceContext&) const;
    std::string api_;
    Secret key_;
    http::Client& http_;
};

}  // namespace otto::providers::clerk
