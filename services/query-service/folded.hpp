#pragma once
#include <functional>

#include "api/context.hpp"
#include "pg/query.hpp"

/// Details of rows that may have gone into others: links last.
namespace otto::query_service {

/// The call's row, if whoever asks may see it; else 404. One that proved to be another call is that one, whose id `call` then is.
void read_call(api::Context&, CallId& call, const std::function<void(const pg::Fields&)>& row);
/// The same by another query of company, id and viewer.
void read_call(api::Context&, CallId& call, const pg::Query&, const std::function<void(const pg::Fields&)>& row);
/// The row of a lead or a contact, by a query of company, id and viewer; else 404. One that went into another is that one, whose
/// id `id` then is.
void read_folded(api::Context&, Uuid& id, const char* kind, const pg::Query&, const std::function<void(const pg::Fields&)>& row);

}  // namespace otto::query_service
