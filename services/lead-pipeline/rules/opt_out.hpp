#pragma once
#include <string_view>

namespace otto::lead_pipeline {

/// What a customer's text asks for.
enum class Asks {
    nothing,
    stop,     ///< no more texts
    start,    ///< texts again, whoever said that there shall be none
    yes,      ///< texts again, if a text said that there shall be none
    unclear,  ///< begins as if it asked for none, and a person has to read it
};

struct Ask {
    Asks what = Asks::nothing;
    std::string_view source = "keyword";  ///< keyword: its words say so; provider: the provider read it so
};

/// `said_by_provider` is what the provider read in it (STOP, START, HELP, or "" if nothing), and counts whatever the text says.
/// Of the text one word counts, in any case, spaces and what nobody sees around it: STOP STOPALL UNSUBSCRIBE END QUIT CANCEL
/// REVOKE OPTOUT; START UNSTOP; YES. Up to three words of which the first is STOP, UNSUBSCRIBE or QUIT ("stop please", "STOP.")
/// are unclear.
Ask ask_of(std::string_view body, std::string_view said_by_provider);

}  // namespace otto::lead_pipeline
