#pragma once
#include <functional>
#include <optional>
#include <string>

#include "runtime/work_queue.hpp"
#include "sender/numbers.hpp"

namespace otto::lead_pipeline {

/// Asks Twilio how a text stands that it has taken and of which nobody has said how it ended: ten minutes, one hour, six hours
/// and a day after it was asked for. Then it stays as it stands, and its row says that this is not known. Thread-safe.
class Statuses {
public:
    struct Outside {
        TermsOf terms;
        /// One message by its SID.
        std::function<providers::twilio::Reply<providers::twilio::ListedMessage>(const providers::twilio::Account&,
                                                                                 const std::string& sid)>
            message;
    };
    explicit Statuses(Outside outside) : outside_(std::move(outside)) {}
    std::optional<Instant> next(rt::Lease&) const;

private:
    using Reply = providers::twilio::Reply<providers::twilio::ListedMessage>;
    struct Row;
    std::optional<Reply> ask(const rt::Lease&, const Row&) const;
    std::optional<Instant> settle(pg::Tx&, const rt::Lease&, const Uuid&, const Row&, const Reply&) const;
    Outside outside_;
};

}  // namespace otto::lead_pipeline
