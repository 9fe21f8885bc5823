#include "clerk_webhook.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "config.hpp"
#include "providers/svix.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::company_service {
namespace {

namespace svix = providers::svix;

const tel::Counters kWebhooks{
    "otto_clerk_webhooks_total",
    "Webhooks of Clerk's, by type and what became of them: taken; older (than what is known, so without effect); repeated "
    "(the same id); other (a type that concerns nobody here); malformed (proven, but not understood); unproven.",
    {"type", "outcome"}};

/// What concerns no one company is then said of each.
constexpr pg::Query kWithin{"clerk.within", "SELECT set_config('otto.company_ids', $1, true)"};

constexpr int kAttempts = 3;
constexpr std::size_t kMostBytes = 2u << 20, kLongestName = 200, kLongestEmail = 320;
constexpr std::array kTypes{"user.created",
                            "user.updated",
                            "user.deleted",
                            "organization.created",
                            "organization.updated",
                            "organization.deleted",
                            "organizationMembership.created",
                            "organizationMembership.updated",
                            "organizationMembership.deleted",
                            "organizationInvitation.created",
                            "organizationInvitation.updated",
                            "organizationInvitation.accepted",
                            "organizationInvitation.revoked",
                            "organizationInvitation.deleted"};

/// What a webhook comes to. `company`: whose rows it concerns, none: a person's, in all companies.
struct Event {
    std::string type;
    JsonView data;
    std::int64_t at = 0;  ///< ms, of the event itself; 0: not said
    std::string family() const { return type.substr(0, type.find('.')); }
    bool is(std::string_view end) const { return type.ends_with(end); }
};

struct Malformed {
    std::string why;
};

/// Ids end up in keys, paths and lists with commas.
std::string id_of(JsonView v, const char* name, const char* what) {
    auto id = v[name].string();
    bool plain = id && !id->empty() && id->size() <= 200 &&
                 std::all_of(id->begin(), id->end(), [](char c) { return c > ' ' && c < 127 && c != ',' && c != ':'; });
    if (!plain) throw Malformed{std::string(what) + " has no usable " + name};
    return std::string(*id);
}

std::int64_t moment_of(JsonView v) {
    auto at = v["updated_at"].loose_integer().value_or(0);
    return at > 0 ? at : v["created_at"].loose_integer().value_or(0);
}

std::optional<std::string> clean(std::optional<std::string_view> text, std::size_t longest) {
    if (!text || trim(*text).empty()) return std::nullopt;
    return clip_utf8(mend_utf8(trim(*text)), longest);
}

std::optional<std::string> name_of(JsonView person) {
    auto first = person["first_name"].string().value_or(""), last = person["last_name"].string().value_or("");
    return clean(std::string(first) + " " + std::string(last), kLongestName);
}

/// The primary one, else the first.
std::optional<std::string> email_of(JsonView user) {
    auto list = user["email_addresses"];
    auto primary = user["primary_email_address_id"].string();
    std::optional<std::string_view> found;
    for (std::size_t i = 0; list.is_array() && i < list.size(); ++i)
        if (!found || (primary && list.at(i)["id"].string() == primary)) found = list.at(i)["email_address"].string();
    return clean(found, kLongestEmail);
}

MemberFact member_of(const Event& event) {
    auto person = event.data["public_user_data"];
    MemberFact fact;
    fact.user = UserId{id_of(person, "user_id", "the membership's public_user_data")};
    fact.clerk_role = mend_utf8(event.data["role"].string().value_or(""));
    fact.removed = event.is(".deleted");
    fact.name = name_of(person);
    auto identifier = person["identifier"].string();
    if (identifier && identifier->find('@') != std::string_view::npos) fact.email = clean(identifier, kLongestEmail);
    fact.clerk_updated_at = moment_of(event.data);
    // A deletion carries the membership as it was last, and at the same moment counts; when it was told is later than the next
    // membership of a person who comes back at once.
    if (fact.clerk_updated_at == 0) fact.clerk_updated_at = event.at;
    return fact;
}

const char* outcome(bool changed) { return changed ? "taken" : "older"; }

const char* take_membership(pg::Tx& tx, const CompanyId& company, const Event& event) {
    auto changes = MemberBook::take(tx, company, member_of(event));
    MemberBook::on_record(tx, company, changes, rt::Actor::clerk);
    for (const auto& change : changes) {
        tel::info("a membership changed at Clerk",
                  {{"company_id", company.value()}, {"user_id", change.user.value()}, {"was", change.was}, {"is", change.is}});
        // A change of somebody of whom nothing was known: there may be more that never came.
        if (change.was.empty() && !event.is(".created")) tx.each(sql::look_at_members, {company}, [](const pg::Fields&) {});
    }
    return outcome(!changes.empty());
}

const char* on_record(pg::Tx& tx, const CompanyId& company, const char* action, const std::string& target, bool changed) {
    if (changed) rt::put_on_record(tx, company, {.actor = rt::Actor::clerk, .action = action, .target = target});
    return outcome(changed);
}

const char* take_invitation(pg::Tx& tx, const CompanyId& company, const Event& event) {
    auto id = id_of(event.data, "id", "the invitation");
    auto status = event.data["status"].string().value_or("");
    if (event.is(".accepted") || status == "accepted") return outcome(MemberBook::invitation_over(tx, company, id, false));
    if (event.is(".revoked") || event.is(".deleted") || status == "revoked" || status == "expired")
        return on_record(tx, company, "user.revoke", id, MemberBook::invitation_over(tx, company, id, true));
    auto email = clean(event.data["email_address"].string(), kLongestEmail);
    if (!email) throw Malformed{"the invitation has no email_address"};
    bool changed = MemberBook::invited(
        tx, company, {id, *email, mend_utf8(event.data["role"].string().value_or("")), {}, moment_of(event.data)});
    return on_record(tx, company, "user.invite", id, changed);
}

const char* take_organisation(pg::Tx& tx, const CompanyId& company, const Event& event) {
    if (event.is(".deleted")) {
        tx.write(sql::note_tombstone, {"organization", company.value()});
        bool was_active = tx.write_counted(sql::suspend_organisation, {company}) > 0;
        if (was_active)
            tel::warn("an organisation was deleted at Clerk: its company is suspended, its webhooks are held",
                      {{"company_id", company.value()}});
        return on_record(tx, company, "company.suspend", company.value(), was_active);
    }
    auto name = clean(event.data["name"].string(), kLongestName);
    if (!name) throw Malformed{"the organisation has no name"};
    return outcome(tx.write_counted(sql::name_organisation, {company, *name, moment_of(event.data)}) > 0);
}

const char* take_user(pg::Tx& tx, const Event& event) {
    auto id = id_of(event.data, "id", "the user");
    bool gone = event.is(".deleted");
    std::vector<std::string> companies;
    tx.each(sql::clerk_user_changed,
            {id, gone ? std::nullopt : email_of(event.data), gone ? std::nullopt : name_of(event.data),
             gone ? std::max(event.at, moment_of(event.data)) : moment_of(event.data), gone},
            [&](const pg::Fields& f) { companies.push_back(f.text("company_id")); });
    if (gone)
        for (const auto& company : companies) {
            tx.write(kWithin, {company});
            on_record(tx, CompanyId{company}, "user.remove", id, true);
        }
    if (gone) tel::info("a user was deleted at Clerk", {{"user_id", id}, {"companies", companies.size()}});
    return outcome(!companies.empty());
}

std::string company_of(const Event& event) {
    auto family = event.family();
    if (family == "organization") return id_of(event.data, "id", "the organisation");
    if (family == "organizationMembership") return id_of(event.data["organization"], "id", "the membership's organization");
    if (family == "organizationInvitation") return id_of(event.data, "organization_id", "the invitation");
    return {};
}

const char* take_event(pg::Tx& tx, const std::string& company, const Event& event) {
    if (company.empty()) return take_user(tx, event);
    auto family = event.family();
    if (family == "organization") return take_organisation(tx, CompanyId{company}, event);
    if (family == "organizationMembership") return take_membership(tx, CompanyId{company}, event);
    return take_invitation(tx, CompanyId{company}, event);
}

http::Response refused(const http::Request& request, const std::string& why) {
    kWebhooks({"any", "unproven"}).inc();
    tel::warn("a webhook of Clerk's was refused", {{"why", why}, {"request_id", request.request_id}});
    return http::problem({401, "Signature refused",
                          "This webhook is not proven: " + why +
                              ". The secret is that of the endpoint in Clerk's dashboard (OTTO_CLERK_WEBHOOK_SECRET)."},
                         request);
}

}  // namespace

ClerkWebhook::ClerkWebhook(const app::Settings& s, pg::Pool& pool)
    : pool_(pool), keys_(s.live(kClerkWebhookSecret), [](const Secret& list) { return svix::keys_of(list); }) {
    for (const auto* type : kTypes) kWebhooks({type, "taken"});
    kWebhooks({"any", "unproven"});
}

void ClerkWebhook::add_routes(http::Router& routes) const {
    http::RouteLimits limits;
    limits.body = kMostBytes;
    limits.admit = [this](const http::Request& r, bool) { return admit(r); };
    for (auto path : {"/api/v1/clerk/webhook", "/user/clerk-webhook"})
        routes.add(
            http::Method::post, path, [this](const http::Request& r) { return answer(r); }, limits);
}

/// What is wrong with the head costs no body.
std::optional<http::Admission> ClerkWebhook::admit(const http::Request& request) const {
    http::Admission out;
    if (keys_.now()->empty()) {
        out.refusal = http::problem(
            {503, "Webhooks are not set up", "OTTO_CLERK_WEBHOOK_SECRET is not set here; Svix sends this again."}, request);
    } else if (auto head = svix::read_head(request.headers, request.received_at); !head) {
        out.refusal = refused(request, head.error().message);
    }
    return out;
}

http::Response ClerkWebhook::answer(const http::Request& request) const {
    auto head = svix::read_head(request.headers, request.received_at);
    if (!head) return refused(request, head.error().message);
    if (auto proven = svix::verify(*head, request.body, *keys_.now()); !proven) return refused(request, proven.error().message);
    for (int attempt = 1;; ++attempt) try {
            return take(std::string(head->id), request);
        } catch (const pg::SqlFailure& e) {
            if (e.kind() == pg::FailureClass::contention && attempt < kAttempts) continue;  // nothing of it stays
            if (e.kind() != pg::FailureClass::transient && e.kind() != pg::FailureClass::contention) throw;
            tel::warn("a webhook of Clerk's waits for the database", {{"why", e.what()}, {"request_id", request.request_id}});
            auto r = http::problem({503, "Database unavailable", "The database cannot be reached at the moment; send it again."},
                                   request);
            r.headers.add("Retry-After", "5");
            return r;
        }
}

http::Response ClerkWebhook::take(const std::string& svix_id, const http::Request& request) const {
    Event event;
    std::string type = "any";
    const char* became = "other";
    try {
        auto parsed = JsonDocument::parse(request.body);
        if (!parsed || !parsed->root()["type"].string()) throw Malformed{"it is no JSON object with a type"};
        event.type = std::string(*parsed->root()["type"].string());
        event.data = parsed->root()["data"];
        event.at = parsed->root()["timestamp"].loose_integer().value_or(0);
        if (std::find(kTypes.begin(), kTypes.end(), event.type) != kTypes.end()) {
            type = event.type;
            auto company = company_of(event);
            auto tx = pool_.begin(company.empty() ? pg::Scope::none() : pg::Scope::company(CompanyId{company}));
            became = tx.write_counted(sql::note_clerk_event, {svix_id, type}) > 0 ? take_event(tx, company, event) : "repeated";
            tx.commit();
        }
    } catch (const Malformed& m) {
        became = "malformed";
        tel::error("a webhook of Clerk's is proven and not understood; it stands in Clerk's dashboard",
                   {{"svix_id", svix_id}, {"type", clip_utf8(mend_utf8(event.type), 100)}, {"why", m.why}});
    }
    kWebhooks({type, became}).inc();
    JsonWriter w;
    w.begin_object().member("success", true).key("data").begin_object().member("outcome", std::string_view(became));
    w.end_object().end_object();
    return http::Response::json(200, w.take());
}

}  // namespace otto::company_service
