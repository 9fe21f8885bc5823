#include "sender/record.hpp"

#include <set>
#include <stdexcept>

#include "books/contact_book.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "runtime/runtime.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

const rt::Emitter<calls::v1::LeadMoved, changes::v1::RowChanged> kEmitter{"lead-pipeline"};

}  // namespace

void tell(pg::Tx& tx, const MessageBook& book) {
    auto trace = tel::TraceContext::fresh();
    book.tell([&](const rt::Envelope*, const MessageBook::Outgoing& event) {
        std::visit([&](const auto& m) { kEmitter.emit(tx, m, trace); }, event);
    });
}

Record::Record(pg::Tx& tx, const MessageKey& key, const std::string& to) : tx_(tx), key_(key), line_(tx) {
    ContactBook(tx).hold(std::set<NumberKey>{{key.first, to}});
    place = line_.lock(key);
}

void Record::write(MessageBook& book) {
    book.settle();
    // Twilio's own word on what it was asked for cannot be about another text.
    if (!book.refused().empty()) {
        const auto& why = book.refused().front().why;
        if (place) throw std::runtime_error("what Twilio says of the text is refused: " + why);
        tel::error("what Twilio says of a text is refused",
                   {{"company_id", key_.first.value()}, {"message_id", key_.second.to_string()}, {"why", why}});
    }
    tell(tx_, book);
}

void Record::say(const OwnWord& word) {
    MessageBook book(tx_);
    book.say(key_, word);
    write(book);
}

void Record::end(const std::string& status, const std::string& why, int code) {
    say({.status = status, .error_code = code == 0 ? std::nullopt : std::optional(std::to_string(code)), .error_message = why});
    line_.leave(*place);
    place.reset();
}

void Record::heard(const providers::twilio::ListedMessage& message, Instant at) {
    auto report = message.event->message();
    report.set_our_message_id(key_.second.to_string());
    MessageBook book(tx_);
    book.hear(key_.first, "twilio", std::move(report), at);
    write(book);
}

}  // namespace otto::lead_pipeline
