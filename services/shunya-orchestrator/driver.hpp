#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "call.hpp"
#include "keys.hpp"
#include "limits.hpp"
#include "pg/connection.hpp"
#include "providers/media_links.hpp"
#include "providers/object_store.hpp"
#include "recording.hpp"
#include "runtime/runtime.hpp"

namespace otto::shunya_orchestrator {

/// Takes a call that is due, does its next step, and says when the one after that is due.
///
/// A step is: a look at the call's rows; for a post, a note that it is about to be made, committed; the call to the outside, with no transaction open; then, with the
/// call locked and the lease still ours, what came of it. Whoever dies on the way leaves a lease that runs out, and the next one goes on from the rows. Thread-safe.
class Driver {
public:
    /// What is asked, and may be stood in for.
    struct Outside {
        providers::shunya::Client& shunya;
        std::function<FetchOutcome(const RecordingSource&, const tel::TraceContext&, const std::function<bool()>& stopping)> fetch;
        /// What the company has at CallRail: API key and account; empty if nothing. nullopt: not known yet, ask again shortly.
        std::function<std::optional<RecordingSource>(const CompanyId&)> credentials;
        providers::ObjectStore& store;
        const providers::MediaLinks& links;
    };
    struct Options {
        Rules rules;
        Millis lease{60'000};
        Limit shunya_budget{600, Millis{60'000}};                                            ///< of one company
        std::vector<Limit> callrail_budget{{600, Millis{3'600'000}}, {9'000, Millis{86'400'000}}};  ///< of one CallRail account, whatever the companies that share it
        bool shunya_known = true;                                                            ///< false: nobody has set the secret that Shunya wants
        int workers = 8;                                                                     ///< threads that call run_one; a quarter of them is not for a company that has all others
        Millis others_every{200};                                                            ///< while a company has its share, others' calls are looked for so often: each of its webhooks wakes a worker that may not take it
    };
    Driver(Outside, Options);

    /// Works on one due call until its next step is not due yet. False if no call is due. A database failure is thrown; the lease then runs out.
    bool run_one(pg::Pool&, const std::function<bool()>& stopping = [] { return false; });
    /// Keeps what is being worked on ours.
    void renew(pg::Connection&);
    const Breaker& breaker() const { return breaker_; }

private:
    struct Lease { CompanyId company; CallId call; Uuid id; };
    class Held;
    class Leave;
    /// What the outside said in a turn.
    struct Found {
        std::optional<FetchOutcome> recording;
        std::string stored_key;                 ///< where it was put
        std::string key;                        ///< the mark of the API key it was asked with
        std::optional<providers::shunya::Reply<providers::shunya::Accepted>> accepted;
        std::optional<providers::shunya::Reply<providers::shunya::JobState>> told;
        std::optional<providers::shunya::Reply<providers::shunya::Content>> content;
    };

    std::optional<Lease> take(pg::Pool&);
    int most_of_one() const { return options_.workers - options_.workers / 4; }
    std::vector<std::string> with_their_share();
    bool time_to_look_for_others();
    void put_back(pg::Pool&, const Lease&);
    void put_off(pg::Pool&, const Lease&, const std::string& why);
    bool step(pg::Pool&, const Lease&, const std::function<bool()>& stopping);
    std::optional<Call> begin(pg::Pool&, const Lease&, Next&, Leave&);
    bool conclude(pg::Tx&, const Lease&, Call&);
    bool not_now(pg::Tx&, const Lease&, Call&, const Next&, Leave&);
    void ask(const Call&, const Next&, Found&);
    void fetch(const Call&, Found&, const std::function<bool()>& stopping);
    std::string settle(pg::Tx&, Call&, const Next&, const Call& before, const Found&, std::vector<Outgoing>&);
    std::string key_of(const CompanyId&) const;
    void keep_waiting(pg::Tx&, Call&, const std::string& why, const std::string& key, Millis wait);
    std::string settle_recording(pg::Tx&, Call&, const Call& before, const Found&, std::vector<Outgoing>&);
    void emit(pg::Tx&, const Call&, const std::vector<Outgoing>&) const;
    void judge_key(const Lease&, Found&);
    void judge_shunya(pg::Tx&, const Lease&, const Found&);
    void show_breaker() const;

    Outside outside_;
    Options options_;
    Budgets shunya_budget_, callrail_budget_;
    RefusedKeys refused_keys_;
    Breaker breaker_;
    std::mutex lock_;
    std::map<Uuid, CompanyId> held_;
    std::map<CompanyId, int> at_work_;   ///< of each company, how many of held_
    std::chrono::steady_clock::time_point look_for_others_{};  ///< not before, while one company has its share
    rt::Emitter<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted, analysis::v1::AnalysisFailed, changes::v1::RowChanged> emitter_{"shunya-orchestrator"};
};

}  // namespace otto::shunya_orchestrator
