#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "identity/api.hpp"
#include "page.hpp"
#include "providers/media_links.hpp"
#include "search.hpp"

namespace otto::query_service {

/// What happened at a moment, for a timeline.
struct Moment {
    Instant at;
    std::string kind, title, detail;
    static Moment from(const pg::Fields& f) { return {f.time("at").value_or(Instant{}), f.text("kind"), f.text("title"), f.text("detail")}; }
};

/// Every read of the dashboards but figures. A rep sees own leads and what hangs on them, own appointments and tasks, and the cards of all these; what hangs on a detail comes out of the very
/// lists that are asked for alone, so that nothing is seen in the one which the other hides.
class Reads {
public:
    /// `links`: how a recording is handed out; the error if that is not set up, which is then the answer.
    explicit Reads(Result<providers::MediaLinks> links = Error("no links"));
    http::Response calls(identity::Context&) const;
    http::Response call(identity::Context&) const;
    http::Response call_analysis(identity::Context&) const;
    http::Response call_transcript(identity::Context&) const;
    http::Response call_recording(identity::Context&) const;
    http::Response call_timeline(identity::Context&) const;
    http::Response leads(identity::Context&) const;
    http::Response lead(identity::Context&) const;
    http::Response contacts(identity::Context&) const;
    http::Response contact(identity::Context&) const;
    http::Response appointments(identity::Context&) const;
    http::Response appointments_today(identity::Context&) const;
    http::Response appointment(identity::Context&) const;
    http::Response tasks(identity::Context&) const;
    http::Response task(identity::Context&) const;
    http::Response users(identity::Context&) const;
    http::Response company(identity::Context&) const;
    http::Response numbers(identity::Context&) const;
    /// For the test that prepares each.
    std::vector<pg::Query> list_queries() const;
    /// What `GET /api/v1/calls?limit=…` runs, for whoever wants to run just that; its query lives as long as this.
    Statement newest_calls(const CompanyId&, std::int64_t limit) const;

private:
    http::Response appointments_of(identity::Context&, const Page&, const Days&, pg::Param lead, pg::Param status, pg::Param outcome, pg::Param reps, pg::Param contact, const Found&) const;
    /// Members "appointments" and "tasks" of a lead or a contact, and what of them belongs on its timeline.
    void hanging_on(JsonWriter&, identity::Context&, std::string_view what, const Uuid& id, std::vector<Moment>* moments) const;
    Result<providers::MediaLinks> links_;
    ListQueries calls_, leads_, contacts_, appointments_, tasks_, users_, numbers_;
    mutable LongLists long_lists_;
};

}  // namespace otto::query_service
