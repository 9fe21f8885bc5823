#include "handlers/calls.hpp"

#include "books/books.hpp"

namespace otto::lead_pipeline {

void Calls::record(std::span<const rt::In<routed::v1::CallReported>> ins, pg::Tx& tx, CallsOut& out) const {
    Books books(tx, grace_);
    for (const auto& in : ins) books.calls.add(in);
    books.settle();
    books.tell([&](const rt::Envelope* cause, const Outgoing& event) {
        std::visit([&](const auto& m) { out.emit(*cause, m); }, event);
    });
}

}  // namespace otto::lead_pipeline
