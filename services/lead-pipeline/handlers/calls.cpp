#include "handlers/calls.hpp"

#include <vector>

#include "base/time.hpp"
#include "books/books.hpp"
#include "events/journey.hpp"

namespace otto::lead_pipeline {

void Calls::record(std::span<const rt::In<routed::v1::CallReported>> ins, pg::Tx& tx, CallsOut& out) const {
    Books books(tx, grace_);
    std::vector<Instant> received;
    received.reserve(ins.size());
    for (const auto& in : ins) {
        books.calls.add(in);
        received.push_back(in.meta.occurred_at);
    }
    books.settle();
    tx.on_commit([received = std::move(received)] {
        auto now = system_clock().now();
        for (auto at : received) events::arrived(events::Stage::recorded, at, now);
    });
    books.tell([&](const rt::Envelope* cause, const Outgoing& event) {
        std::visit([&](const auto& m) { out.emit(*cause, m); }, event);
    });
}

}  // namespace otto::lead_pipeline
