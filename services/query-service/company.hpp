#pragma once
#include "api/api.hpp"
#include "api/list.hpp"
#include "query-service/sql.hpp"

namespace otto::query_service {

/// The company itself, its people and its numbers, for its managers.
class Company {
public:
    void routes(api::Api&) const;
    /// Of secrets whether they are set, and their last four characters.
    http::Response one(api::Context&) const;
    http::Response users(api::Context&) const;
    http::Response numbers(api::Context&) const;

private:
    api::List<sql::lists::Users> users_;
    api::List<sql::lists::Numbers> numbers_;
};

}  // namespace otto::query_service
