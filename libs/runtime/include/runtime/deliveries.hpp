#pragma once
#include <string_view>

#include "pg/tx.hpp"
#include "telemetry/metrics.hpp"

/// What leaves for somebody outside on a customer's or a company's behalf, by kind (a text, and whatever else is sent one day):
/// how each ended, and how long the oldest has waited. One pair of metrics for all kinds, so that one alarm watches them.
namespace otto::rt {

enum class Delivery {
    delivered,  ///< whom it was handed to has taken it
    failed,     ///< it was refused, or given up: nobody will get it
    canceled    ///< before it left, for a good reason
};
/// Counted when the transaction commits.
void delivered(pg::Tx&, std::string_view kind, Delivery);
/// To be set by one process of the deployment, with {kind}.
extern const tel::SharedGauges kDeliveriesOldest;

}  // namespace otto::rt
