#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/breaker.hpp"
#include "call.hpp"
#include "failing.hpp"
#include "keys.hpp"
#include "providers/media_links.hpp"
#include "providers/object_store.hpp"
#include "recording.hpp"
#include "runtime/budgets.hpp"
#include "runtime/runtime.hpp"

namespace otto::shunya_orchestrator {

/// Does the next step of a call that is due, and says when the one after that is: the author of the queue `kQueue`.
///
/// A step is: a look at the call's rows; for a post, a note that it is about to be made, committed; the call to the outside, with
/// no transaction open; then, with the call locked and the lease still ours, what came of it. Whoever dies on the way leaves a
/// lease that runs out, and the next one goes on from the rows. Thread-safe.
class Driver {
public:
    /// What is asked, and may be stood in for.
    struct Outside {
        providers::shunya::Client& shunya;
        std::function<FetchOutcome(const RecordingSource&, const tel::TraceContext&, const std::function<bool()>& stopping)>
            fetch;
        /// With which account and key a recording is asked for; empty if there is none. nullopt: not known yet, ask again
        /// shortly.
        std::function<std::optional<RecordingSource>(const KeyOwner&)> credentials;
        providers::ObjectStore& store;
        const providers::MediaLinks& links;
        FailingRecordings& failing;
    };
    struct Options {
        Rules rules;
        rt::Limit shunya_budget{600, Millis{60'000}};  ///< of one company
        std::vector<rt::Limit> callrail_budget{
            {600, Millis{3'600'000}},
            {9'000, Millis{86'400'000}}};  ///< of one CallRail account, whatever the companies that share it
        bool shunya_known = true;          ///< false: nobody has set the secret that Shunya wants
    };
    Driver(Outside, Options);

    std::optional<Instant> next(rt::Lease&);
    /// A step that fails of itself is shown as paused; what the outside said stays unsaid until it is tried again.
    void put_off(pg::Tx&, const rt::Lease&, std::string_view why) const;
    const Breaker& breaker() const { return breaker_; }

private:
    class Leave;
    /// What the outside said in a turn.
    struct Found {
        std::optional<FetchOutcome> recording;
        std::string stored_key;  ///< where it was put
        std::string key;         ///< the mark of the key it was asked with
        std::optional<providers::shunya::Reply<providers::shunya::Accepted>> accepted;
        std::optional<providers::shunya::Reply<providers::shunya::JobState>> told;
        std::optional<providers::shunya::Reply<providers::shunya::Content>> content;
    };
    /// A call as it was when its step began, and the step.
    struct Begun {
        Call call;
        Next step;
    };

    std::optional<Instant> begin(pg::Tx&, const CompanyId&, CallId, std::optional<Begun>&, Leave&);
    std::optional<Instant> due(const Call&) const;
    std::optional<Instant> not_now(pg::Tx&, Call&, const Next&, Leave&);
    std::optional<Instant> not_now_recording(pg::Tx&, Call&, Leave&);
    Found ask(const Begun&, const std::function<bool()>& stopping);
    void ask_shunya(const Call&, const Next&, Found&);
    void fetch(const Call&, Found&, const std::function<bool()>& stopping);
    std::string settle(pg::Tx&, Call&, const Begun&, const Found&, std::vector<Outgoing>&);
    std::optional<std::string> settle_content(pg::Tx&, Call&, Step, const Found&, std::vector<Outgoing>&);
    std::string key_of(const Call&) const;
    void keep_waiting(pg::Tx&, Call&, const std::string& key, Millis wait);
    std::string settle_recording(pg::Tx&, Call&, const Call& before, const Found&, std::vector<Outgoing>&);
    void give_up_recording(pg::Tx&, Call&, const Call& before, Recording::Status, const std::string& why, const pg::Param& cure,
                           const pg::Param& key, std::vector<Outgoing>&) const;
    void emit(pg::Tx&, const Call&, const std::vector<Outgoing>&) const;
    void judge_recording(const Asker&, const Call&, Found&);
    void judge_shunya(rt::Lease&, const Found&);
    void show_breaker() const;

    Outside outside_;
    Options options_;
    rt::Budgets shunya_budget_, callrail_budget_;
    RefusedKeys refused_keys_;
    Breaker breaker_;
    rt::Emitter<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                analysis::v1::AnalysisFailed, changes::v1::RowChanged>
        emitter_{"shunya-orchestrator"};
};

}  // namespace otto::shunya_orchestrator
