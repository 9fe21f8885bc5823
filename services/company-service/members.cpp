#include "members.hpp"

#include "base/json_page.hpp"
#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "identity/token.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

constexpr std::size_t kPerPage = 500, kMost = 10'000;

}  // namespace

Result<MemberPage> read_members(std::string_view json) {
    auto parsed = JsonPage::parse(json, "data");
    if (!parsed || !parsed->document.root()["data"].is_array()) return Error("Clerk's answer holds no list of memberships");
    MemberPage page;
    auto root = parsed->document.root(), list = root["data"];
    page.read = list.size();
    page.total = static_cast<std::size_t>(std::max<std::int64_t>(0, root["total_count"].loose_integer().value_or(static_cast<std::int64_t>(list.size()))));
    page.whole = parsed->unfit.empty();
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto person = list.at(i)["public_user_data"];
        auto user = person["user_id"].string();
        auto role = identity::role_from(list.at(i)["role"].string().value_or(""));
        if (auto id = person["user_id"]; id.exists() && !id.is_null() && !user) page.whole = false;
        if (!user || user->empty() || !role) continue;  // whose role is none of ours may nothing here
        Member m{std::string(*user), std::string(identity::to_text(*role)), {}, {}};
        // What a person signs in with: an e-mail address, else a telephone number or a name.
        if (auto identifier = person["identifier"].string(); identifier && identifier->find('@') != std::string_view::npos) m.email = clip_utf8(*identifier, 320);
        auto name = std::string(trim(std::string(person["first_name"].string().value_or("")) + " " + std::string(person["last_name"].string().value_or(""))));
        if (!name.empty()) m.name = clip_utf8(name, 200);
        page.members.push_back(std::move(m));
    }
    return page;
}

Members::Members(const app::Settings& s, http::Client& client) : api_(s.get(kClerkApi)), key_(s.get(kClerkSecretKey)), client_(client) {}

CheckResult Members::check(pg::Pool& db, const CompanyId& company) const {
    if (key_.reveal().empty()) return {};
    std::vector<Member> members;
    bool whole = true, understood = true;
    for (std::size_t read = 0, total = 1; read < total;) {
        http::ClientRequest request{http::Method::get, api_ + "/v1/organizations/" + percent_encode(company.value()) + "/memberships?limit=" + std::to_string(kPerPage) + "&offset=" + std::to_string(read), {}, "",
                                    tel::TraceContext::fresh()};
        request.headers.add("Authorization", "Bearer " + key_.reveal());
        auto answer = client_.send(request);
        if (!answer) return {"Clerk does not answer: " + answer.error().message};
        if (answer->status == 404) return {};  // a company that was made here, not there
        if (answer->status != 200) return {"Clerk answered " + std::to_string(answer->status)};
        auto page = read_members(answer->body);
        if (!page) return {page.error().message};
        members.insert(members.end(), page->members.begin(), page->members.end());
        read += page->read;
        understood = understood && page->whole;
        whole = understood && page->total <= kMost && (page->read > 0 || read >= page->total);
        total = page->read == 0 ? read : std::min(page->total, kMost);
    }
    pg::Columns rows(4);
    for (const auto& m : members) rows.row({m.user, m.email, m.name, m.role});
    auto params = rows.params();
    params.insert(params.begin(), pg::Param(company));
    auto tx = db.begin(pg::Scope::company(company));
    tx.write(sql::keep_members, params);
    if (whole) tx.write(sql::remove_members, {company, params[1]});
    tx.commit();
    return {};
}

}  // namespace otto::company_service
