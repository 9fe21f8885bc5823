#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/time.hpp"
#include "pg/tx.hpp"
#include "sender/terms.hpp"

namespace otto::lead_pipeline {

/// A company none of whose texts leaves for now: it is suspended, or the provider does not let its account in. What waits keeps
/// its place, and nothing is used up. Other credentials are tried at once, the same ones every few minutes.
struct Pause {
    std::string why;          ///< with the cure, as people are shown it
    std::string credentials;  ///< a hash of what was refused
    Instant until{};          ///< then one is tried
};

/// Those of these companies that have one.
std::map<CompanyId, Pause> pauses_of(pg::Tx&, const std::set<CompanyId>&);
std::optional<Pause> pause_of(pg::Tx&, const CompanyId&);

/// When texts of a company are to be looked at again; nullopt: they may leave.
std::optional<Instant> held_until(const Terms&, const std::optional<Pause>&, Instant now);
/// A pause that must stand and does not is made, one that is over goes. What locks a company's pause locks nothing after it.
void keep_pause(pg::Tx&, const CompanyId&, const Terms&, const std::optional<Pause>&, Instant now);

/// The provider does not let the account in.
void refuse(pg::Tx&, const CompanyId&, const Terms&, const std::string& why, Instant now);
/// It lets it in.
void resume(pg::Tx&, const CompanyId&);

}  // namespace otto::lead_pipeline
