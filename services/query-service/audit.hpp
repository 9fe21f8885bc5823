#pragma once
#include <string>
#include <string_view>

#include "api/api.hpp"
#include "api/list.hpp"
#include "base/json.hpp"
#include "query-service/sql.hpp"

namespace otto::query_service {

/// One line of audit_log, to be told. The views of what is null are views of nothing.
struct Deed {
    std::string_view actor, user, action, target;
    JsonView detail, before, after;
    JsonView names;  ///< of the company's people that the line names, by their ids
};

/// All of it in one sentence: "Maria Lopez changed the role of Bob Stone from csr to manager". What no sentence is known for is
/// told by the words that it has.
std::string sentence(const Deed&);
/// Whether an action has words of its own; for the test that asks for each of the contract.
bool has_words(std::string_view action);

/// Who did what in the company, for its managers.
class Audit {
public:
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;

private:
    api::List<sql::lists::Audit> lines_;
};

}  // namespace otto::query_service
