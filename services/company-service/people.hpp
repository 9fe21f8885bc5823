#pragma once
#include <limits>
#include <optional>
#include <string>
#include <variant>

#include "api/api.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "member_book.hpp"
#include "providers/clerk.hpp"
#include "runtime/audit.hpp"
#include "runtime/work_queue.hpp"
#include "telemetry/metrics.hpp"

namespace otto::company_service {

/// People of whom Clerk was asked something and who knows what came of it; key: the user or invitation, or for an invitation
/// that has no id yet the e-mail address.
inline constexpr std::string_view kPeopleChanges = "company-service/people";

/// Of what is to be at Clerk, however long that is away.
inline const rt::Retry kUntilClerkAnswers{std::numeric_limits<int>::max(), Backoff{Millis{5'000}, Millis{45'000}, 3, 0}};

/// Who works in a company, as its manager commands it: invited, given another role, removed.
///
/// Who belongs to a company is what Clerk says, so Clerk is changed first, then the row, in the transaction that answers. Before
/// Clerk is asked, what is asked is committed (`changing` of the row; `invitations_asked` for who has no row yet), with work that
/// is due once no request waits any more: whatever becomes of the answer, or of the process, the work asks Clerk what is there,
/// and for what was wished where it is not. A company keeps an active manager: those being demoted or removed count as none, and
/// commands of one company look one after another. Thread-safe.
class People {
public:
    /// How long a request waits for one answer of Clerk's.
    People(const app::Settings&, pg::Pool&, Millis patience = Millis{5'000});

    /// 201 with the person as invited; the same address again is the same invitation, 200.
    http::Response invite(api::Context&) const;
    /// role, status, or both.
    http::Response change(api::Context&) const;
    /// status removed; of one who is only invited the invitation is revoked.
    http::Response remove(api::Context&) const;
    /// A turn of kPeopleChanges.
    std::optional<Instant> next(rt::Lease&) const;
    /// How many companies have nobody who manages them: Clerk's own word may take the last one.
    static void count(pg::Connection&, tel::Shares&);

private:
    struct Person;
    struct Wish;
    struct Asked;
    /// What Clerk has by now.
    struct Gone {
        std::int64_t updated_at = 0;  ///< ms, of what is gone; 0: Clerk did not say
    };
    using Found = std::variant<providers::clerk::Member, providers::clerk::Invitation, Gone, providers::clerk::ApiError>;

    http::Response carry_out(api::Context&, const Wish&) const;
    std::optional<Asked> note(api::Context&, const Wish&) const;
    Found ask(const Asked&, const CompanyId&, const tel::TraceContext&) const;
    Found look(const Asked&, const CompanyId&, const tel::TraceContext&) const;
    /// The row as Clerk has it.
    static void take(pg::Tx&, const CompanyId&, const Person&, const Found&);
    static rt::Changes changes_of(const Asked&);
    void forget(const CompanyId&, const Asked&) const;
    [[noreturn]] void refuse(const api::Context&, const Asked&, const providers::clerk::ApiError&) const;
    struct Invited;
    [[noreturn]] void refuse(const api::Context&, const Invited&, const providers::clerk::ApiError&) const;
    http::Response shown(api::Context&, const std::string& id, int status = 200) const;

    std::optional<Instant> next_invitation(rt::Lease&, const Invited&) const;
    static bool take_invitation(pg::Tx&, const CompanyId&, const Invited&, const providers::clerk::Invitation&);

    pg::Pool& pool_;
    Millis asking_for_;  ///< the longest that a request waits for what comes of it
    http::Client http_;
    providers::clerk::Client clerk_;
};

}  // namespace otto::company_service
