#include "handlers/calls.hpp"

#include "books/batch.hpp"

namespace otto::lead_pipeline {

void Calls::record(std::span<const rt::In<routed::v1::CallReported>> ins, pg::Tx& tx, CallsOut& out) const {
    Batch batch(tx, grace_);
    for (const auto& in : ins) batch.add(in);
    batch.run();
    batch.tell([&](const rt::Envelope* cause, const Outgoing& event) { std::visit([&](const auto& m) { out.emit(*cause, m); }, event); });
}

}  // namespace otto::lead_pipeline
