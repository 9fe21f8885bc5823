#pragma once
#include "api/list.hpp"
#include "query-service/sql.hpp"

namespace otto::query_service {

/// The lists of what a company works with (sql/lists.sql). What hangs on a detail is a page of these very lists, so nothing is
/// seen in the one which the other hides.
struct Lists {
    api::List<sql::lists::Calls> calls;
    api::List<sql::lists::Leads> leads;
    api::List<sql::lists::Contacts> contacts;
    api::List<sql::lists::Appointments> appointments;
    api::List<sql::lists::Tasks> tasks;
};

}  // namespace otto::query_service
