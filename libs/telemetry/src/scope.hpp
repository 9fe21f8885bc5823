#pragma once
#include <string>

namespace otto::tel {

/// The service that this thread works for (ServiceScope); "" = none in particular.
const std::string& service_of_thread();

}  // namespace otto::tel
