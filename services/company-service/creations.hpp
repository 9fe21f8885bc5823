#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/api.hpp"
#include "config.hpp"
#include "numbers.hpp"
#include "providers/clerk.hpp"
#include "runtime/work_queue.hpp"

namespace otto::company_service {

/// Companies that are being made; of the user who makes one, under the user's id in place of a company's, what a request left
/// undone; of a company that was made, under its founder's id, whether Clerk has the founder for a member.
inline constexpr std::string_view kCreations = "company-service/creations";

/// The making of companies: an organisation at Clerk, then the row, then the founder's membership.
///
/// What the company is to be stands in `unused_organisations` before Clerk is asked for anything, and goes in the transaction
/// that makes the row. Whatever breaks in between (Clerk's answer, the commit, the process), the work that was put down with it
/// finds the organisation by its creator and finishes the company, unless the user's next try does; no second organisation is
/// made. What the work has finished is what the user's next try is answered with. Thread-safe.
class Creations {
public:
    Creations(const app::Settings&, const providers::clerk::Client&, pg::Pool&, const Numbers&);
    http::Response create(api::Context&) const;
    /// A turn of kCreations.
    std::optional<Instant> next(rt::Lease&) const;

private:
    /// What a company is to be.
    struct Asked {
        std::string name;
        std::optional<std::string> phone_number, primary_tracking_number, address, timezone;
        std::vector<std::string> number_fields() const;
        std::string json() const;
        static std::optional<Asked> read(const std::optional<std::string>& json);
    };
    struct Left;
    using Found = std::variant<std::optional<std::string>, providers::clerk::ApiError>;

    void make(pg::Tx&, const CompanyId&, const UserId& founder, const Asked&) const;
    std::optional<http::Response> take_finished(api::Context&, const Asked&) const;
    http::Response made(const std::string& id) const;
    std::string organisation_for(const api::Context&, const Asked&) const;
    void count_creation(const UserId&) const;
    [[noreturn]] void no_clerk(const UserId&, const providers::clerk::ApiError&) const;

    std::optional<Left> left_by(const UserId&) const;
    void keep(const UserId&, const std::string& organisation, const std::optional<Asked>&) const;
    void forget(const UserId&, const std::string& organisation) const;
    bool has_company(const std::string& organisation) const;
    /// One that this user was made the creator of since one was asked for, and that no company has.
    Found lost_organisation(const UserId&, Instant asked_at, const tel::TraceContext&) const;
    void drop(const UserId&, const std::string& organisation, const tel::TraceContext&) const;

    std::optional<Instant> finish(rt::Lease&, const UserId&) const;
    std::optional<Instant> see_to_founder(rt::Lease&, const UserId&) const;

    const providers::clerk::Client& clerk_;
    pg::Pool& pool_;
    const Numbers& numbers_;
    std::int64_t companies_an_hour_;
};

}  // namespace otto::company_service
