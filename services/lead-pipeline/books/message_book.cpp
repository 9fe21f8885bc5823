#include "books/message_book.hpp"

#include <algorithm>
#include <tuple>

#include "base/phone.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

/// No call is so named: it has a number of its own, from 1 on.
const CallId kNoCall{0};

bool same_media(const std::vector<Medium>& a, const std::vector<Medium>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Medium& x, const Medium& y) { return x.url == y.url; });
}

}  // namespace

void MessageBook::add(const In& in) {
    const auto& e = in.event;
    const CompanyId company{e.company_id()};
    const auto& provider = e.receipt().provider();
    const auto& named = e.message().provider_message_id();
    if (named.empty()) {
        tel::warn("a report of a text that has no id changes nothing", {{"company_id", company.value()}, {"provider", provider}});
        return;
    }
    const MessageKey key{company, message_id(company, provider, named)};
    auto& held = messages_[key];
    std::tie(held.row.company, held.row.id) = key;
    held.row.provider = provider;
    held.row.provider_message_id = named;
    held.reports.push_back(&in);
    held.written = held.written || says_what_was_written(e.message());
    if (auto phone = normalize_phone(e.message().customer_phone()); phone.e164)
        held.numbers.emplace(company, std::move(phone.text));
}

void MessageBook::look_at(const MessageKey& key) {
    auto& held = messages_[key];
    std::tie(held.row.company, held.row.id) = key;
}

void MessageBook::settle() {
    hold_cards();  // before anything else is locked: whoever works on the same customers waits here
    load();
    for (auto& [key, held] : messages_) merge(held);
    settle_contacts();
    settle_leads();
    write();
    leave_former();
    take_opt_outs();
}

void MessageBook::hold_cards() {
    std::set<MessageKey> looked_at;
    for (const auto& [key, held] : messages_)
        if (held.reports.empty()) looked_at.insert(key);
    for (const auto& row : find_messages(tx_, looked_at))
        if (auto number = row.number()) messages_.at(row.key()).numbers.insert(*number);
    std::set<NumberKey> numbers;
    for (const auto& [key, held] : messages_) numbers.insert(held.numbers.begin(), held.numbers.end());
    contacts_.hold(numbers);
}

void MessageBook::load() {
    std::set<MessageKey> keys;
    for (const auto& [key, held] : messages_) keys.insert(key);
    std::set<ContactKey> cards;
    for (auto& row : lock_messages(tx_, keys)) {
        auto& held = messages_.at(row.key());
        held.is_new = false;
        cards.insert(row.contact_key());
        held.row = std::move(row);
    }
    // Those that texts have for want of a number, mostly none.
    contacts_.hold(cards);
    std::erase_if(messages_, [](const auto& m) { return m.second.reports.empty() && m.second.is_new; });
}

void MessageBook::merge(Held& held) {
    auto& row = held.row;
    const auto former = row.message;
    for (const auto* in : held.reports)
        lead_pipeline::merge(row.message, in->event.message(), from_micros(in->event.receipt().received_at_us()),
                             in->meta.id.value().to_string());
    if (same_media(former.media, row.message.media)) {
        row.message.media = former.media;
    } else {
        row.media = pending(row.message.media);
        held.media_wanted = true;
    }
    held.changed = held.is_new || row.message != former;
}

void MessageBook::settle_contacts() {
    for (auto& [key, held] : messages_) {
        auto& row = held.row;
        auto number = row.number();
        auto* by_number = number ? contacts_.of_number(*number) : nullptr;
        if (by_number && by_number->id != row.contact) {
            go(held, *by_number);
        } else if (!by_number && held.is_new) {
            // One of its own, for want of a number. The company's calls have names of another kind.
            row.contact = contacts_.make(row.company, "message\n" + row.provider + "\n" + row.provider_message_id, {}).id;
        }
    }
    contacts_.add_new();
}

/// The customer's number is known by now.
void MessageBook::go(Held& held, const ContactRow& into) {
    auto& row = held.row;
    const auto* former = held.is_new ? nullptr : contacts_.find(row.contact_key());
    row.contact = into.id;
    held.changed = true;
    if (former && !former->phone)
        held.left_contact = former->id;
    else
        row.lead.reset();
}

/// On a card without a number a lead was this customer's: it comes along, unless it is there already or others hang on it.
void MessageBook::bring_leads() {
    std::set<LeadKey> had;
    for (const auto& [key, held] : messages_)
        if (held.left_contact && held.row.lead) had.emplace(held.row.company, *held.row.lead);
    leads_.find({}, had);
    for (auto& [key, held] : messages_) {
        auto& row = held.row;
        if (!held.left_contact || !row.lead) continue;
        const LeadKey lead{row.company, *row.lead};
        const auto* found = leads_.at(lead);
        if (found && found->contact == row.contact) continue;
        if (leads_.adopt(lead, row.contact, kNoCall, LeadBook::Adopt::if_free)) {
            held.moved_lead = row.lead;
        } else {
            held.left_lead = row.lead;
            row.lead.reset();
        }
    }
}

void MessageBook::settle_leads() {
    bring_leads();
    std::set<ContactKey> contacts;
    std::set<LeadKey> leads;
    for (const auto& [key, held] : messages_) {
        const auto& row = held.row;
        if (row.lead && held.written) leads.emplace(row.company, *row.lead);
        if (!row.lead && row.number()) contacts.insert(row.contact_key());
    }
    leads_.find(contacts, leads);
    for (auto& [key, held] : messages_) {
        auto& row = held.row;
        if (!row.lead && row.number()) {
            auto because = held.reports.empty() ? row.id : held.reports.front()->meta.id.value();
            row.lead = leads_.open_lead(row.contact_key(), LeadId{Uuid::v5(because, "lead")}, {}).second;
            held.changed = true;
        }
        // Of a delivery nobody was spoken to.
        if (row.lead && held.written && row.message.written())
            leads_.touch({row.company, *row.lead}, {}, row.message.sent_at, row.provider_message_id);
    }
}

void MessageBook::write() {
    // The moment, so that what is written over a restored database is above what readers know of the time that was lost.
    const auto now_ms = to_micros(system_clock().now()) / 1000;
    std::vector<const MessageRow*> added, changed;
    std::set<MessageKey> with_media;
    for (auto& [key, held] : messages_) {
        if (!held.changed) continue;
        held.row.version = std::max(held.row.version + 1, now_ms);
        (held.is_new ? added : changed).push_back(&held.row);
        if (held.media_wanted) with_media.insert(key);
    }
    leads_.save();
    add_messages(tx_, added);
    change_messages(tx_, changed);
    if (!with_media.empty()) tx_.write(sql::want_media, pg::arrays(with_media));
}

/// What hung on the card and lead that a text had goes along, once nothing hangs on them any more.
void MessageBook::leave_former() {
    for (auto& [key, held] : messages_) {
        const auto& row = held.row;
        if (held.left_lead && row.lead && *held.left_lead != *row.lead) {
            auto left = leads_.leave({row.company, *held.left_lead}, *row.lead, kNoCall, row.contact);
            held.tasks = std::move(left.tasks);
            if (left.whole) held.moved_lead = held.left_lead;
        }
        if (held.left_contact) contacts_.fold({row.company, *held.left_contact}, row.contact);
    }
}

void MessageBook::take_opt_outs() {
    for (const auto& [key, held] : messages_) {
        if (!held.written) continue;
        std::string said;
        for (const auto* in : held.reports)
            if (!in->event.message().opt_out_type().empty()) said = in->event.message().opt_out_type();
        opt_outs_.take(held.row, said);
    }
    opt_outs_.save();
}

void MessageBook::tell(const std::function<void(const rt::Envelope*, const Outgoing&)>& out) const {
    auto cause_of = [](const Held& held) { return held.reports.empty() ? nullptr : &held.reports.back()->meta; };
    std::set<LeadKey> told;
    for (const auto& [key, held] : messages_) {
        const auto& row = held.row;
        auto changed = [&](const char* kind, const std::string& id, std::int64_t version) {
            out(cause_of(held), events::row_changed(row.company, kind, id, version));
        };
        for (const auto& task : held.tasks) changed("task", task.id.to_string(), task.version);
        if (held.moved_lead) {
            calls::v1::LeadMoved moved;
            moved.set_company_id(row.company.value());
            moved.set_phone(row.number() ? row.number()->second : row.provider_message_id);
            moved.set_from_lead(held.moved_lead->value().to_string());
            moved.set_into_lead(row.lead->value().to_string());
            moved.set_contact_card_id(row.contact.value().to_string());
            out(cause_of(held), moved);
            changed("lead", held.moved_lead->value().to_string(), 0);
        }
        if (held.left_contact) changed("contact", held.left_contact->value().to_string(), 0);
        if (held.changed) changed("message", row.id.to_string(), row.version);
        if (row.lead && leads_.changed().contains({row.company, *row.lead}) && told.emplace(row.company, *row.lead).second)
            changed("lead", row.lead->value().to_string(), 0);
    }
    for (const auto& c : opt_outs_.changed())
        out(cause_of(messages_.at(c.because_of)), events::row_changed(c.because_of.first, c.kind, c.id.to_string(), c.version));
}

}  // namespace otto::lead_pipeline
