#pragma once
// What the turns of one text share; of this folder alone.
#include <algorithm>
#include <optional>
#include <string>

#include "pg/tx.hpp"
#include "sender/sender.hpp"

namespace otto::lead_pipeline {

/// A text as it stands before its turn, read without a lock.
struct Sender::Standing {
    std::string from_number, to, state, account, body;
    std::optional<Instant> asked_at, looked_at;
    static Standing from(const pg::Fields& f) {
        return {f.text("from_number"), f.text("to_number"), f.text("state"),    f.text("account"),
                f.text("body"),        f.time("asked_at"),  f.time("looked_at")};
    }
};

/// Until a message that Twilio took is in its list for certain, and from one look to the next.
inline constexpr Millis kUntilListed{60'000};

/// When a text in doubt is looked for.
template <class Text>
Instant next_look(const Text& text) {
    auto at = text.asked_at.value_or(Instant{});
    return std::max(at, text.looked_at.value_or(at)) + kUntilListed;
}

/// otto_texts_total, once the transaction is committed.
void count_text(pg::Tx&, const char* outcome);

}  // namespace otto::lead_pipeline
