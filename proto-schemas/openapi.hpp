#pragma once
#include <string_view>

namespace otto {

/// openapi.yaml as this build knows it: as JSON, and as a page to read.
std::string_view openapi_json();
std::string_view openapi_page();

}  // namespace otto
