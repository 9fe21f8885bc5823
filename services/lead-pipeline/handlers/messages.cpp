#include "handlers/messages.hpp"

#include "books/message_book.hpp"

namespace otto::lead_pipeline {

void Messages::record(std::span<const rt::In<routed::v1::MessageReported>> ins, pg::Tx& tx, MessagesOut& out) const {
    MessageBook messages(tx);
    for (const auto& in : ins) messages.add(in);
    messages.settle();
    messages.tell([&](const rt::Envelope* cause, const MessageBook::Outgoing& event) {
        std::visit([&](const auto& m) { out.emit(*cause, m); }, event);
    });
    for (const auto& refused : messages.refused()) out.reject(*refused.which, refused.why);
}

}  // namespace otto::lead_pipeline
