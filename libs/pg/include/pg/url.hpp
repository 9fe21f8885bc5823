#pragma once
#include "base/result.hpp"
#include "base/secret.hpp"

namespace otto::pg {

/// Whether libpq understands it at all; the error shows nothing of it. What is wrong otherwise (host, role, password) shows when
/// the server is asked, and may right itself.
Result<void> check_url(const Secret& url);

}  // namespace otto::pg
