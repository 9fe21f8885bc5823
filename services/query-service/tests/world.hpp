#pragma once
#include <string>

#include "nouns.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

namespace otto::query_service {

/// A database of its own, and reads of it as somebody.
struct Asking : testkit::Database {
    mutable pg::Pool pool{service_url(), "test", 2};
    Nouns nouns;

    explicit Asking(const char* rows) : Database("otto_query_service") { owner.execute(rows); }

    /// The answer's status, or that of the problem that it ended with, and its body.
    http::Response ask(Read read, const std::string& query = "", const std::string& user = "user_m",
                       identity::Role role = identity::Role::manager, std::string_view name = "", const std::string& id = "",
                       const std::string& company = "org_a") const {
        http::Request request;
        request.query = query;
        request.received_at = system_clock().now();
        if (!name.empty()) request.path_params = {{std::string(name), id}};
        identity::Principal who;
        who.user = UserId{user};
        who.company = CompanyId{company};
        who.role = role;
        api::Context context(request, who, pool);
        try {
            return read(nouns, context);
        } catch (const api::Refusal& refusal) {
            http::Response r;
            r.status = refusal.problem.status;
            r.body = refusal.problem.fields.empty() ? refusal.problem.detail : refusal.problem.fields[0].first;
            return r;
        }
    }
    static JsonDocument data(const http::Response& response) {
        INFO(response.body);
        REQUIRE(response.status / 100 == 2);
        return JsonDocument::parse(JsonDocument::parse(response.body).value().root()["data"].dump()).value();
    }
};

}  // namespace otto::query_service
