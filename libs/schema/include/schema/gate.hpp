#pragma once
#include <optional>
#include <string>

#include "pg/connection.hpp"

namespace otto::schema {

/// The gate of a service's start: whether the database is there, and has at least this build's schema.
class Gate {
public:
    /// Throws for a URL that is none: no waiting mends that.
    Gate(const pg::Login&, const std::string& service);
    struct Missing {
        bool postgres;  ///< there is no session to be had; else it is the schema that is behind
        std::string why;
    };
    /// Nothing: all is as this build needs it. Takes some seconds at most, and leaves no session behind.
    std::optional<Missing> look();

private:
    pg::Connection db_;
};

}  // namespace otto::schema
