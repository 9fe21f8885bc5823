#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "http/client.hpp"
#include "telemetry/trace.hpp"

/// Clerk's API, as far as it is asked: organisations and who is a member of them.
namespace otto::providers::clerk {

/// Why there is no answer of the wished kind.
struct ApiError {
    int status = 0;   ///< 0: it did not answer, or not what can be read
    std::string why;  ///< for people
};
template <class T>
using Reply = std::variant<T, ApiError>;

/// A member of an organisation, whatever the role.
struct Member {
    std::string user;
    std::string role;  ///< Clerk's word: "org:admin"
    std::optional<std::string> email, name;
};
/// One page of an organisation's memberships, and how many memberships there are in all.
struct MemberPage {
    std::vector<Member> members;
    std::size_t read = 0, total = 0;
    bool whole = true;  ///< false: somebody on it could not be made out, so that nobody may be taken for gone
};
Result<MemberPage> read_members(std::string_view json);

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

private:
    Reply<std::string> ask(http::Method, const std::string& path, std::string body, const tel::TraceContext&) const;
    std::string api_;
    Secret key_;
    http::Client& http_;
};

}  // namespace otto::providers::clerk
