#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace otto::inbound::v1 {
class ProviderEvent;
}

/// What CallRail says of a call or a text, in our words; the same for its webhooks and for its API's list of calls (providers.md §1.4 to §1.6).
namespace otto::providers::callrail {

/// A body, read once. A stranger may have written it: names_of… reads no more than what says who could have signed it; tell_… what it reports, once that is settled.
class Report {
public:
    /// `content_type`: lower-case, without parameters; forms are read as one, all else as JSON.
    static Report read(std::string_view body, std::string_view content_type);
    Report(Report&&) noexcept;
    Report& operator=(Report&&) noexcept;
    ~Report();

    /// Whose it could be; all empty for a body that cannot be read.
    struct Names {
        std::string number;                           ///< the company's number in it
        std::vector<std::string> provider_companies;  ///< ids of companies at CallRail
        std::string account, claimed_company;
        std::string mapped_company;                   ///< callrail_company_id: beside a claimed company, which one at CallRail that is said to be
        std::optional<Instant> at;                    ///< when the call began, the text was sent
    };
    Names names_of_call() const;
    Names names_of_text() const;

    /// Sets kind, key, call and, where no report can be made of it, not_understood. `path` is the last part of where a webhook was posted ("call.completed"); it decides only
    /// where the body cannot tell.
    void tell_call(std::string_view path, inbound::v1::ProviderEvent&) const;
    /// Likewise of a text. What it says stays in the raw body.
    void tell_text(inbound::v1::ProviderEvent&) const;

private:
    struct Impl;
    explicit Report(std::unique_ptr<Impl>);
    std::unique_ptr<Impl> impl_;
};

/// All at once, for who knows whose it is.
void read_report(std::string_view body, std::string_view content_type, std::string_view path, inbound::v1::ProviderEvent& event);

}  // namespace otto::providers::callrail
