#include "runtime/schema_gate.hpp"

#include "schema/gate.hpp"

namespace otto::rt {

void needs_schema(app::Service& service) {
    auto gate = std::make_shared<schema::Gate>(service.pg_login(), service.name());
    service.wait_for("postgres", [gate]() -> std::optional<app::Awaited> {
        auto missing = gate->look();
        if (!missing) return std::nullopt;
        return app::Awaited{missing->postgres ? "postgres" : "schema", missing->why};
    });
}

}  // namespace otto::rt
