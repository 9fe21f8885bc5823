#include "commands/voicemails.hpp"

#include "api/inputs.hpp"
#include "api/resources.hpp"
#include "lead-pipeline/sql.hpp"
#include "words.hpp"

namespace otto::lead_pipeline {

http::Response VoicemailCommands::change(api::Context& c) const {
    auto id = c.id("voicemail_id", "voicemail");
    auto in = api::Inputs::change(
        c.request, {.lasting = {"status"},
                    .fixed = {{{"call_id", "recording_sid", "recording_url", "duration"}, "is what the provider recorded"},
                              {{"transcript", "summary"}, "is what was heard; correct the call's analysis"}}});
    auto status = in.one_of("status", words::voicemail_status);
    auto former = c.tx().value<std::string>(sql::lock_voicemail, {c.company(), id});
    if (!former) api::not_found("voicemail");
    if (*former == *status) return c.row(id.to_string(), sql::voicemail, resources::voicemail_value);
    c.tx().write(sql::change_voicemail, {c.company(), id, *status});
    return c.changed({"voicemail", id.to_string(), "voicemail.change", in.changed(), rt::Changes().add("status", former, status)},
                     sql::voicemail, resources::voicemail_value);
}

}  // namespace otto::lead_pipeline
