#pragma once
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// Transcripts of calls that are only a voicemail are that voicemail's. A repeat does no harm. What an analysis says of one is
/// taken with the analysis.
class Voicemails {
public:
    void transcribed(std::span<const rt::In<analysis::v1::TranscriptReady>>, pg::Tx&, rt::Out<changes::v1::RowChanged>&) const;
};

}  // namespace otto::lead_pipeline
