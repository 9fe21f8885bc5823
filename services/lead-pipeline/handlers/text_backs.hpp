#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "rows/keys.hpp"
#include "runtime/work_queue.hpp"
#include "sender/numbers.hpp"

namespace otto::lead_pipeline {

/// Calls that stayed missed, whose callers may get a text in return, by their ids (runtime/work_queue.hpp).
inline constexpr std::string_view kTextBacks = "lead-pipeline/text-backs";
/// Why Otto wrote such a text (messages.reason).
inline constexpr std::string_view kMissedCall = "missed_call";

/// A call that stays missed is answered with a text (`call_flow.missed_call_text`), one a contact and day of the company, from
/// the number that was called. None follows where nobody can be texted, where the call was long ago, and where the caller was
/// spoken to, called or texted since the call began; what waits for the end of quiet hours is judged anew when it leaves.
/// Thread-safe.
class TextBacks {
public:
    struct Outside {
        TermsOf terms;
        /// What a company texts back; nothing: it does not. nullopt: the companies are not known yet, ask again shortly.
        std::function<std::optional<std::optional<std::string>>(const CompanyId&)> body;
        /// Whether a number (E.164) is one of this deployment's companies'.
        std::function<bool(const std::string&)> is_ours;
    };
    explicit TextBacks(Outside outside) : outside_(std::move(outside)) {}

    /// Whether what follows from the company's missed calls is to be looked at at all.
    bool may_be_wanted(const CompanyId&) const;
    std::optional<Instant> next(rt::Lease&) const;
    /// Why a text that is about to leave is not wanted any more, in words for people; nullopt: it is. With the card of its
    /// customer held the answer holds until the commit.
    std::optional<std::string> unwanted(pg::Tx&, const MessageKey&, Instant now) const;

private:
    std::optional<Instant> judge(pg::Tx&, const CompanyId&, const CallId&, Instant now) const;
    Outside outside_;
};

}  // namespace otto::lead_pipeline
