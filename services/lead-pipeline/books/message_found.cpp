// Which text a report is about: the one of ours that it names, the one that the provider knows so, one of ours in doubt, or one
// that nobody has told of.
#include "base/phone.hpp"
#include "books/message_book.hpp"
#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {
namespace {

/// By how much the provider's clock may be behind ours.
constexpr Millis kClocks{10'000};

std::optional<NumberKey> customer_of(const CompanyId& company, const inbound::v1::MessageReport& report) {
    auto phone = normalize_phone(report.customer_phone());
    return phone.e164 ? std::optional(NumberKey{company, std::move(phone.text)}) : std::nullopt;
}

bool claims(const inbound::v1::MessageReport& report) { return !report.our_message_id().empty(); }

}  // namespace

/// Of a report that claims to be about a text of ours the card is that text's: of what it says nothing is true yet.
void MessageBook::hold_cards() {
    std::set<NumberKey> numbers;
    std::set<MessageKey> known;
    for (const auto& [key, held] : messages_) {
        if (held.own)
            numbers.emplace(held.own->company, held.own->to);
        else
            known.insert(key);
    }
    for (const auto& [named, reports] : told_) {
        const auto& company = std::get<0>(named);
        for (const auto& report : reports) {
            if (claims(*report.message)) {
                if (auto id = Uuid::parse(report.message->our_message_id())) known.emplace(company, *id);
            } else if (auto number = customer_of(company, *report.message)) {
                numbers.insert(std::move(*number));
            }
        }
    }
    for (const auto& row : find_messages(tx_, known))
        if (auto number = row.number()) numbers.insert(std::move(*number));
    contacts_.hold(numbers);
}

void MessageBook::load() {
    std::set<MessageKey> ids;
    std::set<ProviderKey> names;
    for (const auto& [key, held] : messages_) ids.insert(key);
    for (const auto& [named, reports] : told_) {
        names.insert(named);
        for (const auto& report : reports)
            if (auto id = Uuid::parse(report.message->our_message_id())) ids.emplace(std::get<0>(named), *id);
    }
    take(lock_messages_told(tx_, ids, names));
}

void MessageBook::take(std::vector<MessageRow> rows) {
    std::set<ContactKey> cards;
    for (auto& row : rows) {
        auto& h = held(row.key());
        cards.insert(row.contact_key());
        if (!row.provider_message_id.empty()) known_.emplace(row.provider_key(), row.key());
        h.is_new = false;
        h.row = std::move(row);
    }
    // Those that texts have for want of a number, mostly none.
    contacts_.hold(cards);
}

void MessageBook::resolve() {
    const auto doubts = in_doubt();
    for (auto& [named, reports] : told_) {
        auto ours = claim(reports, named);
        if (reports.empty()) continue;
        const auto& [company, provider, id] = named;
        auto known = known_.find(named);
        auto doubt = doubts.find(named);
        if (ours && known != known_.end() && known->second != *ours) {
            folded_.emplace_back(known->second, reports.back().meta);
            fold(known->second, *ours);
        }
        auto key = ours                    ? *ours
                   : known != known_.end() ? known->second
                   : doubt != doubts.end() ? doubt->second
                                           : MessageKey{company, message_id(company, provider, id)};
        give(named, key, std::move(reports));
    }
    std::erase_if(messages_, [](const auto& m) { return m.second.looked_at() && m.second.is_new; });
}

/// The text of ours that these reports say they are about. Those of which that cannot be are refused.
std::optional<MessageKey> MessageBook::claim(std::vector<Report>& reports, const ProviderKey& named) {
    std::optional<MessageKey> ours;
    std::erase_if(reports, [&](const Report& report) {
        if (!claims(*report.message)) return false;
        auto id = Uuid::parse(report.message->our_message_id());
        if (!id) {
            refused_.push_back({report.meta, "what it names as ours is no id of a text"});
            return true;
        }
        const MessageKey claimed{std::get<0>(named), *id};
        auto why =
            ours && *ours != claimed ? "two texts of ours are named by reports of this one" : misclaim(report, named, claimed);
        if (why.empty())
            ours = claimed;
        else
            refused_.push_back({report.meta, why});
        return !why.empty();
    });
    return ours;
}

/// Why it cannot be about that one; "" if it can.
std::string MessageBook::misclaim(const Report& report, const ProviderKey& named, const MessageKey& claimed) const {
    auto found = messages_.find(claimed);
    if (found == messages_.end() || found->second.is_new) return "it names a text that is none of this company's";
    const auto& row = found->second.row;
    const auto& [company, provider, id] = named;
    auto number = customer_of(company, *report.message);
    if (!row.message.ours() || row.provider != provider) return "it names a text that was not sent from here";
    if (!number || row.number() != number || row.message.company_number != report.message->company_number())
        return "its To and From are not those of the text that it names";
    if (!row.provider_message_id.empty() && row.provider_message_id != id)
        return "the provider has told another id of the text that it names: it may have been sent twice";
    auto known = known_.find(named);
    if (known != known_.end() && known->second != claimed && messages_.at(known->second).row.message.ours())
        return "another text of ours has the id by which the provider names it";
    return "";
}

/// Reports of texts that nobody knows yet and that were sent may be of one of ours whose fate is unknown: of the same pair, in
/// the same words, made since it was asked.
std::map<ProviderKey, MessageKey> MessageBook::in_doubt() {
    std::map<ProviderKey, std::pair<Pair, const Report*>> perhaps;
    std::set<Pair> pairs;
    for (const auto& [named, reports] : told_) {
        if (known_.contains(named)) continue;
        const auto& company = std::get<0>(named);
        for (const auto& report : reports) {
            const auto& said = *report.message;
            auto number = customer_of(company, said);
            if (claims(said) || said.direction() != "outbound" || !said.has_body() || !number) continue;
            Pair pair{company, said.company_number(), number->second};
            pairs.insert(pair);
            perhaps.try_emplace(named, std::move(pair), &report);
        }
    }
    std::map<Pair, Send> sends;
    std::set<MessageKey> keys;
    for (auto& send : sends_.in_doubt(pairs)) {
        keys.insert(send.key());
        sends.emplace(Pair{send.company, send.from, send.to}, std::move(send));
    }
    take(lock_messages(tx_, keys));
    std::map<ProviderKey, MessageKey> found;
    for (const auto& [named, may] : perhaps) {
        const auto& [pair, report] = may;
        auto send = sends.find(pair);
        if (send == sends.end()) continue;
        auto made = report->message->has_sent_at_us() ? from_micros(report->message->sent_at_us()) : report->received;
        auto ours = messages_.find(send->second.key());
        if (ours == messages_.end() || ours->second.row.provider != std::get<1>(named) ||
            !is_copy(report->message->body(), ours->second.row.message.body.value_or("")) ||
            !ours->second.row.provider_message_id.empty() || made < send->second.asked_at.value_or(made) - kClocks)
            continue;
        found.emplace(named, ours->first);
        sends.erase(send);
    }
    return found;
}

void MessageBook::give(const ProviderKey& named, const MessageKey& key, std::vector<Report> reports) {
    auto& h = held(key);
    const auto& [company, provider, id] = named;
    if (h.is_new) h.row.provider = provider;
    h.taken = !h.is_new && h.row.provider_message_id.empty();
    h.row.provider_message_id = id;
    for (const auto& report : reports) h.written = h.written || says_what_was_written(*report.message);
    h.reports = std::move(reports);
}

/// A row that was made for want of knowing better.
void MessageBook::fold(const MessageKey& from, const MessageKey& into) {
    auto gone = messages_.extract(from);
    auto& h = held(into);
    lead_pipeline::merge(h.row.message, gone.mapped().row.message);
    h.changed = true;
    tx_.write(sql::drop_message, {from.first, from.second});
}

}  // namespace otto::lead_pipeline
