#pragma once
#include "lists.hpp"
#include "timeline.hpp"

/// What hangs on a lead or a contact: the first page of each list, as whoever asks would see it there.
namespace otto::query_service {

/// Each writes one array, and what of its rows belongs on a timeline, if there is one.
void hang_calls(JsonWriter&, api::Context&, const Lists&, const api::List<sql::lists::Calls>::Filters&, Timeline* = nullptr);
void hang_appointments(JsonWriter&, api::Context&, const Lists&, const api::List<sql::lists::Appointments>::Filters&,
                       Timeline* = nullptr);
void hang_tasks(JsonWriter&, api::Context&, const Lists&, const api::List<sql::lists::Tasks>::Filters&, Timeline* = nullptr);
void hang_messages(JsonWriter&, api::Context&, const Lists&, const api::List<sql::lists::Messages>::Filters&,
                   Timeline* = nullptr);
void hang_voicemails(JsonWriter&, api::Context&, const Lists&, const api::List<sql::lists::Voicemails>::Filters&,
                     Timeline* = nullptr);

}  // namespace otto::query_service
