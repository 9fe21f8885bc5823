#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/work_queue.hpp"
#include "sender/numbers.hpp"
#include "sender/record.hpp"

namespace otto::lead_pipeline {

/// Has a text leave, once. It is noted that it is about to be asked, that is committed, then Twilio is asked; what came of it is
/// written. If that is lost nobody knows whether it was sent: it is looked for in Twilio's list, and asked for anew only if it is
/// not there, twice. A turn does one of these steps, whatever the text's place in the line says is next. Thread-safe.
class Sender {
public:
    using Account = providers::twilio::Account;
    /// Why an automatic text is not wanted any more, in words for people; nullopt: it is. Who makes them says, as often as one is
    /// about to leave, by its reason.
    using Unwanted =
        std::function<std::optional<std::string>(pg::Tx&, const MessageKey&, const std::string& reason, Instant now)>;
    struct Outside {
        TermsOf terms;
        std::function<providers::twilio::SendOutcome(const Account&, const providers::twilio::NewText&)> send;
        /// Twilio's messages of a pair, a page.
        std::function<providers::twilio::Reply<providers::twilio::MessagePage>(const Account&, const std::string& from,
                                                                               const std::string& to, const std::string& next)>
            listed;
        Unwanted unwanted;
        std::string status_callback;  ///< the text's id follows it
    };
    explicit Sender(Outside outside) : outside_(std::move(outside)) {}
    std::optional<Instant> next(rt::Lease&) const;
    void put_off(pg::Tx&, const rt::Lease&, std::string_view why) const;

private:
    struct Standing;
    struct Facts;
    struct Asked;
    std::optional<Instant> note(pg::Tx&, const rt::Lease&, const Uuid&, const Standing&, Asked&) const;
    std::optional<Instant> when_due(pg::Tx&, const rt::Lease&, Record&, const Facts&) const;
    std::optional<Instant> before_it_is_asked(pg::Tx&, const rt::Lease&, Record&, const Facts&, Asked&) const;
    bool stopped(pg::Tx&, Record&) const;
    bool unwanted(pg::Tx&, Record&, const Facts&, Instant now) const;
    std::optional<Instant> settle(pg::Tx&, const rt::Lease&, const Uuid&, const Asked&,
                                  const providers::twilio::SendOutcome&) const;
    struct Search;
    std::optional<Instant> look_for(rt::Lease&, const Uuid&, const Standing&) const;
    Search search(const Account&, const Standing&) const;
    std::optional<Instant> settle(pg::Tx&, const rt::Lease&, const Uuid&, const Standing&, const Terms&, bool was_paused,
                                  const Search&) const;
    const providers::twilio::ListedMessage* unheard_of(pg::Tx&, const CompanyId&, const Search&) const;

    Outside outside_;
};

}  // namespace otto::lead_pipeline
