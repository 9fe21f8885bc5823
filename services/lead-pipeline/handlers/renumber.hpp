#pragma once
#include <span>
#include <string>
#include <vector>

#include "books/books.hpp"
#include "books/message_book.hpp"
#include "pg/connection.hpp"
#include "rows/keys.hpp"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {

/// Makes what is on record as the present rules have it: cards whose number is read otherwise now, or is none; cards without a
/// number whose caller's is known; calls whose number or flags follow otherwise from their rows; with a card its
/// texts. The migrations put down which
/// companies are to be looked through (`renumbering`); each look is a page, each card and each hundred calls a transaction of
/// their own, settled by the very code that settles reports (Books, MessageBook). Whatever stops half way goes on where it was.
/// One process of the deployment at a time (a periodic job).
class Renumber {
public:
    explicit Renumber(Millis grace) : grace_(grace) {}
    /// For half a second or a page, so that nothing that is due waits for it.
    void run(pg::Connection&) const;

private:
    struct Company;
    bool page_of_cards(pg::Connection&, Company&) const;
    bool page_of_calls(pg::Connection&, Company&) const;
    void judge(pg::Connection&, const ContactKey&) const;
    bool settle_number(pg::Tx&, const ContactRow&, const Phone&) const;
    void look_at(pg::Connection&, const CompanyId&, std::span<const CallId> calls) const;
    void look_at(pg::Connection&, const CompanyId&, std::span<const Uuid> messages) const;
    template <class Book>
    void settle(pg::Tx&, Book&) const;
    template <class Work>
    void guarded(Company&, const std::string& what, Work&&) const;

    Millis grace_;
    rt::Emitter<calls::v1::CallRecorded, calls::v1::CallFolded, calls::v1::LeadMoved, changes::v1::RowChanged> emitter_{
        "lead-pipeline"};
};

}  // namespace otto::lead_pipeline
