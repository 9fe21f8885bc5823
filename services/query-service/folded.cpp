#include "folded.hpp"

#include "query-service/sql.hpp"

namespace otto::query_service {
namespace {

/// Whether there is such a row for whoever asks.
bool read(api::Context& c, const pg::Query& query, pg::Param id, const std::function<void(const pg::Fields&)>& row) {
    bool there = false;
    c.tx().each(query, {c.company(), std::move(id), c.viewer().own()}, [&](const pg::Fields& f) {
        there = true;
        row(f);
    });
    return there;
}

}  // namespace

void read_call(api::Context& c, CallId& call, const std::function<void(const pg::Fields&)>& row) {
    read_call(c, call, sql::one_call, row);
}

void read_call(api::Context& c, CallId& call, const pg::Query& query, const std::function<void(const pg::Fields&)>& row) {
    struct Into {
        CallId id;
        static Into from(const pg::Fields& f) { return {CallId{f.integer("into_id")}}; }
    };
    while (!read(c, query, call, row)) {
        auto into = c.tx().maybe<Into>(sql::call_folded_into, {c.company(), call});
        if (!into) api::not_found("call");
        call = into->id;
    }
}

void read_folded(api::Context& c, Uuid& id, const char* kind, const pg::Query& query,
                 const std::function<void(const pg::Fields&)>& row) {
    struct Into {
        Uuid id;
        static Into from(const pg::Fields& f) { return {f.uuid("into_id")}; }
    };
    for (bool followed = false; !read(c, query, id, row); followed = true) {
        auto into = followed ? std::nullopt : c.tx().maybe<Into>(sql::row_folded_into, {c.company(), kind, id});
        if (!into) api::not_found(kind);
        id = into->id;
    }
}

}  // namespace otto::query_service
