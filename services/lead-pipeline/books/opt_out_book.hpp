#pragma once
#include <string>
#include <utility>
#include <vector>

#include "pg/tx.hpp"
#include "rows/message_row.hpp"
#include "rows/task_row.hpp"

namespace otto::lead_pipeline {

/// What the texts of one transaction say about texts: the ledger of who asked for none, and a task where a person has to read it.
/// A STOP is a row, taken back by the first START after it, whichever of the two is heard of first; what is said at the same
/// moment is no answer to it, so STOP wins. The cards of the customers must be held before (ContactBook), so that a STOP and its
/// START wait for each other. One thread.
class OptOutBook {
public:
    explicit OptOutBook(pg::Tx& tx) : tx_(tx) {}

    /// A text that came in, its row complete.
    void take(const MessageRow&, const std::string& said_by_provider);
    /// A text of ours that the provider did not let through, because the customer has told it so.
    void take_refusal(const MessageRow&);
    void save();

    struct Changed {
        const char* kind;  ///< of row: opt_out, task
        MessageKey because_of;
        Uuid id;
        std::int64_t version;
    };
    const std::vector<Changed>& changed() const { return changed_; }

private:
    struct Said {
        const MessageRow* row;
        std::string phone, word, source;
    };
    void enter_starts();
    void enter_stops();
    void take_back();
    void ask_people();

    pg::Tx& tx_;
    std::vector<Said> stops_, starts_, unclear_;
    std::vector<Changed> changed_;
};

}  // namespace otto::lead_pipeline
