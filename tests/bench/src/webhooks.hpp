#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "args.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"

/// CallRail's webhooks as load: the same seed makes the same calls, byte for byte.
namespace otto::bench {

/// Who the calls are for. Given to the programs as --company ID,TRACKING_NUMBER,SIGNING_KEY, once a company.
struct Company {
    std::string id, tracking, key;
    static std::vector<Company> of(const Args&);
};

/// CallRail's three reports of one call.
enum class Stage { incoming, answered, completed };

struct Call {
    std::int64_t id = 0;      ///< CallRail's number of it
    std::string resource_id;  ///< CAL…
    std::string customer;     ///< E.164
    const Company* company = nullptr;
    Instant started{};
    int duration_s = 0;
    bool recorded = true;
};

/// Splitmix64: a good 64 bits for each (seed, n).
std::uint64_t random_of(std::uint64_t seed, std::uint64_t n);

/// The n-th customer's number, a different one for each n below 8 million.
std::string customer_number(std::uint64_t n);

/// The n-th call of a seed, by customer `number` (who always calls the same company).
Call call_of(std::uint64_t seed, std::uint64_t n, std::uint64_t number, const std::vector<Company>&, Instant started);

/// CallRail's published Post-Call sample with this call's values; a report before the end lacks what is not known yet. About 2.5
/// KB.
std::string body_of(const Call&, Stage);
std::string path_of(Stage);
/// CallRail's header `Signature`.
std::string signature_of(const std::string& body, const std::string& key);

/// What the ingress makes of that webhook: normalized by its own code, its signature verified.
inbound::v1::ProviderEvent event_of(const Call&, Stage, Instant received);
EventId event_id_of(const inbound::v1::ProviderEvent&);

/// Twilio's reports of texts in a call's stead: of its customer one text that came in (at the call's first stage), and how one
/// stands that was sent to them (sent, then delivered).
inbound::v1::ProviderEvent text_event_of(const Call&, Stage, Instant received);
EventId text_event_id_of(const inbound::v1::ProviderEvent&);

/// One report of a backlog.
struct Due {
    std::uint32_t call = 0, number = 0;
    Stage stage = Stage::incoming;
    std::int64_t at_us = 0;  ///< since the backlog's beginning
};

/// Three reports of each of `calls` calls on `numbers` numbers, a thousand reports a second, each late by up to `spread_s`: so
/// the reports of one call come in any order and apart.
std::vector<Due> backlog_of(std::uint64_t seed, std::uint64_t calls, std::uint64_t numbers, std::int64_t spread_s);

}  // namespace otto::bench
