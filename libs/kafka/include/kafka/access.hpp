#pragma once
#include <functional>
#include <string>

#include "base/secret.hpp"

/// How the clients of this process reach Kafka and log in there: in clear, by TLS, by SASL, or both. A process has one cluster,
/// so it is said once, and every client (producers, group members, readers, administration) is made by it.
namespace otto::kafka {

inline constexpr const char* kSystemCa = "system";

struct Access {
    Secret ca;                ///< PEM, or kSystemCa for the certificates of the machine; "" = no TLS
    Secret certificate, key;  ///< PEM, of this client; "" = brokers ask for none
    std::string mechanism;    ///< PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; "" = nobody logs in
    Secret username, password;
};

/// `present` is asked whenever a client is made; empty: in clear, without a login.
void use_access(std::function<Access()> present);
/// Tells the clients there are of another name or password, which hold from their next connection on. Other certificates are for
/// clients that are made from now on.
void refresh_access();

}  // namespace otto::kafka
