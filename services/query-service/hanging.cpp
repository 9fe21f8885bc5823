#include "hanging.hpp"

#include "api/resources.hpp"

namespace otto::query_service {

using api::Context;
using api::Page;
using pg::Fields;
using resources::Texts;

void hang_calls(JsonWriter& w, Context& c, const Lists& lists, const api::List<sql::lists::Calls>::Filters& filters,
                Timeline* timeline) {
    lists.calls.write_first(w, c, Page::newest("started_at"), filters, [&](JsonWriter& out, const Fields& f) {
        out.begin_object();
        resources::call_columns(out, f, Texts::cut);
        out.end_object();
        if (timeline) add_call(*timeline, f);
    });
}

void hang_appointments(JsonWriter& w, Context& c, const Lists& lists, const api::List<sql::lists::Appointments>::Filters& filters,
                       Timeline* timeline) {
    lists.appointments.write_first(w, c, Page::newest("created_at"), filters, [&](JsonWriter& out, const Fields& f) {
        resources::appointment_value(out, f, c.viewer(), Texts::cut);
        if (timeline) add_appointment(*timeline, f);
    });
}

void hang_tasks(JsonWriter& w, Context& c, const Lists& lists, const api::List<sql::lists::Tasks>::Filters& filters,
                Timeline* timeline) {
    lists.tasks.write_first(w, c, Page::newest("created_at"), filters, [&](JsonWriter& out, const Fields& f) {
        resources::task_value(out, f, c.viewer(), Texts::cut);
        if (timeline) add_task(*timeline, f);
    });
}

void hang_messages(JsonWriter& w, Context& c, const Lists& lists, const api::List<sql::lists::Messages>::Filters& filters,
                   Timeline* timeline) {
    lists.messages.write_first(w, c, Page::newest("sent_at"), filters, [&](JsonWriter& out, const Fields& f) {
        out.begin_object();
        resources::message_columns(out, f, Texts::cut);
        out.end_object();
        if (timeline) add_message(*timeline, f);
    });
}

void hang_voicemails(JsonWriter& w, Context& c, const Lists& lists, const api::List<sql::lists::Voicemails>::Filters& filters,
                     Timeline* timeline) {
    lists.voicemails.write_first(w, c, Page::newest("created_at"), filters, [&](JsonWriter& out, const Fields& f) {
        out.begin_object();
        resources::voicemail_columns(out, f, Texts::cut);
        out.end_object();
        if (timeline) add_voicemail(*timeline, f);
    });
}

}  // namespace otto::query_service
