#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "metrics.hpp"
#include "openapi.hpp"
#include "reads.hpp"
#include "testing/catch.hpp"

namespace otto::query_service {

/// Every answer of figures, and as whom it is asked for.
struct FigurePath {
    const char* path;
    http::Response (Metrics::*read)(identity::Context&) const;
    identity::Role role = identity::Role::manager;
    const char* user = "user_csr1";
};
inline const FigurePath kFigurePaths[] = {{"csr/overview", &Metrics::csr_overview},
                                          {"csr/overview/self", &Metrics::csr_overview_self},
                                          {"csr/booking-trend", &Metrics::booking_trend},
                                          {"csr/booking-trend/self", &Metrics::booking_trend_self},
                                          {"csr/objections/top", &Metrics::top_objections},
                                          {"csr/unbooked-appointments", &Metrics::unbooked_calls},
                                          {"csr/missed-call-recovery", &Metrics::missed_call_recovery},
                                          {"sales/rep/overview/self", &Metrics::rep_self, identity::Role::sales_rep, "user_rep1"},
                                          {"sales/rep/{rep_id}", &Metrics::rep},
                                          {"sales/team", &Metrics::sales_team},
                                          {"exec/csr", &Metrics::exec_csr},
                                          {"exec/sales", &Metrics::exec_sales},
                                          {"exec/company-overview", &Metrics::company_overview}};

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
            auto answer = document.root()["paths"]["/api/v1/metrics/" + std::string(path.path)]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].string().value();
            auto schema = document.root()["components"]["schemas"][answer.substr(answer.rfind('/') + 1)].dump();
            bool self = std::string_view(path.path).ends_with("csr/overview/self");
            bool reps = std::string_view(path.path).starts_with("sales/rep");
            for (auto [name, component] : document.root()["components"]["schemas"].members()) {
                if (schema.find("schemas/" + std::string(name) + "\"") == std::string::npos) continue;
                for (auto [figure, property] : component["properties"].members()) {
                    auto asked = property["x-list"].string();
                    if (!asked) continue;
                    ListedFigure f{&path, std::string(figure), std::string(asked->substr(0, asked->find('?'))), std::string(asked->substr(asked->find('?') + 1))};
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

using ListRead = http::Response (Reads::*)(identity::Context&) const;
inline const std::map<std::string, ListRead, std::less<>> kListReads{{"/api/v1/calls", &Reads::calls}, {"/api/v1/leads", &Reads::leads}, {"/api/v1/contacts", &Reads::contacts}, {"/api/v1/appointments", &Reads::appointments}, {"/api/v1/tasks", &Reads::tasks}};

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
