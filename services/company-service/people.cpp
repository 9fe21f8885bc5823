#include "people.hpp"

#include <algorithm>
#include <chrono>

#include "api/inputs.hpp"
#include "api/resources.hpp"
#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "identity/token.hpp"
#include "number_list.hpp"
#include "telemetry/log.hpp"
#include "words.hpp"

namespace otto::company_service {
namespace {

using namespace std::chrono_literals;
namespace clerk = providers::clerk;
using clerk::ApiError;

const tel::SharedGauges kWithoutManager{
    "otto_companies_without_manager", "Active companies that have no active manager: nobody can invite or change anybody there."};

constexpr std::size_t kLongestAddress = 320;
/// For so long what Clerk did not do is asked for again; then it is as if nobody had asked.
constexpr auto kWantedFor = 10min;

http::ClientOptions once(const app::Settings& s, Millis within) {
    auto o = hasty(s);
    o.connect_timeout = std::min(o.connect_timeout, within);
    o.total_timeout = within;
    o.metrics_name = "clerk";
    return o;
}

struct Count {
    std::int64_t n;
    static Count from(const pg::Fields& f) { return {f.integer("n")}; }
};
struct Since {
    std::string since;
    static Since from(const pg::Fields& f) { return {f.text("since")}; }
};
struct Known {
    std::string id, status;
    std::optional<std::string> role;
    static Known from(const pg::Fields& f) { return {f.text("id"), f.text("status"), f.maybe_text("role")}; }
};

[[noreturn]] void refuse_for_now(std::string title, std::string detail, std::optional<Millis> after = {}) {
    auto seconds = std::chrono::ceil<std::chrono::seconds>(after.value_or(5s)).count();
    throw api::Refusal{{503, std::move(title), std::move(detail), {}},
                       static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 600))};
}

/// What keeps Clerk from doing anything for anybody.
void refuse_if_away(const ApiError& error, const std::string& nothing_done) {
    using Kind = ApiError::Kind;
    if (error.kind == Kind::unsent || error.kind == Kind::busy)
        refuse_for_now("Identity provider unavailable", error.why + ". " + nothing_done + " Send the same again.", error.after);
    if (error.kind == Kind::not_let_in)
        api::refuse(502, "Identity provider refuses",
                    "Clerk does not let this Otto in (" + error.why + "). " + nothing_done + " Tell whoever runs this Otto.");
}

std::string people_route(const std::string& id) { return "/api/v1/users/" + id; }

/// As Clerk keeps them: in small letters. 422 for what can be nobody's address.
std::string address_of(const api::Inputs& in) {
    auto address = lower(in.required("email", kLongestAddress));
    auto at = address.find('@');
    auto plain = [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '<' && c != '>' && c != ',' && c != ';'; };
    auto domain = at == std::string::npos ? std::string() : address.substr(at + 1);
    auto dot = domain.find('.');
    if (at == 0 || domain.find('@') != std::string::npos || dot == std::string::npos || dot == 0 || domain.back() == '.' ||
        domain.find("..") != std::string::npos || !std::all_of(address.begin(), address.end(), plain))
        api::refuse_field("email", "is no e-mail address; write it as maria@example.com");
    return address;
}

[[noreturn]] void no_role(const std::string& role) {
    api::refuse(409, "Role unknown to the identity provider",
                "Clerk has no role " + MemberBook::clerk_role(role) +
                    ", so nothing was changed. Have it made in Clerk's dashboard (Organizations, Roles) with the key " +
                    MemberBook::clerk_role(role) + ", then send the same again.",
                {{"role", "is none of the identity provider's"}});
}

}  // namespace

/// A row of company_users.
struct People::Person {
    std::string id, status;
    std::optional<std::string> email, role, to_role, to_status, asked_by;
    std::string since;  ///< of what is asked, as the row has it; "": nothing is
    std::optional<Instant> asked_at;
    std::int64_t clerk_updated_at;
    bool asking;  ///< a request waits for Clerk
    bool changing() const { return !since.empty(); }
    bool manages() const { return status == "active" && role == "manager"; }
    static Person from(const pg::Fields& f) {
        return {f.text("id"),
                f.text("status"),
                f.maybe_text("email"),
                f.maybe_text("role"),
                f.maybe_text("to_role"),
                f.maybe_text("to_status"),
                f.maybe_text("asked_by"),
                f.maybe_text("since").value_or(""),
                f.time("asked_at"),
                f.maybe_integer("clerk_updated_at").value_or(0),
                f.boolean("asking")};
    }
};

/// What a command says that somebody should be.
struct People::Wish {
    std::string_view action;  ///< as it goes on record
    std::string id;
    std::optional<std::string> role, status;
    std::vector<std::string> fields;
};

/// What Clerk is asked for somebody.
struct People::Asked {
    Person person;
    std::optional<std::string> role;  ///< that he is to have
    bool leaves = false;
    std::string by;
    bool invited() const { return person.status == "invited"; }
    bool returns() const { return person.status == "removed"; }
    bool satisfied_by(const Found& found) const {
        if (const auto* i = std::get_if<clerk::Invitation>(&found))
            return leaves && i->status != "pending" && i->status != "accepted";
        if (const auto* m = std::get_if<clerk::Member>(&found)) {
            auto has = identity::role_from(m->role);
            return !leaves && (!role || (has && identity::to_text(*has) == *role));
        }
        return leaves && std::holds_alternative<Gone>(found);
    }
};

/// A row of invitations_asked.
struct People::Invited {
    std::string email, role, by;
    std::optional<std::string> name;
    Instant asked_at;
    bool asking;
    static Invited from(const pg::Fields& f) {
        return {f.text("email"),      f.text("role"),      f.text("asked_by"),
                f.maybe_text("name"), *f.time("asked_at"), f.boolean("asking")};
    }
};

rt::Changes People::changes_of(const Asked& a) {
    return rt::Changes()
        .add("role", a.person.role, a.role ? a.role : a.person.role)
        .add("status", a.person.status, a.leaves ? "removed" : "active");
}

People::People(const app::Settings& s, pg::Pool& pool, Millis patience)
    : pool_(pool), asking_for_(3 * patience), http_(once(s, patience)), clerk_(s.get(kClerkApi), s.get(kClerkSecretKey), http_) {}

void People::count(pg::Connection& db, tel::Shares& gauges) {
    auto tx = db.begin(pg::Scope::none());
    gauges.set(kWithoutManager, {}, static_cast<double>(tx.one<Count>(sql::without_manager, {}).n));
    tx.commit();
}

http::Response People::shown(api::Context& c, const std::string& id, int status) const {
    return c.row(id, sql::user, resources::user_value, status);
}

http::Response People::change(api::Context& c) const {
    auto in = api::Inputs::change(
        c.request, {.lasting = {"role", "status"},
                    .fixed = {{{"email", "name"}, "is the person's own to change, in the account at the identity provider"},
                              {{"id"}, "stays what it is"}}});
    return carry_out(c, {"user.change", std::string(c.request.param("id")), in.one_of("role", words::user_role),
                         in.one_of("status", words::user_status_change), in.changed()});
}

http::Response People::remove(api::Context& c) const {
    api::Inputs::of(c.request, {});
    return carry_out(c, {"user.remove", std::string(c.request.param("id")), {}, "removed", {"status"}});
}

http::Response People::carry_out(api::Context& c, const Wish& wish) const {
    if (wish.id == c.who.user.value())
        api::refuse(409, "Nobody changes himself", "Nobody changes the own role or status. Ask another manager of your company.",
                    {{wish.role ? "role" : "status", "is your own"}});
    auto asked = note(c, wish);
    if (!asked) return shown(c, wish.id);
    auto found = ask(*asked, c.company(), c.request.trace);
    if (const auto* error = std::get_if<ApiError>(&found);
        error && (error->in_doubt() || error->kind == ApiError::Kind::already)) {
        // What came of it only Clerk knows.
        auto now = look(*asked, c.company(), c.request.trace);
        if (asked->satisfied_by(now)) found = std::move(now);
    }
    if (const auto* error = std::get_if<ApiError>(&found)) refuse(c, *asked, *error);
    if (const auto* i = std::get_if<clerk::Invitation>(&found); i && i->status == "accepted") {
        forget(c.company(), *asked);
        api::refuse(409, "Accepted meanwhile",
                    "The invitation has just been accepted. Look again (GET /api/v1/users) and remove the person by the new id.");
    }
    auto& tx = c.tx();
    take(tx, c.company(), asked->person, found);
    tx.write(sql::asked_no_more, {c.company(), wish.id, asked->person.since});
    rt::unwant(tx, kPeopleChanges, c.company(), wish.id);
    c.audit(wish.action, wish.id, wish.fields, changes_of(*asked));
    return shown(c, wish.id);
}

/// Commits what Clerk is about to be asked; nullopt: all is as wished.
std::optional<People::Asked> People::note(api::Context& c, const Wish& wish) const {
    const auto& company = c.company();
    auto tx = pool_.begin(pg::Scope::company(company));
    tx.each(sql::hold_people, {company}, [](const pg::Fields&) {});
    auto person = tx.maybe<Person>(sql::person, {company, wish.id, static_cast<std::int64_t>(asking_for_.count())});
    if (!person) api::not_found("user");
    if (person->asking || (person->changing() && (person->to_role != wish.role || person->to_status != wish.status)))
        refuse_for_now(
            "Being changed",
            "The identity provider is being asked to change this person already. Look in a moment what came of it: GET "
            "/api/v1/users.");
    const bool leaves = wish.status == "removed";
    if (person->status == "invited" && !leaves)
        api::refuse(
            409, "Only invited",
            "Who is only invited has the role of the invitation and becomes active by accepting it. Revoke the invitation "
            "(DELETE " +
                people_route(wish.id) + ") and invite anew: POST /api/v1/users/invite.",
            {{wish.role ? "role" : "status", "cannot be changed while the person is only invited"}});
    if (person->status == "removed" && leaves) return std::nullopt;
    if (person->status == "removed" && wish.status != "active")
        api::refuse(409, "Removed", "This person was removed. To have the person back send status active with the role.",
                    {{"role", "is of a person who was removed"}});
    auto role = wish.role ? wish.role : person->role;
    if (!leaves && !role) api::refuse_field("role", "is missing: the person has none that Otto knows");
    if (!leaves && !person->changing() && person->status == "active" && role == person->role) return std::nullopt;
    if (person->manages() && (leaves || role != "manager") && tx.one<Count>(sql::other_managers, {company, wish.id}).n == 0)
        throw api::Refusal{{409,
                            "Last manager",
                            "This is the last active manager of your company, who can be neither removed nor given another role. "
                            "Make somebody else a manager first: PATCH /api/v1/users/{id}.",
                            {{wish.role && !leaves ? "role" : "status", "is the last manager's"}},
                            "/problems/last-manager"}};
    person->since = tx.one<Since>(sql::ask_of_person, {company, wish.id, wish.role, wish.status, c.who.user}).since;
    rt::want(tx, kPeopleChanges, company, wish.id, system_clock().now() + asking_for_);
    tx.commit();
    return Asked{std::move(*person), leaves ? std::nullopt : role, leaves, c.who.user.value()};
}

People::Found People::ask(const Asked& a, const CompanyId& company, const tel::TraceContext& trace) const {
    auto found = [](auto reply) -> Found {
        return std::visit([](auto&& value) -> Found { return std::forward<decltype(value)>(value); }, std::move(reply));
    };
    const auto& id = a.person.id;
    if (a.leaves && a.invited()) {
        auto reply = clerk_.revoke(company.value(), id, a.by, trace);
        // Not pending any more, or gone: what it is instead says more than that.
        if (const auto* error = std::get_if<ApiError>(&reply);
            error && (error->kind == ApiError::Kind::refused || error->kind == ApiError::Kind::not_found))
            return look(a, company, trace);
        return found(std::move(reply));
    }
    if (a.leaves) {
        auto reply = clerk_.remove_member(company.value(), id, trace);
        if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
        const auto& former = std::get<0>(reply);
        return Gone{former ? former->updated_at : 0};
    }
    if (a.returns()) return found(clerk_.add_member(company.value(), id, MemberBook::clerk_role(*a.role), trace));
    return found(clerk_.set_role(company.value(), id, MemberBook::clerk_role(*a.role), trace));
}

People::Found People::look(const Asked& a, const CompanyId& company, const tel::TraceContext& trace) const {
    if (a.invited()) {
        auto reply = clerk_.invitation(company.value(), a.person.id, trace);
        if (auto* error = std::get_if<ApiError>(&reply)) {
            if (error->kind == ApiError::Kind::not_found) return Gone{};
            return std::move(*error);
        }
        return std::get<clerk::Invitation>(std::move(reply));
    }
    auto reply = clerk_.membership(company.value(), a.person.id, trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    auto& member = std::get<0>(reply);
    if (!member) return Gone{};
    return std::move(*member);
}

void People::refuse(const api::Context& c, const Asked& a, const ApiError& error) const {
    using Kind = ApiError::Kind;
    tel::warn("Clerk did not change a person",
              {{"company_id", c.company().value()}, {"user_id", a.person.id}, {"why", error.why}});
    if (error.in_doubt())
        refuse_for_now(
            "Not known yet whether it was changed",
            error.why +
                ". Whether the person was changed is found out within a minute, and done if it was not; until then GET "
                "/api/v1/users shows what is asked as changing. Send the same again to learn what came of it.",
            asking_for_);
    forget(c.company(), a);
    refuse_if_away(error, "Nothing was changed.");
    if (error.kind == Kind::no_role) no_role(*a.role);
    if (error.kind == Kind::not_found)
        api::refuse(409, "Unknown to the identity provider",
                    "Clerk knows no such member of your company any more, so nothing was changed. Look again in a moment: GET "
                    "/api/v1/users.");
    api::refuse(409, "Refused by the identity provider", error.why + ". Nothing was changed.");
}

void People::forget(const CompanyId& company, const Asked& a) const {
    auto tx = pool_.begin(pg::Scope::company(company));
    tx.write(sql::asked_no_more, {company, a.person.id, a.person.since});
    rt::unwant(tx, kPeopleChanges, company, a.person.id);
    tx.write(sql::look_at_members, {company});  // Clerk has it otherwise than the row, or soon will
    tx.commit();
}

std::optional<Instant> People::next(rt::Lease& lease) const {
    const auto patience = static_cast<std::int64_t>(asking_for_.count());
    if (lease.key.find('@') != std::string::npos) {
        auto invited = lease.read([&](pg::Tx& tx) {
            return tx.maybe<Invited>(sql::invitation_asked, {lease.company, lease.key, patience});
        });
        if (!invited) return lease.settle([](pg::Tx&) { return std::nullopt; });
        return next_invitation(lease, *invited);
    }
    auto person = lease.read([&](pg::Tx& tx) { return tx.maybe<Person>(sql::person, {lease.company, lease.key, patience}); });
    if (!person || !person->changing()) return lease.settle([](pg::Tx&) { return std::nullopt; });
    if (person->asking) return lease.settle([&](pg::Tx&) { return *person->asked_at + asking_for_; });
    const auto trace = tel::TraceContext::fresh();
    const bool leaves = person->to_status == "removed";
    const Asked a{*person,
                  leaves            ? std::nullopt
                  : person->to_role ? person->to_role
                                    : person->role,
                  leaves, person->asked_by.value_or("")};
    auto found = look(a, lease.company, trace);
    if (const auto* error = std::get_if<ApiError>(&found)) return lease.again(kUntilClerkAnswers, error->why);
    if (!a.satisfied_by(found) && lease.now - *person->asked_at < kWantedFor) {
        auto done = ask(a, lease.company, trace);
        const auto* error = std::get_if<ApiError>(&done);
        using Kind = ApiError::Kind;
        if (error && (error->in_doubt() || error->kind == Kind::unsent || error->kind == Kind::busy))
            return lease.again(kUntilClerkAnswers, error->why);
        if (error)
            tel::warn("Clerk did not change a person",
                      {{"company_id", lease.company.value()}, {"user_id", lease.key}, {"why", error->why}});
        else
            found = std::move(done);
    }
    return lease.settle([&](pg::Tx& tx) -> std::optional<Instant> {
        take(tx, lease.company, *person, found);
        tx.write(sql::asked_no_more, {lease.company, lease.key, person->since});
        if (a.satisfied_by(found))
            rt::put_on_record(tx, lease.company,
                              {.actor = rt::Actor::user,
                               .user = a.by,
                               .action = leaves ? "user.remove" : "user.change",
                               .target = lease.key,
                               .changes = changes_of(a)});
        return std::nullopt;
    });
}

void People::take(pg::Tx& tx, const CompanyId& company, const Person& person, const Found& found) {
    if (const auto* i = std::get_if<clerk::Invitation>(&found)) {
        if (i->status != "pending") MemberBook::invitation_over(tx, company, i->id, i->status != "accepted");
    } else if (const auto* m = std::get_if<clerk::Member>(&found)) {
        MemberBook::take(tx, company, MemberFact{UserId{m->user}, m->role, m->email, m->name, false, m->updated_at});
    } else if (const auto* gone = std::get_if<Gone>(&found)) {
        if (person.status == "invited")
            MemberBook::invitation_over(tx, company, person.id, true);
        else
            MemberBook::take(
                tx, company,
                MemberFact{UserId{person.id}, {}, {}, {}, true, std::max(gone->updated_at, person.clerk_updated_at)});
    }
}

/// False: it is over already, or who is invited is a member by now.
bool People::take_invitation(pg::Tx& tx, const CompanyId& company, const Invited& asked, const clerk::Invitation& invitation) {
    MemberBook::invited(tx, company, {invitation.id, asked.email, invitation.role, asked.name, invitation.updated_at});
    auto known = tx.maybe<Known>(sql::person_of_address, {company, asked.email});
    return known && known->id == invitation.id;
}

http::Response People::invite(api::Context& c) const {
    auto in = api::Inputs::of(c.request, {"email", "role", "name"});
    const auto email = address_of(in);
    auto role = in.one_of("role", words::user_role);
    if (!role) api::refuse_field("role", "is missing: csr, sales_rep, manager or executive");
    auto name = in.text("name", 200);
    const auto& company = c.company();
    std::optional<Known> known;
    std::optional<Invited> asked;
    {
        auto tx = pool_.begin(pg::Scope::company(company));
        known = tx.maybe<Known>(sql::person_of_address, {company, email});
        if (!known) {
            asked = tx.maybe<Invited>(sql::ask_invitation,
                                      {company, email, *role, name, c.who.user, static_cast<std::int64_t>(asking_for_.count())});
            if (asked) rt::want(tx, kPeopleChanges, company, email, system_clock().now() + asking_for_);
        }
        tx.commit();
    }
    if (known && known->status == "active")
        api::refuse(409, "Works here already",
                    "A person with this address works in your company already. To change the role: PATCH " +
                        people_route(known->id) + ".",
                    {{"email", "is that of one of your people"}});
    if (known && known->role != role)
        api::refuse(409, "Invited already",
                    "This address is invited with another role (" + known->role.value_or("none") +
                        "). Revoke that invitation first: DELETE " + people_route(known->id) + ".",
                    {{"role", "is not that of the invitation"}});
    if (known) return shown(c, known->id);
    if (!asked) refuse_for_now("Being invited", "Another request of your company invites this address. Send the same again.");
    auto reply = clerk_.invite(company.value(), email, MemberBook::clerk_role(*role), c.who.user.value(), c.request.trace);
    if (const auto* error = std::get_if<ApiError>(&reply);
        error && (error->in_doubt() || error->kind == ApiError::Kind::already)) {
        auto pending = clerk_.pending_invitation(company.value(), email, c.request.trace);
        if (auto* there = std::get_if<std::optional<clerk::Invitation>>(&pending); there && *there) reply = std::move(**there);
    }
    if (const auto* error = std::get_if<ApiError>(&reply)) refuse(c, *asked, *error);
    auto& tx = c.tx();
    const auto id = std::get<clerk::Invitation>(reply).id;
    if (!take_invitation(tx, company, *asked, std::get<clerk::Invitation>(reply)))
        refuse(c, *asked, {0, "Clerk has the invitation, and it is over", ApiError::Kind::already});
    tx.write(sql::invitation_settled, {company, email, asked->asked_at});
    rt::unwant(tx, kPeopleChanges, company, email);
    std::vector<std::string> fields{"email", "role"};
    if (name) fields.emplace_back("name");
    c.audit("user.invite", id, fields);
    return shown(c, id, 201);
}

void People::refuse(const api::Context& c, const Invited& i, const ApiError& error) const {
    using Kind = ApiError::Kind;
    tel::warn("Clerk did not invite a person", {{"company_id", c.company().value()}, {"why", error.why}});
    if (error.in_doubt())
        refuse_for_now("Not known yet whether it was sent",
                       error.why +
                           ". Whether the person was invited is found out within a minute, and done if it was not. Send the same "
                           "again: it tells what came of it, and invites nobody twice.",
                       asking_for_);
    {
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        tx.write(sql::invitation_settled, {c.company(), i.email, i.asked_at});
        rt::unwant(tx, kPeopleChanges, c.company(), i.email);
        if (error.kind == Kind::already) tx.write(sql::look_at_members, {c.company()});
        tx.commit();
    }
    refuse_if_away(error, "Nobody was invited.");
    if (error.kind == Kind::no_role) no_role(i.role);
    if (error.kind == Kind::already)
        api::refuse(
            409, "Works here already",
            "A person with this address is a member at the identity provider already, and shows in GET /api/v1/users in a "
            "moment.",
            {{"email", "is that of one of your people"}});
    if (error.kind == Kind::not_found)
        api::refuse(
            409, "No organisation",
            "Clerk has no organisation of your company, so nobody was invited (" + error.why + "). Tell whoever runs this Otto.");
    api::refuse(409, "Refused by the identity provider", error.why + ". Nobody was invited.",
                {{"email", "is refused by the identity provider"}});
}

std::optional<Instant> People::next_invitation(rt::Lease& lease, const Invited& asked) const {
    if (asked.asking) return lease.settle([&](pg::Tx&) { return asked.asked_at + asking_for_; });
    const auto trace = tel::TraceContext::fresh();
    auto pending = clerk_.pending_invitation(lease.company.value(), asked.email, trace);
    if (const auto* error = std::get_if<ApiError>(&pending); error && error->kind != ApiError::Kind::not_found)
        return lease.again(kUntilClerkAnswers, error->why);
    std::optional<clerk::Invitation> there;
    if (auto* found = std::get_if<std::optional<clerk::Invitation>>(&pending)) there = std::move(*found);
    if (!there && lease.now - asked.asked_at < kWantedFor) {
        auto made = clerk_.invite(lease.company.value(), asked.email, MemberBook::clerk_role(asked.role), asked.by, trace);
        using Kind = ApiError::Kind;
        if (const auto* error = std::get_if<ApiError>(&made)) {
            if (error->in_doubt() || error->kind == Kind::unsent || error->kind == Kind::busy)
                return lease.again(kUntilClerkAnswers, error->why);
            tel::warn("Clerk did not invite a person", {{"company_id", lease.company.value()}, {"why", error->why}});
        } else {
            there = std::get<clerk::Invitation>(std::move(made));
        }
    }
    return lease.settle([&](pg::Tx& tx) -> std::optional<Instant> {
        if (there && take_invitation(tx, lease.company, asked, *there))
            rt::put_on_record(tx, lease.company,
                              {.actor = rt::Actor::user, .user = asked.by, .action = "user.invite", .target = there->id});
        tx.write(sql::invitation_settled, {lease.company, asked.email, asked.asked_at});
        tx.write(sql::look_at_members, {lease.company});
        return std::nullopt;
    });
}

}  // namespace otto::company_service
