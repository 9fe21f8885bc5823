#include "api/context.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/json.hpp"
#include "events/changes.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"
#include "telemetry/log.hpp"

namespace otto::api {
namespace {

constexpr pg::Query kMembersWanted{"api.members_wanted", "SELECT members_wanted($1) AS pending"};
constexpr pg::Query kNow{"api.now", "SELECT now() AS now"};
constexpr std::chrono::seconds kJoiningTakes{4};  // for as long the identity provider is waited for
constexpr pg::Query kMember{"api.member",
                            "SELECT id FROM company_users WHERE company_id = $1 AND id = $2 AND status <> 'removed'"};

}  // namespace

const CompanyId& Context::company() const {
    if (!who.company)
        refuse(403, "No company", "This token belongs to no organisation; sign in to one, or create a company first.");
    return *who.company;
}

Viewer Context::viewer() const { return {company(), who.user.value(), who.role == identity::Role::sales_rep}; }

Uuid Context::id(std::string_view name, const char* what) const {
    auto id = Uuid::parse(request.param(name));
    if (!id) not_found(what);
    return *id;
}

CallId Context::call_id() const {
    auto text = request.param("call_id");
    bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (text.empty() || text.size() > 16 || !digits) not_found("call");
    return CallId{std::stoll(std::string(text))};
}

void Context::must_be_member(const std::string& field, const std::string& user) {
    if (user == who.user.value()) return;
    auto known = [&] {
        bool found = false;
        tx().each(kMember, {company(), user}, [&](const pg::Fields&) { found = true; });
        return found;
    };
    if (known()) return;
    // Who has just joined is not on record yet. What is wanted of Clerk must be committed for company-service to see it, so in a
    // transaction of its own.
    Instant since{};
    tx().each(kNow, {}, [&](const pg::Fields& f) { since = *f.time("now"); });
    const auto until = std::chrono::steady_clock::now() + kJoiningTakes;
    for (bool pending = true; pending && std::chrono::steady_clock::now() < until;) {
        auto wanting = pool_.begin(pg::Scope::company(company()));
        wanting.each(kMembersWanted, {since}, [&](const pg::Fields& f) { pending = f.boolean("pending"); });
        wanting.commit();
        if (known()) return;
        if (pending) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    refuse_field(field, "is nobody of this company; GET /api/v1/users lists its people");
}

pg::Tx& Context::tx() { return tx_as(company()); }

pg::Tx& Context::tx_as(const CompanyId& company) {
    if (tx_) return *tx_;
    tx_ = std::make_unique<pg::Tx>(pool_.begin(pg::Scope::company(company), {reads_ ? kReadsLast : Millis{0}}));
    scope_ = company;
    if (reads_ && request.asker) request.asker->when_gone([statement = tx_->canceller()] { statement.cancel(); });
    return *tx_;
}

http::Response Context::ok(std::string data_json, int status) const {
    JsonWriter w;
    w.begin_object().member("success", true).key("data").raw(data_json).key("meta").begin_object();
    w.member("request_id", request.request_id).member("timestamp", to_rfc3339(system_clock().now())).end_object().end_object();
    return http::Response::json(status, w.take());
}

std::int64_t Context::write_row(JsonWriter& w, const std::string& id, const pg::Query& query, Show show, pg::Params more) {
    pg::Params params{company(), id};
    params.insert(params.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    std::optional<std::int64_t> version;
    tx().each(query, std::move(params), [&](const pg::Fields& f) {
        show(w, f, viewer(), Texts::whole);
        version = f.integer("version");
    });
    if (!version) throw std::logic_error(std::string(query.name) + " does not find the row that its own command worked on");
    return *version;
}

http::Response Context::row(const std::string& id, const pg::Query& query, Show show, int status, pg::Params more) {
    JsonWriter w;
    write_row(w, id, query, show, std::move(more));
    shown_ = id;
    return ok(w.take(), status);
}

http::Response Context::changed(const Action& action, const pg::Query& query, Show show, int status, pg::Params more) {
    audit(action.name, action.id, action.fields, action.changes);
    JsonWriter w;
    auto version = write_row(w, action.id, query, show, std::move(more));
    if (service_.empty()) throw std::logic_error("a command of no service tells of a row that changed");
    rt::Emitter<changes::v1::RowChanged> emitter(service_);
    emitter.emit(tx(), events::row_changed(company(), action.kind, action.id, version), request.trace);
    tel::info("a person changed a row", {{"kind", action.kind},
                                         {"id", action.id},
                                         {"action", action.name},
                                         {"company_id", company().value()},
                                         {"user_id", who.user.value()}});
    return ok(w.take(), status);
}

void Context::audit(std::string_view action, const std::string& target, const std::vector<std::string>& fields,
                    rt::Changes changes) {
    JsonWriter detail;
    detail.begin_object().key("fields").begin_array();
    for (const auto& f : fields) detail.value(f);
    detail.end_array();
    audit(action, target, std::move(detail), std::move(changes));
}

void Context::audit(std::string_view action, const std::string& target, JsonWriter detail, rt::Changes changes) {
    if (on_record_) throw std::logic_error("a request leaves one line in audit_log; " + std::string(action) + " is its second");
    on_record_ = true;
    if (who.impersonated) detail.member("impersonated", true);
    const auto text = detail.end_object().take();
    auto& transaction = tx_ ? *tx_ : tx();
    rt::put_on_record(transaction, scope_,
                      {.actor = who.role == identity::Role::operator_ ? rt::Actor::operator_ : rt::Actor::user,
                       .user = who.user.value(),
                       .action = action,
                       .target = target,
                       .detail = text,
                       .changes = std::move(changes),
                       .client_address = request.client_address,
                       .request_id = request.request_id});
}

void Context::audit_unsaid(std::string_view action) {
    if (!tx_ && !who.company) return;  // of no company, and nothing was written
    JsonWriter detail;
    detail.begin_object();
    if (shown_) detail.member("unchanged", true);
    auto target = shown_                        ? *shown_
                  : request.path_params.empty() ? (tx_ ? scope_ : company()).value()
                                                : request.path_params.back().second;
    audit(action, target, std::move(detail));
}

}  // namespace otto::api
