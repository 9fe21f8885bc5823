#pragma once
#include <string>

namespace otto::testkit {

/// "" if the file of the source tree ("libs/schema/schema.sql") holds this text; else the first line that differs, and how the
/// file is written anew. With OTTO_GOLDEN=write the file is written, and the answer is "".
std::string differs_from(const std::string& path, const std::string& text);

}  // namespace otto::testkit
