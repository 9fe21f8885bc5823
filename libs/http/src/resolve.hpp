#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"

/// Where a name leads, and whether one may go there. Addresses are in numeric form, so that the one that was judged is the one
/// that is connected to.
namespace otto::http {

/// Whether an address ("203.0.113.7", "2001:db8::1") lies in the open internet: not loopback, private, link-local, shared
/// (100.64/10), multicast, unspecified or reserved, nor an IPv6 form (v4-mapped, 6to4, NAT64) of such. What is no address is not
/// public.
bool is_public(const std::string& address);

struct NoAddress {
    Error error;
    bool passing;  ///< the name servers did not answer; another try may help
};
using Addresses = std::variant<std::vector<std::string>, NoAddress>;

/// The system's look-up; blocks as long as the name servers let it.
Addresses look_up(const std::string& host);

/// The addresses of a name or an address, in the order to try them. A look-up cannot be called off: it runs on a thread of its
/// own, which a deadline leaves behind to end by itself; beyond 64 such threads names are refused. `lookup` is another one for
/// tests.
Addresses resolve(const std::string& host, std::chrono::steady_clock::time_point deadline,
                  std::function<Addresses(const std::string&)> lookup = look_up);

}  // namespace otto::http
