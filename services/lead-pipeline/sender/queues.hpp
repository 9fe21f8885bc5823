#pragma once
#include <string_view>

/// The queues by which texts leave (runtime/work_queue.hpp; README, "Texts that leave").
namespace otto::lead_pipeline {

/// Sending numbers that have texts waiting: a look releases what may leave by now, at the number's pace. Key: the number, E.164.
inline constexpr std::string_view kTextNumbers = "lead-pipeline/text-numbers";
/// Texts that were released, are in doubt, or wait for their time. Key: the text's id.
inline constexpr std::string_view kTexts = "lead-pipeline/texts";
/// Texts that the provider has taken and is asked about, because it may never say how they ended. Key: the text's id.
inline constexpr std::string_view kTextStatuses = "lead-pipeline/text-statuses";

}  // namespace otto::lead_pipeline
