#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/time.hpp"
#include "pg/tx.hpp"
#include "rows/keys.hpp"

namespace otto::lead_pipeline {

/// A text on its way to the provider, as its row of `text_sends` has it.
struct Send {
    CompanyId company;
    Uuid message;
    std::string from, to;
    bool automatic = false;
    std::int64_t segments = 1;
    std::string state;  ///< scheduled, behind, waiting, released, asked, unknown
    std::optional<Instant> asked_at, looked_at;
    std::optional<std::string> account;  ///< as whom the provider was asked
    std::int64_t not_found = 0, failures = 0;
    Instant accepted_at{};

    MessageKey key() const { return {company, message}; }
    /// The provider was asked and nobody knows whether it took it.
    bool in_doubt() const { return state == "asked" || state == "unknown"; }
    /// It is the one of its pair that is looked at.
    bool at_head() const { return in_doubt() || state == "waiting" || state == "released"; }
};
/// A company, the number that sends, the customer's.
using Pair = std::tuple<CompanyId, std::string, std::string>;

/// The line of texts that are to leave. Of one pair (from, to) one text is at the head, so that at most one is in doubt; the
/// others are behind it, people's first, then the oldest. Whoever changes a line holds the card of `to` before (ContactBook), and
/// takes locks in the order: work row, card, message, work row of the number, row of the line. What releases by numbers holds the
/// work row of a number and no card: it passes over rows of the line that somebody else has locked. One thread.
class SendBook {
public:
    explicit SendBook(pg::Tx& tx) : tx_(tx) {}

    /// A new one, into its line: to the head if nobody is there, or before an automatic one that still waits. What is at the head
    /// is wanted of kTextNumbers at once; with `not_before` it is scheduled instead, and wanted of kTexts then.
    void enter(const Send&, std::optional<Instant> not_before = {});
    /// A scheduled one whose time has come goes into its line.
    void step_in(const Send&);
    /// nullopt: it is in no line (any more).
    std::optional<Send> lock(const MessageKey&);
    std::vector<Send> lock(const std::set<MessageKey>&);
    /// How it stands by now: state, asked_at, account, looked_at, not_found, failures, why. Back to `waiting` it is wanted of
    /// kTextNumbers anew, unless a person's text takes its place.
    void save(const Send&, const std::string& why = "");
    /// Its fate is known: out of the line; who is behind steps up, and the number is looked at again.
    void leave(const Send&);
    /// The customer's number is read otherwise by now: into the line of that pair. What the provider was asked about stays until
    /// its fate is known.
    void redirect(const Send&, const std::string& to);
    /// The text of this pair that is in doubt, if there is one: what the provider lists of the pair may be it.
    std::optional<Send> in_doubt(const CompanyId&, const std::string& from, const std::string& to);
    std::vector<Send> in_doubt(const std::set<Pair>&);

private:
    bool leads(const Send&);
    void step_up(const Send& left);
    void want_number(const Send&);
    pg::Tx& tx_;
};

}  // namespace otto::lead_pipeline
