#pragma once
#include <optional>
#include <string>

#include "books/message_book.hpp"
#include "books/send_book.hpp"
#include "pg/tx.hpp"
#include "providers/twilio.hpp"

namespace otto::lead_pipeline {

/// What has changed by a book of texts, where no event is its cause.
void tell(pg::Tx&, const MessageBook&);

/// One text in one transaction: the card of whom it goes to is held, then its place in the line, and what is said of it goes
/// through MessageBook, as all reports do. One thread.
class Record {
public:
    Record(pg::Tx&, const MessageKey&, const std::string& to);

    /// Its place in the line; nullopt: its fate is known.
    std::optional<Send> place;

    SendBook& line() { return line_; }
    /// What we ourselves say of it.
    void say(const OwnWord&);
    /// Its fate: it is not sent, and why. It leaves the line.
    void end(const std::string& status, const std::string& why, int code = 0);
    /// Twilio's word on it; once Twilio has told its id of it, it leaves the line.
    void heard(const providers::twilio::ListedMessage&, Instant at);

private:
    void write(MessageBook&);
    pg::Tx& tx_;
    MessageKey key_;
    SendBook line_;
};

}  // namespace otto::lead_pipeline
