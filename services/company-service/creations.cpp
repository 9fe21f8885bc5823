#include "creations.hpp"

#include <algorithm>
#include <chrono>

#include "api/inputs.hpp"
#include "base/json.hpp"
#include "commands.hpp"
#include "company-service/sql.hpp"
#include "member_book.hpp"
#include "people.hpp"
#include "runtime/audit.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

using namespace std::chrono_literals;
namespace clerk = providers::clerk;

struct Name {
    std::string name;
    static Name from(const pg::Fields& f) { return {f.text("name")}; }
};
struct Truth {
    bool good;
    static Truth from(const pg::Fields& f) { return {f.boolean("good")}; }
};
struct Tries {
    std::int64_t n, seconds_left;
    static Tries from(const pg::Fields& f) { return {f.integer("n"), f.integer("seconds_left")}; }
};
struct Finished {
    std::string company_id, name;
    static Finished from(const pg::Fields& f) { return {f.text("company_id"), f.text("name")}; }
};
struct Founder {
    std::string id;
    static Founder from(const pg::Fields& f) { return {f.text("id")}; }
};

/// In the place of an organisation's id: one was asked for, and its id is not known (yet).
const std::string kAskedFor = "?";
/// By so much Clerk's clock may be behind ours.
constexpr Millis kClocksDiffer{60'000};
/// After that no request is at it any more.
constexpr auto kRequestOver = 30s;
/// What Clerk does not list so long after it was asked for was never made.
constexpr auto kListedBy = 10min;
/// A founder's membership is looked for once Clerk has had the time to make it.
constexpr auto kMemberBy = 20s;

[[noreturn]] void refuse_existing() {
    api::refuse(409, "Company exists", "This organisation has its company already; change it with PUT /api/v1/company/{id}.",
                {{"company", "exists already"}});
}

}  // namespace

/// A row of unused_organisations.
struct Creations::Left {
    std::string organisation;
    std::optional<Asked> asked;  ///< none: the request was refused, and nobody waits for a company
    Instant at;
    static Left from(const pg::Fields& f) {
        return {f.text("organisation_id"), Asked::read(f.maybe_text("asked")), *f.time("at")};
    }
};

std::vector<std::string> Creations::Asked::number_fields() const {
    std::vector<std::string> out;
    if (phone_number) out.emplace_back("phone_number");
    if (primary_tracking_number) out.emplace_back("primary_tracking_number");
    return out;
}

std::string Creations::Asked::json() const {
    JsonWriter w;
    w.begin_object().member("name", name);
    for (const auto& [field, value] :
         {std::pair{"phone_number", &phone_number}, std::pair{"primary_tracking_number", &primary_tracking_number},
          std::pair{"address", &address}, std::pair{"timezone", &timezone}})
        if (*value) w.member(field, **value);
    return w.end_object().take();
}

std::optional<Creations::Asked> Creations::Asked::read(const std::optional<std::string>& json) {
    if (!json) return std::nullopt;
    auto parsed = JsonDocument::parse(*json).value();
    const auto of = [&](const char* field) -> std::optional<std::string> {
        auto text = parsed.root()[field].string();
        return text ? std::optional(std::string(*text)) : std::nullopt;
    };
    return Asked{of("name").value_or(""), of("phone_number"), of("primary_tracking_number"), of("address"), of("timezone")};
}

Creations::Creations(const app::Settings& s, const clerk::Client& at_clerk, pg::Pool& pool, const Numbers& numbers)
    : clerk_(at_clerk), pool_(pool), numbers_(numbers), companies_an_hour_(s.get(kCompaniesAnHour)) {}

// -- a request

http::Response Creations::create(api::Context& c) const {
    if (c.who.company && c.who.role != identity::Role::manager)
        api::refuse(403, "Not allowed", "Only a manager may create the organisation's company.");
    auto in = api::Inputs::of(c.request, {"name", "phone_number", "primary_tracking_number", "address", "timezone"});
    const Asked asked{in.required("name", 200), in.phone("phone_number"), in.phone("primary_tracking_number"), in.text("address"),
                      in.text("timezone", 100)};
    if (c.who.company)
        numbers_.consult(c, *c.who.company, {asked.phone_number.value_or(""), asked.primary_tracking_number.value_or("")});
    // What can be known to fail fails before an organisation is made for it.
    {
        auto tx = pool_.begin(c.who.company ? pg::Scope::company(*c.who.company) : pg::Scope::none());
        if (asked.timezone && !tx.one<Truth>(sql::is_time_zone, {*asked.timezone}).good)
            api::refuse_field("timezone", kNoTimezone);
        if (c.who.company && tx.maybe<Name>(sql::company_exists, {*c.who.company})) refuse_existing();
        if (c.who.company && tx.value<std::string>(sql::organisation_is_over, {*c.who.company}))
            api::refuse(
                409, "Organisation deleted",
                "This organisation was deleted at the identity provider, so no company can be made for it. Sign in to another "
                "one, or to none: then the company gets a new one.",
                {{"company", "is of an organisation that was deleted"}});
        tx.commit();
    }
    if (!c.who.company)
        if (auto answer = take_finished(c, asked)) return std::move(*answer);
    {
        auto tx = pool_.begin(c.who.company ? pg::Scope::company(*c.who.company) : pg::Scope::none());
        for (const auto& [field, number] :
             {std::pair{"phone_number", asked.phone_number}, std::pair{"primary_tracking_number", asked.primary_tracking_number}})
            if (number) Numbers::must_be_free(tx, c.who.company ? c.who.company->value() : "", field, *number);
        tx.commit();
    }
    const bool at_clerk = !c.who.company;
    const CompanyId id = at_clerk ? CompanyId{organisation_for(c, asked)} : *c.who.company;
    auto& tx = c.tx_as(id);
    try {
        if (at_clerk && tx.write_counted(sql::use_organisation, {c.who.user, id}) == 0)
            api::refuse(409, "Company being made", "Your company is being made at the moment. Send the same again.");
        make(tx, id, c.who.user, asked);
        c.audit("company.create", id.value());
        tx.flush();
    } catch (const std::exception& e) {
        const auto* failure = dynamic_cast<const pg::SqlFailure*>(&e);
        const bool exists = failure && failure->constraint() == "companies_pkey";
        if (at_clerk && (failure || dynamic_cast<const api::Refusal*>(&e))) {
            tx.rollback();  // it holds the rows that are looked at now
            drop(c.who.user, id.value(), c.request.trace);
        }
        if (exists) refuse_existing();
        throw;
    }
    tel::info("a company was created", {{"company_id", id.value()}, {"user_id", c.who.user.value()}});
    return made(id.value());
}

http::Response Creations::made(const std::string& id) const {
    JsonWriter w;
    w.begin_object().member("status", "success").member("company_id", id).member("clerk_org_id", id).end_object();
    return http::Response::json(200, w.take());
}

void Creations::make(pg::Tx& tx, const CompanyId& id, const UserId& founder, const Asked& asked) const {
    numbers_.registering(tx, id, asked.number_fields(), [&](pg::Tx& t) {
        t.write(sql::create_company, {id, asked.name, asked.phone_number, asked.primary_tracking_number, asked.address,
                                      asked.timezone.value_or("America/New_York")});
        MemberBook::founded(t, id, founder);
    });
    rt::want(tx, kCreations, id, founder.value(), system_clock().now() + kMemberBy);
}

/// A company that was finished when its request had ended is what the user's next try asks for, and becomes as that says.
std::optional<http::Response> Creations::take_finished(api::Context& c, const Asked& asked) const {
    std::optional<Finished> finished;
    {
        auto tx = pool_.begin(pg::Scope::none());
        finished = tx.maybe<Finished>(sql::finished_company, {c.who.user});
        tx.commit();
    }
    if (!finished) return std::nullopt;
    if (finished->name != asked.name) {
        auto renamed = clerk_.rename_organization(finished->company_id, asked.name, c.request.trace);
        if (const auto* error = std::get_if<clerk::ApiError>(&renamed)) no_clerk(c.who.user, *error);
    }
    const CompanyId id{finished->company_id};
    auto& tx = c.tx_as(id);
    if (tx.write_counted(sql::take_finished_company, {c.who.user, id}) == 0)
        api::refuse(409, "Company being made", "Another request of yours takes this company at the moment.");
    std::vector<std::string> cleared;
    for (const auto& [field, value] :
         {std::pair{"phone_number", asked.phone_number}, std::pair{"primary_tracking_number", asked.primary_tracking_number},
          std::pair{"address", asked.address}})
        if (!value) cleared.emplace_back(field);
    numbers_.registering(tx, id, asked.number_fields(), [&](pg::Tx& t) {
        t.each(sql::update_company,
               {id, asked.name, asked.phone_number, asked.primary_tracking_number, asked.address,
                asked.timezone.value_or("America/New_York"), nullptr, nullptr, nullptr, nullptr, pg::Param::array(cleared)},
               [](const pg::Fields&) {});
    });
    c.audit("company.create", id.value());
    return made(id.value());
}

/// An organisation for a company that is to be made: one that a try of this user left behind, else a new one. It is on record as
/// unused until its company is committed, whatever fails in between, the commit included; and that one is being asked for is on
/// record before it is, so that one of which the answer was lost is found, and no second one made.
std::string Creations::organisation_for(const api::Context& c, const Asked& asked) const {
    const auto& user = c.who.user;
    while (auto left = left_by(user)) {
        if (left->organisation == kAskedFor) {
            auto found = lost_organisation(user, left->at, c.request.trace);
            if (const auto* error = std::get_if<clerk::ApiError>(&found)) no_clerk(user, *error);
            if (const auto& id = std::get<0>(found)) keep(user, *id, asked);
            forget(user, kAskedFor);
            continue;
        }
        keep(user, left->organisation, asked);
        auto renamed = clerk_.rename_organization(left->organisation, asked.name, c.request.trace);
        const auto* error = std::get_if<clerk::ApiError>(&renamed);
        if (!error) return left->organisation;
        if (error->status != 404) no_clerk(user, *error);
        forget(user, left->organisation);
    }
    count_creation(user);
    const auto asked_at = system_clock().now();
    keep(user, kAskedFor, asked);
    auto reply = clerk_.create_organization(asked.name, user.value(), c.request.trace);
    if (const auto* error = std::get_if<clerk::ApiError>(&reply)) {
        if (!error->in_doubt()) {
            forget(user, kAskedFor);
            no_clerk(user, *error);
        }
        auto found = lost_organisation(user, asked_at, c.request.trace);
        const auto* id = std::get_if<0>(&found);
        if (!id || !*id) no_clerk(user, *error);
        reply = **id;
    }
    const auto& id = std::get<std::string>(reply);
    try {
        keep(user, id, asked);
        forget(user, kAskedFor);
    } catch (const pg::SqlFailure&) {
        drop(user, id, c.request.trace);
        throw;
    }
    return id;
}

void Creations::no_clerk(const UserId& user, const clerk::ApiError& error) const {
    tel::error("an organisation could not be made at Clerk", {{"user_id", user.value()}, {"why", error.why}});
    api::refuse(
        502, "Identity provider unavailable",
        "Whether the organisation was made at the identity provider is not known. If it was, the company is finished within "
        "a minute. Send the same again: it takes what is there, and makes no second one.");
}

/// Each costs an organisation at the identity provider, also if it is dropped again. Of requests at the same moment a few too
/// many may pass; a user has few at once.
void Creations::count_creation(const UserId& user) const {
    auto tx = pool_.begin(pg::Scope::none());
    auto tries = tx.one<Tries>(sql::creations, {user});
    if (tries.n >= companies_an_hour_)
        throw api::Refusal{
            {429,
             "Too many companies",
             "A user may make " + std::to_string(companies_an_hour_) + " companies in an hour; make this one later.",
             {}},
            static_cast<int>(std::max<std::int64_t>(1, tries.seconds_left))};
    tx.write(sql::note_creation, {user});
    tx.commit();
}

// -- what is left

std::optional<Creations::Left> Creations::left_by(const UserId& user) const {
    auto tx = pool_.begin(pg::Scope::none());
    auto left = tx.maybe<Left>(sql::unused_organisation, {user});
    tx.commit();
    return left;
}

void Creations::keep(const UserId& user, const std::string& organisation, const std::optional<Asked>& asked) const {
    auto tx = pool_.begin(pg::Scope::none());
    tx.write(sql::note_organisation, {user, organisation, asked ? std::optional(asked->json()) : std::nullopt});
    if (asked) rt::want(tx, kCreations, CompanyId{user.value()}, "", system_clock().now() + kRequestOver);
    tx.commit();
}

void Creations::forget(const UserId& user, const std::string& organisation) const {
    auto tx = pool_.begin(pg::Scope::none());
    tx.write(sql::use_organisation, {user, organisation});
    tx.commit();
}

bool Creations::has_company(const std::string& organisation) const {
    auto tx = pool_.begin(pg::Scope::company(CompanyId{organisation}));
    const bool has = tx.maybe<Name>(sql::company_exists, {organisation}).has_value();
    tx.commit();
    return has;
}

Creations::Found Creations::lost_organisation(const UserId& user, Instant asked_at, const tel::TraceContext& trace) const {
    auto reply = clerk_.organizations_of(user.value(), trace);
    if (const auto* error = std::get_if<clerk::ApiError>(&reply)) return *error;
    const auto since = (to_micros(asked_at) / 1'000) - kClocksDiffer.count();
    for (const auto& o : std::get<std::vector<clerk::Organization>>(reply))
        if (o.created_by == user.value() && o.created_at >= since && !has_company(o.id)) return std::optional(o.id);
    return std::optional<std::string>{};
}

/// An organisation whose company was refused must not stay behind; if it does, the user's next try takes it.
void Creations::drop(const UserId& user, const std::string& organisation, const tel::TraceContext& trace) const {
    if (has_company(organisation)) return forget(user, organisation);  // another was faster
    keep(user, organisation, std::nullopt);
    auto dropped = clerk_.delete_organization(organisation, trace);
    const auto* error = std::get_if<clerk::ApiError>(&dropped);
    if (!error || error->status == 404)
        forget(user, organisation);
    else
        tel::error("an organisation without a company stays behind at Clerk until its user tries again",
                   {{"organisation", organisation}, {"user_id", user.value()}, {"why", error->why}});
}

// -- the work

std::optional<Instant> Creations::next(rt::Lease& lease) const {
    return lease.key.empty() ? finish(lease, UserId{lease.company.value()}) : see_to_founder(lease, UserId{lease.key});
}

std::optional<Instant> Creations::finish(rt::Lease& lease, const UserId& user) const {
    const auto trace = tel::TraceContext::fresh();
    while (auto left = left_by(user)) {
        if (!left->asked) break;
        if (left->organisation == kAskedFor) {
            auto found = lost_organisation(user, left->at, trace);
            if (const auto* error = std::get_if<clerk::ApiError>(&found)) return lease.again(kUntilClerkAnswers, error->why);
            const auto& id = std::get<0>(found);
            if (!id && lease.now - left->at < kListedBy) return lease.settle([&](pg::Tx&) { return lease.now + kRequestOver; });
            if (id) keep(user, *id, left->asked);
            forget(user, kAskedFor);
            continue;
        }
        const CompanyId company{left->organisation};
        auto renamed = clerk_.rename_organization(company.value(), left->asked->name, trace);
        if (const auto* error = std::get_if<clerk::ApiError>(&renamed)) {
            if (error->status != 404) return lease.again(kUntilClerkAnswers, error->why);
            forget(user, company.value());
            continue;
        }
        auto tx = lease.begin(company);
        try {
            if (tx.write_counted(sql::use_organisation, {user, company}) == 0) continue;  // the user's next try has it
            if (tx.maybe<Name>(sql::company_exists, {company}) || tx.value<std::string>(sql::organisation_is_over, {company})) {
                tx.commit();
                continue;
            }
            make(tx, company, user, *left->asked);
            tx.write(sql::note_finished_company, {user, company});
            rt::put_on_record(tx, company, {.actor = rt::Actor::system, .action = "company.created", .target = company.value()});
            tx.commit();
        } catch (const api::Refusal& r) {
            tx.rollback();
            tel::warn("a company that its request left unfinished cannot be made",
                      {{"company_id", company.value()}, {"why", r.problem.detail}});
            drop(user, company.value(), trace);
            break;
        }
        tel::info("a company was created that its request had left unfinished",
                  {{"company_id", company.value()}, {"user_id", user.value()}});
    }
    return lease.settle([](pg::Tx&) { return std::nullopt; });
}

/// Clerk makes who creates an organisation its member. Where it has not, nobody could sign in to the company.
std::optional<Instant> Creations::see_to_founder(rt::Lease& lease, const UserId& user) const {
    const auto founder = lease.read([&](pg::Tx& tx) { return tx.maybe<Founder>(sql::founder_unseen, {lease.company, user}); });
    if (!founder || !clerk_.keyed()) return lease.settle([](pg::Tx&) { return std::nullopt; });
    const auto trace = tel::TraceContext::fresh();
    auto there = clerk_.membership(lease.company.value(), user.value(), trace);
    const auto away = [](const clerk::ApiError& e) {
        using Kind = clerk::ApiError::Kind;
        return e.in_doubt() || e.kind == Kind::unsent || e.kind == Kind::busy || e.kind == Kind::not_let_in;
    };
    if (const auto* error = std::get_if<clerk::ApiError>(&there)) {
        if (away(*error)) return lease.again(kUntilClerkAnswers, error->why);
        return lease.settle([](pg::Tx&) { return std::nullopt; });  // a company that was made here, not there
    }
    auto member = std::get<0>(there);
    if (!member) {
        auto added = clerk_.add_member(lease.company.value(), user.value(), MemberBook::clerk_role("manager"), trace);
        if (const auto* error = std::get_if<clerk::ApiError>(&added)) {
            if (away(*error) || error->kind == clerk::ApiError::Kind::already) return lease.again(kUntilClerkAnswers, error->why);
            return lease.give_up("the founder is no member at Clerk, and cannot be made one: " + error->why);
        }
        member = std::get<clerk::Member>(std::move(added));
        tel::warn("the founder of a company was no member at Clerk, and is now",
                  {{"company_id", lease.company.value()}, {"user_id", user.value()}});
    }
    return lease.settle([&](pg::Tx& tx) {
        MemberBook::take(tx, lease.company,
                         MemberFact{UserId{member->user}, member->role, member->email, member->name, false, member->updated_at});
        return std::nullopt;
    });
}

}  // namespace otto::company_service
