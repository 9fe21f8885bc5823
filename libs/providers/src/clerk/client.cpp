#include <algorithm>

#include "base/json_page.hpp"
#include "base/text.hpp"
#include "providers/clerk.hpp"

namespace otto::providers::clerk {
namespace {

constexpr std::size_t kPerPage = 500, kLongestName = 250;
/// Of one organisation; beyond them a pending one is not looked for.
constexpr std::size_t kMostInvitations = 10'000;

Reply<Done> done(Reply<std::string> reply) {
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    return Done{};
}

std::string text(JsonView of, const char* name) { return std::string(of[name].string().value_or("")); }

/// What a membership says of its person; nullopt: it names nobody.
std::optional<Member> member_of(JsonView membership) {
    auto person = membership["public_user_data"];
    auto user = text(person, "user_id");
    if (user.empty()) return std::nullopt;
    Member m{std::move(user), text(membership, "role"), {}, {}, membership["updated_at"].loose_integer().value_or(0)};
    // What a person signs in with: an e-mail address, else a telephone number or a name.
    if (auto identifier = person["identifier"].string(); identifier && identifier->find('@') != std::string_view::npos)
        m.email = clip_utf8(*identifier, 320);
    auto name = std::string(trim(text(person, "first_name") + " " + text(person, "last_name")));
    if (!name.empty()) m.name = clip_utf8(name, 200);
    return m;
}

Invitation invitation_of(JsonView v) {
    return {text(v, "id"), text(v, "email_address"), text(v, "role"), text(v, "status"),
            v["updated_at"].loose_integer().value_or(0)};
}

/// What an answer is read as; without what it must have it is as if it had been lost.
template <class T, class Read>
Reply<T> read_as(Reply<std::string> reply, const char* what, Read read) {
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    auto parsed = JsonDocument::parse(std::get<std::string>(reply));
    std::optional<T> value = parsed ? read(parsed->root()) : std::nullopt;
    if (!value) return ApiError{0, std::string("Clerk's answer holds no ") + what};
    return std::move(*value);
}

Reply<Member> read_member(Reply<std::string> reply) { return read_as<Member>(std::move(reply), "membership", member_of); }
Reply<Invitation> read_invitation(Reply<std::string> reply) {
    return read_as<Invitation>(std::move(reply), "invitation", [](JsonView v) {
        auto invitation = invitation_of(v);
        return invitation.id.empty() ? std::nullopt : std::optional(std::move(invitation));
    });
}

/// Clerk says why in {"errors":[{code, message, long_message, meta:{param_name}}]}; which codes there are it does not list in
/// full, so a role that is none is also known by the parameter.
ApiError error_of(const http::Response& answer, Instant now) {
    using Kind = ApiError::Kind;
    ApiError error{answer.status, "Clerk answered " + std::to_string(answer.status)};
    std::string code, parameter, said;
    if (auto parsed = JsonDocument::parse(answer.body)) {
        auto first = parsed->root()["errors"].at(0);
        code = text(first, "code");
        parameter = text(first["meta"], "param_name");
        said = text(first, "long_message");
        if (said.empty()) said = text(first, "message");
    }
    if (!said.empty()) error.why += ": " + clip_utf8(mend_utf8(said), 300);
    auto names_role = code.find("role") != std::string::npos || parameter == "role";
    if (answer.status == 429) {
        error.kind = Kind::busy;
        error.after = http::retry_after(answer.headers.get("Retry-After"), now);
    } else if (answer.status / 100 != 4) {
        error.kind = Kind::lost;
    } else if (answer.status == 401 || answer.status == 403) {
        error.kind = Kind::not_let_in;
    } else if (names_role || (answer.status == 404 && said.find("role") != std::string::npos)) {
        error.kind = Kind::no_role;
    } else if (answer.status == 404) {
        error.kind = Kind::not_found;
    } else if (code.find("already") != std::string::npos || code == "duplicate_record") {
        error.kind = Kind::already;
    } else {
        error.kind = Kind::refused;
    }
    return error;
}

}  // namespace

Result<MemberPage> read_members(std::string_view json) {
    auto parsed = JsonPage::parse(json, "data");
    if (!parsed || !parsed->document.root()["data"].is_array()) return Error("Clerk's answer holds no list of memberships");
    MemberPage page;
    auto root = parsed->document.root(), list = root["data"];
    page.read = list.size();
    page.total = static_cast<std::size_t>(
        std::max<std::int64_t>(0, root["total_count"].loose_integer().value_or(static_cast<std::int64_t>(list.size()))));
    page.whole = parsed->unfit.empty();
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto id = list.at(i)["public_user_data"]["user_id"];
        if (id.exists() && !id.is_null() && !id.string()) page.whole = false;
        if (auto m = member_of(list.at(i))) page.members.push_back(std::move(*m));
    }
    return page;
}

Reply<std::string> Client::ask(http::Method method, const std::string& path, std::string body,
                               const tel::TraceContext& trace) const {
    http::ClientRequest request{method, api_ + "/v1" + path, {}, std::move(body), trace};
    if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
    request.headers.add("Authorization", "Bearer " + key_.reveal());
    auto answer = http_.send(request);
    if (!answer)
        return ApiError{0, "Clerk does not answer: " + answer.error().message,
                        answer.unsent() ? ApiError::Kind::unsent : ApiError::Kind::lost};
    if (answer->status / 100 != 2) return error_of(*answer, system_clock().now());
    return std::move(answer->body);
}

namespace {

std::string organization_path(const std::string& id) { return "/organizations/" + percent_encode(id); }
std::string membership_path(const std::string& organization, const std::string& user) {
    return organization_path(organization) + "/memberships/" + percent_encode(user);
}
std::string named(const std::string& name) {
    JsonWriter w;
    return w.begin_object().member("name", clip_utf8(name, kLongestName)).end_object().take();
}

}  // namespace

Reply<std::string> Client::create_organization(const std::string& name, const std::string& created_by,
                                               const tel::TraceContext& trace) const {
    JsonWriter w;
    w.begin_object().member("name", clip_utf8(name, kLongestName)).member("created_by", created_by).end_object();
    return read_as<std::string>(ask(http::Method::post, "/organizations", w.take(), trace), "organisation", [](JsonView v) {
        auto id = text(v, "id");
        return id.empty() ? std::nullopt : std::optional(id);
    });
}

Reply<Done> Client::rename_organization(const std::string& id, const std::string& name, const tel::TraceContext& trace) const {
    return done(ask(http::Method::patch, organization_path(id), named(name), trace));
}

Reply<Done> Client::delete_organization(const std::string& id, const tel::TraceContext& trace) const {
    return done(ask(http::Method::del, organization_path(id), "", trace));
}

Reply<MemberPage> Client::memberships(const std::string& organization, std::size_t offset, const tel::TraceContext& trace) const {
    auto reply = ask(
        http::Method::get,
        organization_path(organization) + "/memberships?limit=" + std::to_string(kPerPage) + "&offset=" + std::to_string(offset),
        "", trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    auto page = read_members(std::get<std::string>(reply));
    if (!page) return ApiError{0, page.error().message};
    return std::move(*page);
}

Reply<std::optional<Member>> Client::membership(const std::string& organization, const std::string& user,
                                                const tel::TraceContext& trace) const {
    auto reply =
        ask(http::Method::get,
            organization_path(organization) + "/memberships?limit=100&offset=0&user_id=" + percent_encode(user), "", trace);
    return read_as<std::optional<Member>>(std::move(reply), "list of memberships",
                                          [&](JsonView v) -> std::optional<std::optional<Member>> {
                                              auto list = v["data"];
                                              if (!list.is_array()) return std::nullopt;
                                              for (std::size_t i = 0; i < list.size(); ++i)
                                                  if (auto m = member_of(list.at(i)); m && m->user == user)
                                                      return std::optional<std::optional<Member>>(m);
                                              // A list that does not know the filter would be of anybody, cut off.
                                              if (list.size() >= 100) return std::nullopt;
                                              return std::optional<std::optional<Member>>(std::in_place, std::nullopt);
                                          });
}

Reply<Member> Client::add_member(const std::string& organization, const std::string& user, const std::string& role,
                                 const tel::TraceContext& trace) const {
    JsonWriter w;
    w.begin_object().member("user_id", user).member("role", role).end_object();
    return read_member(ask(http::Method::post, organization_path(organization) + "/memberships", w.take(), trace));
}

Reply<Member> Client::set_role(const std::string& organization, const std::string& user, const std::string& role,
                               const tel::TraceContext& trace) const {
    JsonWriter w;
    w.begin_object().member("role", role).end_object();
    return read_member(ask(http::Method::patch, membership_path(organization, user), w.take(), trace));
}

Reply<std::optional<Member>> Client::remove_member(const std::string& organization, const std::string& user,
                                                   const tel::TraceContext& trace) const {
    auto reply = ask(http::Method::del, membership_path(organization, user), "", trace);
    if (auto* error = std::get_if<ApiError>(&reply)) {
        if (error->kind == ApiError::Kind::not_found) return std::optional<Member>{};
        return std::move(*error);
    }
    // That it is gone is known without what was there.
    auto parsed = JsonDocument::parse(std::get<std::string>(reply));
    return parsed ? member_of(parsed->root()) : std::nullopt;
}

Reply<Invitation> Client::invite(const std::string& organization, const std::string& email, const std::string& role,
                                 const std::string& inviter, const tel::TraceContext& trace) const {
    JsonWriter w;
    w.begin_object().member("email_address", email).member("role", role).member("inviter_user_id", inviter).end_object();
    return read_invitation(ask(http::Method::post, organization_path(organization) + "/invitations", w.take(), trace));
}

Reply<std::optional<Invitation>> Client::pending_invitation(const std::string& organization, const std::string& email,
                                                            const tel::TraceContext& trace) const {
    struct Page {
        std::size_t read = 0;
        std::optional<Invitation> found;
    };
    const auto wanted = lower(email);
    for (std::size_t offset = 0; offset < kMostInvitations;) {
        auto reply =
            read_as<Page>(ask(http::Method::get,
                              organization_path(organization) + "/invitations?status=pending&limit=" + std::to_string(kPerPage) +
                                  "&offset=" + std::to_string(offset),
                              "", trace),
                          "list of invitations", [&](JsonView v) -> std::optional<Page> {
                              auto list = v["data"];
                              if (!list.is_array()) return std::nullopt;
                              Page page{list.size(), {}};
                              for (std::size_t i = 0; i < list.size() && !page.found; ++i)
                                  if (auto one = invitation_of(list.at(i)); one.status == "pending" && lower(one.email) == wanted)
                                      page.found = std::move(one);
                              return page;
                          });
        if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
        auto& page = std::get<Page>(reply);
        if (page.found || page.read < kPerPage) return std::move(page.found);
        offset += page.read;
    }
    return std::optional<Invitation>{};
}

Reply<Invitation> Client::invitation(const std::string& organization, const std::string& id,
                                     const tel::TraceContext& trace) const {
    return read_invitation(
        ask(http::Method::get, organization_path(organization) + "/invitations/" + percent_encode(id), "", trace));
}

Reply<Invitation> Client::revoke(const std::string& organization, const std::string& id, const std::string& by,
                                 const tel::TraceContext& trace) const {
    JsonWriter w;
    w.begin_object().member("requesting_user_id", by).end_object();
    return read_invitation(ask(
        http::Method::post, organization_path(organization) + "/invitations/" + percent_encode(id) + "/revoke", w.take(), trace));
}

Reply<std::vector<Organization>> Client::organizations_of(const std::string& user, const tel::TraceContext& trace) const {
    return read_as<std::vector<Organization>>(
        ask(http::Method::get, "/users/" + percent_encode(user) + "/organization_memberships?limit=100&offset=0", "", trace),
        "list of memberships", [](JsonView v) -> std::optional<std::vector<Organization>> {
            auto list = v["data"];
            if (!list.is_array()) return std::nullopt;
            std::vector<Organization> all;
            for (std::size_t i = 0; i < list.size(); ++i) {
                auto o = list.at(i)["organization"];
                if (auto id = text(o, "id"); !id.empty())
                    all.push_back({id, text(o, "name"), text(o, "created_by"), o["created_at"].loose_integer().value_or(0)});
            }
            return all;
        });
}

}  // namespace otto::providers::clerk
