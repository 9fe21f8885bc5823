#pragma once
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "directory/companies.hpp"
#include "ingress/judge.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"

namespace otto::tenant_router {

/// Not to be passed on for now: why, and what to do about it, for the operator's list.
struct Held {
    std::string reason, cure, number;
    CompanyId held_for = {};  ///< on whose account it waits; "" = nobody's
    bool conflict = false;    ///< it is proven, and says of itself what cannot be: waiting longer does not help
    bool seen = false;        ///< its key proved it alone, and its number is nobody's yet: the company is shown the number
};
/// Whose an event is, and what says so.
struct Owner {
    CompanyId company;
    bool final_proof = false;    ///< the provider's API gave the key that proved it
    bool unsigned_ = false;      ///< no key proved it; the deployment takes the provider's word
    bool by_deployment = false;  ///< the deployment's own account at the provider signed it, and no company's key
    bool turned =
        false;  ///< a text that was read as one that came in, or went, is the other: the number at its other end is ours
    std::string phone = {};  ///< of a report that names its call alone: what that call's events are ordered by
};
using Decision = std::variant<Owner, Held>;

/// Whose an event could be and when it happened, as it says; also of one that a former version wrote.
inbound::v1::Addressee addressee_of(const inbound::v1::ProviderEvent&);

/// Makes of an event that its ingress could make nothing of what this version makes of the same receipt, which keeps its proof.
/// Whether it could. So what former versions held, texts among it, is read and goes on.
bool read_anew(inbound::v1::ProviderEvent&);

/// Whose event it is. Pure but for what `companies` knows. The tenant is the one whose key proves it (architecture.md G4); it
/// waits if nobody's does, if its number finally is another's, or if its provider's numbers are registered and this one is not.
/// `allow_unsigned`: providers whose unsigned events are taken for owners without a key. `of_message`: whose the message is that
/// it is about, as far as that is remembered; it counts where nobody has the number.
Decision route(const inbound::v1::ProviderEvent&, const directory::Companies&, const std::vector<std::string>& allow_unsigned,
               Instant now, const std::vector<CompanyId>& of_message = {}, const ingress::DeploymentAccount& deployment = {});

/// "message:<id>", under which the company of a message is remembered.
std::string message_name(const inbound::v1::MessageReport&);

/// Whose a job, or a call, is: the company that handed the call to Shunya, or to which the call went, and the customer whose
/// events it is ordered with.
struct JobOwner {
    CompanyId company;
    std::string phone;
    bool operator==(const JobOwner&) const = default;
};

/// Whether an event names no number, but the call that it is about: a recording, a leg that was dialled, a stream. Its company
/// stands in a table.
bool names_its_call(const inbound::v1::ProviderEvent&);
/// Whose such an event is. The call is its company's (`of_call`: whose it is, as far as that is remembered), and that company's
/// key, or the deployment's, must prove the event; another company's makes it a conflict. Pure but for what `companies` knows.
Decision route_of_call(const inbound::v1::ProviderEvent&, const directory::Companies&,
                       const std::vector<std::string>& allow_unsigned, Instant now, const std::vector<JobOwner>& of_call,
                       const ingress::DeploymentAccount& deployment = {});
/// Who is known for the ids of a report; more than one is a conflict.
struct KnownJob {
    std::vector<JobOwner> by_job, by_call;
};
using JobDecision = std::variant<JobOwner, Held>;
/// Names under which a report's job and call are remembered: "job:<id>", "call:<id>".
std::vector<std::string> names_of(const inbound::v1::JobReport&);
/// Whose report of Shunya's it is. The signature is the deployment's and proves no company: the job that we submitted does, or
/// its call; the company that the body claims must be the same. Pure but for what `companies` knows.
JobDecision route_job(const inbound::v1::ProviderEvent&, const KnownJob&, const directory::Companies&);
routed::v1::JobReported routed_job(inbound::v1::ProviderEvent, const JobOwner&);

}  // namespace otto::tenant_router
