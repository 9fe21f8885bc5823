#pragma once
#include "identity/token.hpp"

/// Who reads what, for the routes of the nouns.
namespace otto::query_service {

using identity::Role;
using identity::Roles;

inline constexpr Roles kEverybody{Role::csr, Role::sales_rep, Role::manager, Role::executive};
inline constexpr Roles kOffice{Role::csr, Role::manager, Role::executive};
inline constexpr Roles kDesk{Role::csr, Role::manager};
inline constexpr Roles kSales{Role::sales_rep, Role::manager, Role::executive};
inline constexpr Roles kBosses{Role::manager, Role::executive};
inline constexpr Roles kManagers{Role::manager};

}  // namespace otto::query_service
