#include "runtime/deliveries.hpp"

#include <string>

namespace otto::rt {
namespace {

const tel::Counters kDeliveries{
    "otto_deliveries_total",
    "What leaves for somebody outside, by how it ended: delivered (to whom it was handed), failed, canceled.",
    {"kind", "outcome"}};

}  // namespace

const tel::SharedGauges kDeliveriesOldest{"otto_deliveries_oldest_seconds",
                                          "How long the oldest has waited that could leave; what waits for a person (a paused "
                                          "company, wrong credentials) is not among them.",
                                          {"kind"}};

void delivered(pg::Tx& tx, std::string_view kind, Delivery how) {
    const char* outcome = how == Delivery::delivered ? "delivered" : how == Delivery::failed ? "failed" : "canceled";
    tx.on_commit([kind = std::string(kind), outcome] { kDeliveries({kind, outcome}).inc(); });
}

}  // namespace otto::rt
