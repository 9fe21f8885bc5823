#pragma once
#include <optional>
#include <string>

#include "directory/companies.hpp"
#include "ingress/judge.hpp"
#include "providers/call_flow.hpp"

namespace otto::ingress {

/// Whom a call is for: the company that the judgement names, if it has the called number for calls at this moment. That is the
/// one whose key proved the webhook, and who else has merely written the number down takes no call from it; or the number's sole
/// owner, if the deployment's key did. Nothing for whatever else; a suspended company is named as such. `from`: the caller's
/// number.
std::optional<providers::Callee> callee_of(const directory::Companies&, const Judgement&, const inbound::v1::Addressee&,
                                           const std::string& from, const std::string& public_url, Instant now);

}  // namespace otto::ingress
