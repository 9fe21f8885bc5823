#pragma once
#include <string_view>

namespace otto {

/// The HTTP contract (http/*.yaml, joined) as this build knows it: as JSON, and as a page to read.
std::string_view openapi_json();
std::string_view openapi_page();
/// One of its schemas marked x-checked, standing alone as draft 4 (JsonSchema); empty if there is none of this name.
std::string_view openapi_schema(std::string_view name);

}  // namespace otto
