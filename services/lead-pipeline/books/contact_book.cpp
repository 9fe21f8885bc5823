#include "books/contact_book.hpp"

#include <vector>

#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {
namespace {

/// Ids of cards are names, so that a batch that runs again makes the same ones.
ContactId card_id(const CompanyId& company, const std::string& whose) {
    static const Uuid space = *Uuid::parse("6f74746f-6361-5264-a473-000000000001");
    return ContactId{Uuid::v5(space, company.value() + "\n" + whose)};
}

}  // namespace

void ContactBook::hold(const std::set<NumberKey>& numbers) {
    std::vector<ContactRow> cards;
    for (const auto& [company, number] : numbers) cards.push_back({company, card_id(company, number), number, {}, {}});
    ensure_cards(tx_, cards);
    for (auto& card : lock_cards_of_numbers(tx_, numbers)) {
        of_numbers_.emplace(NumberKey{card.company, *card.phone}, card.key());
        cards_.emplace(card.key(), std::move(card));
    }
}

void ContactBook::hold(const std::set<ContactKey>& keys) {
    std::set<ContactKey> missing;
    for (const auto& key : keys)
        if (!cards_.contains(key)) missing.insert(key);
    for (auto& card : lock_cards(tx_, missing)) cards_.emplace(card.key(), std::move(card));
}

ContactRow* ContactBook::find(const ContactKey& key) {
    auto found = cards_.find(key);
    return found == cards_.end() ? nullptr : &found->second;
}

ContactRow* ContactBook::of_number(const NumberKey& number) {
    auto found = of_numbers_.find(number);
    return found == of_numbers_.end() ? nullptr : find(found->second);
}

ContactRow& ContactBook::make(const CompanyId& company, const std::string& whose, std::optional<Instant> made_at) {
    ContactRow card{company, card_id(company, whose), {}, {}, made_at};
    new_.insert(card.key());
    return cards_.insert_or_assign(card.key(), std::move(card)).first->second;
}

void ContactBook::add_new() {
    std::vector<const ContactRow*> cards;
    for (const auto& key : new_) cards.push_back(&cards_.at(key));
    ensure_own_cards(tx_, cards);
    new_.clear();
}

void ContactBook::save() {
    std::vector<const ContactRow*> cards;
    for (const auto& key : changed_) cards.push_back(&cards_.at(key));
    name_cards(tx_, cards);
    changed_.clear();
}

void ContactBook::fold(const ContactKey& from, const ContactId& into) {
    tx_.write(sql::fold_card, {from.first, from.second, into});
}

}  // namespace otto::lead_pipeline
