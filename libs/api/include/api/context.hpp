#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/refusal.hpp"
#include "api/viewer.hpp"
#include "base/time.hpp"
#include "base/uuid.hpp"
#include "http/server.hpp"
#include "identity/token.hpp"
#include "pg/connection.hpp"
#include "runtime/audit.hpp"

namespace otto::api {

/// What a command did to a row that dashboards show.
struct Action {
    const char* kind;  ///< of row: task, lead, appointment, analysis (RowChanged)
    std::string id;
    std::string_view name;                 ///< "task.change", as audit_log keeps it
    std::vector<std::string> fields = {};  ///< the names that were given, never a value
    rt::Changes changes = {};              ///< what was another value before
};

/// One authenticated request on its way through a handler. The tenant is the token's and nothing else's.
///
/// A command ends with `changed` or, where nothing was to be changed, with `row`:
///
///     c.tx().write(sql::change_task, {…});
///     return c.changed({"task", id.to_string(), "task.change", in.changed()}, sql::task, resources::task_value);
class Context {
public:
    static constexpr Millis kReadsLast{5'000};  ///< the most that a read may take
    const http::Request& request;
    const identity::Principal& who;

    /// The company of the token; 403 if it has none.
    const CompanyId& company() const;
    Viewer viewer() const;
    /// The UUID {name} of the path; 404 that names `what` if it is none.
    Uuid id(std::string_view name, const char* what) const;
    /// {call_id} of the path; 404 if it is none.
    CallId call_id() const;
    /// 422 that names `field`, unless `user` is one of the company's people who has not been removed. Who asks is always one; for
    /// who has perhaps just joined, the identity provider is asked anew, up to 4 s. For services that may read company_users
    /// (company_id, id, status) and call members_wanted().
    void must_be_member(const std::string& field, const std::string& user);

    /// The request's transaction, in the scope of the token's company; begun at first use, committed after a 2xx answer.
    pg::Tx& tx();
    /// The same, in another company's scope: for who creates one. Before the first tx().
    pg::Tx& tx_as(const CompanyId&);

    /// {"success":true,"data":…,"meta":{request_id,timestamp}}
    http::Response ok(std::string data_json, int status = 200) const;
    /// A row as its GET shows it. `query` is of company, id and `more`.
    http::Response row(const std::string& id, const pg::Query& query, Show, int status = 200, pg::Params more = {});
    /// The end of a command that changed a row: its line in audit_log, what dashboards are told of it (RowChanged, with the row's
    /// `version`), and the row as its GET shows it.
    http::Response changed(const Action&, const pg::Query& query, Show, int status = 200, pg::Params more = {});
    /// What a person did stands in audit_log, in the transaction that does it: who, from where, what, to what, the names of the
    /// fields that were given, and what was another value before. One line a request: a command that ends with `changed` has it,
    /// and for one that says nothing Api does. For services whose role may insert there.
    void audit(std::string_view action, const std::string& target, const std::vector<std::string>& fields = {},
               rt::Changes changes = {});
    /// The same with a detail of its own: an object that is still open.
    void audit(std::string_view action, const std::string& target, JsonWriter detail, rt::Changes changes = {});
    /// Its line is there already.
    bool on_record() const { return on_record_; }

    /// `service`: as what it publishes. What only `reads` ends after kReadsLast, and when its client goes.
    Context(const http::Request& r, const identity::Principal& w, pg::Pool& pool, std::string_view service = {},
            bool reads = false)
        : request(r), who(w), pool_(pool), service_(service), reads_(reads) {}

private:
    friend class Api;
    friend class Answers;
    /// The row's version.
    std::int64_t write_row(JsonWriter&, const std::string& id, const pg::Query&, Show, pg::Params more);
    /// The line of a command that has said nothing: that it was answered, and if its end was `row`, that nothing was to be
    /// changed.
    void audit_unsaid(std::string_view action);
    pg::Pool& pool_;
    const std::string service_;
    const bool reads_;
    CompanyId scope_;  ///< of tx_
    bool on_record_ = false;
    std::optional<std::string> shown_;  ///< the row that `row` ended with
    std::unique_ptr<pg::Tx> tx_;
};

}  // namespace otto::api
