#pragma once
#include <type_traits>

#include "aloha.hpp"
#include "analyses.hpp"
#include "appointments.hpp"
#include "audit.hpp"
#include "calls.hpp"
#include "company.hpp"
#include "contacts.hpp"
#include "csr_figures.hpp"
#include "exec_figures.hpp"
#include "leads.hpp"
#include "messages.hpp"
#include "people.hpp"
#include "sales_figures.hpp"
#include "tasks.hpp"
#include "voicemails.hpp"

namespace otto::query_service {

/// All that the service answers with, as its service.cpp puts it together.
struct Nouns {
    Lists lists;
    Links links{"http://127.0.0.1:1", Secret("a key of more than thirty-two characters"), Secret()};
    Calls calls{lists};
    Analyses analyses{links};
    Aloha aloha{lists};
    Leads leads{lists};
    Contacts contacts{lists};
    Appointments appointments{lists};
    Tasks tasks{lists};
    Messages messages{lists, links};
    Voicemails voicemails{lists};
    Company company;
    People people;
    Audit audit;
    CsrFigures csr_figures;
    SalesFigures sales_figures;
    ExecFigures exec_figures;

    template <class Noun>
    const Noun& get() const {
        if constexpr (std::is_same_v<Noun, Calls>)
            return calls;
        else if constexpr (std::is_same_v<Noun, Analyses>)
            return analyses;
        else if constexpr (std::is_same_v<Noun, Aloha>)
            return aloha;
        else if constexpr (std::is_same_v<Noun, Leads>)
            return leads;
        else if constexpr (std::is_same_v<Noun, Contacts>)
            return contacts;
        else if constexpr (std::is_same_v<Noun, Appointments>)
            return appointments;
        else if constexpr (std::is_same_v<Noun, Tasks>)
            return tasks;
        else if constexpr (std::is_same_v<Noun, Messages>)
            return messages;
        else if constexpr (std::is_same_v<Noun, Voicemails>)
            return voicemails;
        else if constexpr (std::is_same_v<Noun, Company>)
            return company;
        else if constexpr (std::is_same_v<Noun, People>)
            return people;
        else if constexpr (std::is_same_v<Noun, Audit>)
            return audit;
        else if constexpr (std::is_same_v<Noun, CsrFigures>)
            return csr_figures;
        else if constexpr (std::is_same_v<Noun, SalesFigures>)
            return sales_figures;
        else
            return exec_figures;
    }
};

/// One of their reads, whichever noun's it is: reading<&Calls::list>.
using Read = http::Response (*)(const Nouns&, api::Context&);
template <class>
struct NounOf;
template <class Noun>
struct NounOf<http::Response (Noun::*)(api::Context&) const> {
    using Type = Noun;
};
template <auto Member>
inline constexpr Read reading = [](const Nouns& nouns, api::Context& c) -> http::Response {
    return (nouns.get<typename NounOf<decltype(Member)>::Type>().*Member)(c);
};

}  // namespace otto::query_service
