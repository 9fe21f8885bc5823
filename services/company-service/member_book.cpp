#include "member_book.hpp"

#include "company-service/sql.hpp"
#include "identity/token.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

struct Untold {
    std::string company;
    std::int64_t changes;
    static Untold from(const pg::Fields& f) { return {f.text("company_id"), f.integer("changes")}; }
};

constexpr std::size_t kLongestWord = 200;

/// "csr removed" as its role and status; no row is neither.
struct Standing {
    std::optional<std::string> role, status;
    explicit Standing(std::string_view text) {
        if (text.empty()) return;
        auto space = text.find(' ');
        role = std::string(text.substr(0, space));
        status = space == std::string_view::npos ? "active" : std::string(text.substr(space + 1));
    }
};

}  // namespace

std::vector<MemberChange> MemberBook::take(pg::Tx& tx, const CompanyId& company, std::span<const MemberFact> facts) {
    std::vector<MemberChange> changes;
    if (facts.empty()) return changes;
    pg::Columns rows(8);
    for (const auto& fact : facts) {
        auto role = identity::role_from(fact.clerk_role);
        rows.row({fact.user, role ? pg::Param(std::string(identity::to_text(*role))) : pg::Param(nullptr),
                  role ? pg::Param(nullptr) : pg::Param(fact.clerk_role.substr(0, kLongestWord)), fact.email, fact.name,
                  fact.removed, fact.clerk_updated_at, fact.profile_at});
    }
    auto params = rows.params();
    // A statement of its own, so that the next one sees what others told before they let go.
    tx.each(sql::clerk_users_known, {params.front()}, [](const pg::Fields&) {});
    params.insert(params.begin(), pg::Param(company));
    tx.each(sql::take_members, std::move(params), [&](const pg::Fields& f) {
        changes.push_back({UserId{f.text("id")}, f.text("was"), f.text("is")});
    });
    return changes;
}

void MemberBook::founded(pg::Tx& tx, const CompanyId& company, const UserId& user) {
    take(tx, company, MemberFact{user, clerk_role("manager"), {}, {}, false, 0, 0});
}

void MemberBook::on_record(pg::Tx& tx, const CompanyId& company, std::span<const MemberChange> changes, rt::Actor actor) {
    for (const auto& change : changes) {
        const Standing was(change.was), is(change.is);
        const bool gone = is.status != "active", came = was.status != "active";
        if (gone && change.was.empty()) continue;  // who was never seen here
        rt::put_on_record(tx, company,
                          {.actor = actor,
                           .action = gone   ? "user.remove"
                                     : came ? "user.add"
                                            : "user.change",
                           .target = change.user.value(),
                           .changes = rt::Changes().add("role", was.role, is.role).add("status", was.status, is.status)});
    }
}

bool MemberBook::invited(pg::Tx& tx, const CompanyId& company, const InvitationFact& fact) {
    auto role = identity::role_from(fact.clerk_role);
    return tx.write_counted(sql::keep_invitation, {company, fact.id, fact.email, fact.name,
                                                   role ? pg::Param(std::string(identity::to_text(*role))) : pg::Param(nullptr),
                                                   role ? pg::Param(nullptr) : pg::Param(fact.clerk_role.substr(0, kLongestWord)),
                                                   fact.clerk_updated_at}) > 0;
}

bool MemberBook::invitation_over(pg::Tx& tx, const CompanyId& company, const std::string& id, bool revoked) {
    tx.write(sql::note_tombstone, {"invitation", id});
    return tx.write_counted(revoked ? sql::revoke_invitation : sql::drop_invitation, {company, id}) > 0;
}

std::string MemberBook::clerk_role(std::string_view role) { return role == "manager" ? "org:admin" : "org:" + std::string(role); }

void MemberPublisher::publish_one(pg::Connection& db, const CompanyId& company, std::int64_t changes) const {
    auto tx = db.begin(pg::Scope::company(company));
    std::vector<members::v1::Member> told;
    tx.each(sql::tell_members, {company}, [&](const pg::Fields& f) {
        if (f.text("status") == "invited") return;  // no member yet: there is no token to refuse
        members::v1::Member m;
        m.set_company_id(company.value());
        m.set_user_id(f.text("id"));
        m.set_status(f.text("status") == "removed" ? members::v1::STATUS_REMOVED : members::v1::STATUS_ACTIVE);
        m.set_role(f.text("role"));
        m.set_role_unknown(f.text("role_unknown"));
        m.set_version(f.integer("version"));
        if (auto at = f.time("removed_at")) m.set_removed_at_us(to_micros(*at));
        m.set_changed_at_us(to_micros(*f.time("changed_at")));
        told.push_back(std::move(m));
    });
    for (const auto& m : told) emitter_.emit(tx, m, tel::TraceContext::fresh());
    tx.write(sql::told, {company, changes});
    tx.commit();
}

void MemberPublisher::publish(pg::Connection& db) const {
    while (true) {
        std::vector<Untold> untold;
        {
            auto tx = db.begin(pg::Scope::none());
            untold = tx.many<Untold>(sql::untold_companies);
            tx.commit();
        }
        for (const auto& [company, changes] : untold) publish_one(db, CompanyId{company}, changes);
        if (untold.size() < 500) return;
    }
}

void MemberPublisher::reconcile(pg::Connection& db) const {
    if (published_->caught_up() && published_->kafka_answers()) reconcile(db, *published_);
}

void MemberPublisher::reconcile(pg::Connection& db, const identity::Members& topic) {
    std::vector<CompanyId> differing;
    {
        const auto there = topic.sums();
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::member_sums, {}, [&](const pg::Fields& f) {
            auto found = there.find(f.text("company_id"));
            const identity::Members::Sum rows{f.integer("members"), f.integer("versions")};
            if (found == there.end() || found->second != rows) differing.emplace_back(f.text("company_id"));
        });
        tx.commit();
    }
    for (const auto& company : differing) {
        auto tx = db.begin(pg::Scope::company(company));
        pg::Columns otherwise(2);
        tx.each(sql::told_members, {company}, [&](const pg::Fields& f) {
            auto there = topic.version_of(company.value(), f.text("id"));
            if (there != f.integer("version")) otherwise.row({f.text("id"), there});
        });
        if (otherwise.rows() == 0) continue;
        auto params = otherwise.params();
        params.insert(params.begin(), pg::Param(company));
        tx.write(sql::tell_members_again, std::move(params));
        tx.each(sql::look_at_members, {company}, [](const pg::Fields&) {});
        tx.commit();
        tel::warn("otto.members has members otherwise than the tables, and they are told again",
                  {{"company_id", company.value()}, {"members", otherwise.rows()}});
    }
}

}  // namespace otto::company_service
