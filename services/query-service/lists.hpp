#pragma once
#include "api/list.hpp"
#include "days.hpp"
#include "query-service/sql.hpp"
#include "search.hpp"

namespace otto::query_service {

/// The lists of what a company works with (sql/lists.sql). What hangs on a detail is a page of these very lists, so nothing is
/// seen in the one which the other hides.
struct Lists {
    api::List<sql::lists::Calls> calls;
    api::List<sql::lists::AlohaCalls> aloha_calls;
    api::List<sql::lists::UnansweredCalls> unanswered_calls;
    api::List<sql::lists::Leads> leads;
    api::List<sql::lists::Contacts> contacts;
    api::List<sql::lists::Appointments> appointments;
    api::List<sql::lists::Tasks> tasks;
    api::List<sql::lists::Messages> messages;
    api::List<sql::lists::OptOuts> opt_outs;
    api::List<sql::lists::Voicemails> voicemails;
};

/// One page of a list, as its declaration says that it can be asked for; days and searches are those of the company.
template <class Declared>
http::Response answer_list(api::Context& c, const api::List<Declared>& list, api::Show show) {
    const api::Asked asked(c.request, Declared::asks);
    const auto page = list.page_of(asked);
    auto filters = Declared::asked(asked);
    std::optional<std::int64_t> rows;
    if constexpr (requires { filters.since; }) {
        const auto days = Days::of(c, asked);
        filters.since = days.since;
        filters.till = days.till;
    }
    if constexpr (requires { filters.found; }) {
        auto found = Found::of(c, list.noun(), asked.search());
        filters.found = std::move(found.ids);
        filters.words = std::move(found.patterns);
        rows = found.rows;
    }
    return list.answer(c, page, filters, show, rows);
}

}  // namespace otto::query_service
