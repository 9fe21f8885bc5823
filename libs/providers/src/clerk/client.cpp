#include <algorithm>

#include "base/json_page.hpp"
#include "base/text.hpp"
#include "providers/clerk.hpp"

namespace otto::providers::clerk {
namespace {

constexpr std::size_t kPerPage = 500, kLongestName = 250;

Reply<Done> done(Reply<std::string> reply) {
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    return Done{};
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
        auto person = list.at(i)["public_user_data"];
        auto user = person["user_id"].string();
        if (auto id = person["user_id"]; id.exists() && !id.is_null() && !user) page.whole = false;
        if (!user || user->empty()) continue;
        Member m{std::string(*user), std::string(list.at(i)["role"].string().value_or("")), {}, {}};
        // What a person signs in with: an e-mail address, else a telephone number or a name.
        if (auto identifier = person["identifier"].string(); identifier && identifier->find('@') != std::string_view::npos)
            m.email = clip_utf8(*identifier, 320);
        auto name = std::string(trim(std::string(person["first_name"].string().value_or("")) + " " +
                                     std::string(person["last_name"].string().value_or(""))));
        if (!name.empty()) m.name = clip_utf8(name, 200);
        page.members.push_back(std::move(m));
    }
    return page;
}

Reply<std::string> Client::ask(http::Method method, const std::string& path, std::string body,
                               const tel::TraceContext& trace) const {
    http::ClientRequest request{method, api_ + "/v1/organizations" + path, {}, std::move(body), trace};
    if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
    request.headers.add("Authorization", "Bearer " + key_.reveal());
    auto answer = http_.send(request);
    if (!answer) return ApiError{0, "Clerk does not answer: " + answer.error().message};
    if (answer->status / 100 != 2) return ApiError{answer->status, "Clerk answered " + std::to_string(answer->status)};
    return std::move(answer->body);
}

Reply<std::string> Client::create_organization(const std::string& name, const std::string& created_by,
                                               const tel::TraceContext& trace) const {
    JsonWriter w;
    w.begin_object().member("name", clip_utf8(name, kLongestName)).member("created_by", created_by).end_object();
    auto reply = ask(http::Method::post, "", w.take(), trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    auto parsed = JsonDocument::parse(std::get<std::string>(reply));
    auto id = parsed ? parsed->root()["id"].string() : std::nullopt;
    if (!id || id->empty()) return ApiError{0, "Clerk's answer names no organisation"};
    return std::string(*id);
}

Reply<Done> Client::rename_organization(const std::string& id, const std::string& name, const tel::TraceContext& trace) const {
    JsonWriter w;
    w.begin_object().member("name", clip_utf8(name, kLongestName)).end_object();
    return done(ask(http::Method::patch, "/" + percent_encode(id), w.take(), trace));
}

Reply<Done> Client::delete_organization(const std::string& id, const tel::TraceContext& trace) const {
    return done(ask(http::Method::del, "/" + percent_encode(id), "", trace));
}

Reply<MemberPage> Client::memberships(const std::string& organization, std::size_t offset, const tel::TraceContext& trace) const {
    auto reply = ask(http::Method::get,
                     "/" + percent_encode(organization) + "/memberships?limit=" + std::to_string(kPerPage) +
                         "&offset=" + std::to_string(offset),
                     "", trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
    auto page = read_members(std::get<std::string>(reply));
    if (!page) return ApiError{0, page.error().message};
    return std::move(*page);
}

}  // namespace otto::providers::clerk
