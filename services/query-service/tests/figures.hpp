#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nouns.hpp"
#include "openapi.hpp"
#include "testing/catch.hpp"

namespace otto::query_service {

/// Every answer of figures, and as whom it is asked for.
struct FigurePath {
    const char* path;
    Read read;
    identity::Role role = identity::Role::manager;
    const char* user = "user_csr1";
};
inline const FigurePath kFigurePaths[] = {
    {"csr/overview", reading<&CsrFigures::overview>},
    {"csr/overview/self", reading<&CsrFigures::overview_self>},
    {"csr/booking-trend", reading<&CsrFigures::booking_trend>},
    {"csr/booking-trend/self", reading<&CsrFigures::booking_trend_self>},
    {"csr/objections/top", reading<&CsrFigures::top_objections>},
    {"csr/unbooked-appointments", reading<&CsrFigures::unbooked_calls>},
    {"csr/missed-call-recovery", reading<&CsrFigures::missed_call_recovery>},
    {"sales/rep/overview/self", reading<&SalesFigures::rep_self>, identity::Role::sales_rep, "user_rep1"},
    {"sales/rep/{rep_id}", reading<&SalesFigures::rep>},
    {"sales/team", reading<&SalesFigures::team>},
    {"exec/csr", reading<&ExecFigures::csr>},
    {"exec/sales", reading<&ExecFigures::sales>},
    {"exec/company-overview", reading<&ExecFigures::company>}};

/// A figure and the list that the contract names for it (x-list), which is asked for by whoever may: a rep's tasks by the rep.
struct ListedFigure {
    const FigurePath* path;
    std::string figure, list, query;  ///< of the list {date_from} and {date_to} are still to be put in
    bool as_rep = false;
};
inline const std::vector<ListedFigure>& listed_figures() {
    static const std::vector<ListedFigure> all = [] {
        std::vector<ListedFigure> out;
        auto document = JsonDocument::parse(std::string(openapi_json())).value();
        for (const auto& path : kFigurePaths) {
            auto answer = document
                              .root()["paths"]["/api/v1/metrics/" + std::string(path.path)]["get"]["responses"]["200"]["content"]
                                     ["application/json"]["schema"]["$ref"]
                              .string()
                              .value();
            auto schema = document.root()["components"]["schemas"][answer.substr(answer.rfind('/') + 1)].dump();
            bool self = std::string_view(path.path).ends_with("csr/overview/self");
            bool reps = std::string_view(path.path).starts_with("sales/rep");
            for (auto [name, component] : document.root()["components"]["schemas"].members()) {
                if (schema.find("schemas/" + std::string(name) + "\"") == std::string::npos) continue;
                for (auto [figure, property] : component["properties"].members()) {
                    auto asked = property["x-list"].string();
                    if (!asked) continue;
                    ListedFigure f{&path, std::string(figure), std::string(asked->substr(0, asked->find('?'))),
                                   std::string(asked->substr(asked->find('?') + 1))};
                    if (auto at = f.query.find("{rep_id}"); at != std::string::npos) f.query.replace(at, 8, "user_rep1");
                    if (self && f.list == "/api/v1/calls") f.query += "&owner_id=user_csr1,none";
                    if (self && f.list == "/api/v1/tasks") f.query += "&assignee_id=user_csr1,none";
                    f.as_rep = reps && f.list == "/api/v1/tasks";
                    out.push_back(std::move(f));
                }
            }
        }
        return out;
    }();
    return all;
}
/// With the days put in.
inline std::string of_days(std::string query, const std::string& since, const std::string& until) {
    for (const auto& [what, with] : {std::pair<std::string, std::string>{"{date_from}", since}, {"{date_to}", until}})
        if (auto at = query.find(what); at != std::string::npos) query.replace(at, what.size(), with);
    return query;
}

inline const std::map<std::string, Read, std::less<>> kListReads{{"/api/v1/calls", reading<&Calls::list>},
                                                                 {"/api/v1/leads", reading<&Leads::list>},
                                                                 {"/api/v1/contacts", reading<&Contacts::list>},
                                                                 {"/api/v1/appointments", reading<&Appointments::list>},
                                                                 {"/api/v1/tasks", reading<&Tasks::list>}};

/// Calls `each(name, value)` for every member of an answer, however deep.
inline void members(const JsonView& v, const std::function<void(std::string_view, const JsonView&)>& each) {
    for (std::size_t i = 0; v.is_array() && i < v.size(); ++i) members(v.at(i), each);
    if (!v.is_object()) return;
    for (auto [name, value] : v.members()) {
        each(name, value);
        members(value, each);
    }
}
inline bool is_rate(std::string_view name) { return name.ends_with("_rate") || name.ends_with("_ratio") || name == "value"; }

}  // namespace otto::query_service
