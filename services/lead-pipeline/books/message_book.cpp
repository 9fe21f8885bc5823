#include "books/message_book.hpp"

#include <algorithm>
#include <tuple>

#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "rules/segments.hpp"
#include "runtime/work_queue.hpp"
#include "sender/queues.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

/// No call is so named: it has a number of its own, from 1 on.
const CallId kNoCall{0};

/// What texts of ours leave by, its code for a customer who has told it to let none through, and for how long it may be silent
/// about one before it is asked (sender/statuses.hpp).
constexpr const char *kOurProvider = "twilio", *kOptedOut = "21610";
constexpr Millis kFirstSilence{600'000};

bool same_media(const std::vector<Medium>& a, const std::vector<Medium>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Medium& x, const Medium& y) { return x.url == y.url; });
}

}  // namespace

void MessageBook::add(const In& in) {
    const auto& receipt = in.event.receipt();
    add(CompanyId{in.event.company_id()}, receipt.provider(),
        {&in.event.message(), from_micros(receipt.received_at_us()), in.meta.id.value().to_string(), &in.meta,
         receipt.proven_by_deployment()});
}

void MessageBook::hear(const CompanyId& company, const std::string& provider, inbound::v1::MessageReport report,
                       Instant received) {
    heard_.push_back(std::move(report));
    add(company, provider, {&heard_.back(), received, {}, nullptr});
}

void MessageBook::add(const CompanyId& company, const std::string& provider, Report report) {
    const auto& named = report.message->provider_message_id();
    if (named.empty())
        tel::warn("a report of a text that has no id changes nothing", {{"company_id", company.value()}, {"provider", provider}});
    else
        told_[{company, provider, named}].push_back(std::move(report));
}

void MessageBook::write(const OwnText& text) { held({text.company, text.id}).own = text; }

void MessageBook::say(const MessageKey& key, const OwnWord& word) { held(key).words.emplace_back(word, system_clock().now()); }

void MessageBook::look_at(const MessageKey& key) { held(key); }

MessageBook::Held& MessageBook::held(const MessageKey& key) {
    auto [found, is_first] = messages_.try_emplace(key);
    if (is_first) std::tie(found->second.row.company, found->second.row.id) = key;
    return found->second;
}

bool MessageBook::Held::touches() const {
    return written || std::any_of(words.begin(), words.end(), [](const auto& word) { return word.first.asked_at.has_value(); });
}

const MessageRow* MessageBook::at(const MessageKey& key) const {
    auto found = messages_.find(key);
    return found == messages_.end() ? nullptr : &found->second.row;
}

void MessageBook::settle() {
    hold_cards();  // before anything else is locked: whoever works on the same customers waits here
    load();
    resolve();
    for (auto& [key, held] : messages_) merge(held);
    settle_contacts();
    settle_leads();
    save();
    settle_lines();
    leave_former();
    take_opt_outs();
}

void MessageBook::merge(Held& held) {
    auto& row = held.row;
    const auto former = row.message;
    if (held.own && held.is_new) {
        const auto& own = *held.own;
        row.provider = kOurProvider;
        lead_pipeline::merge(
            row.message,
            Written{own.to, own.from, own.body, own.by, own.reason, own.automatic, segments(own.body), own.not_before},
            system_clock().now());
    }
    for (const auto& [word, at] : held.words) lead_pipeline::merge(row.message, word, at);
    for (const auto& report : held.reports)
        lead_pipeline::merge(row.message, *report.message, report.received, report.id, report.by_deployment);
    if (same_media(former.media, row.message.media)) {
        row.message.media = former.media;
    } else {
        row.media = pending(row.message.media);
        held.media_wanted = true;
    }
    held.changed = held.changed || held.is_new || held.taken || row.message != former;
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
        if (row.lead && held.touches()) leads.emplace(row.company, *row.lead);
        if (!row.lead && row.number()) contacts.insert(row.contact_key());
    }
    leads_.find(contacts, leads);
    for (auto& [key, held] : messages_) {
        auto& row = held.row;
        if (!row.lead && row.number()) {
            const auto* cause = held.reports.empty() ? nullptr : held.reports.front().meta;
            auto because = cause ? cause->id.value() : row.id;
            row.lead = leads_.open_lead(row.contact_key(), LeadId{Uuid::v5(because, "lead")}, {}).second;
            held.changed = true;
        }
        // Of a delivery nobody was spoken to, nor by a text that has not left.
        if (row.lead && held.touches() && row.message.written())
            leads_.touch({row.company, *row.lead}, {}, row.message.sent_at, row.provider_message_id);
    }
}

void MessageBook::save() {
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

/// The line of those that leave: who is new enters, and who was taken, as whoever tells it, is out of it. What is looked at anew
/// goes by its number as that is read now.
void MessageBook::settle_lines() {
    std::set<MessageKey> keys;
    for (const auto& [key, held] : messages_) {
        const auto& row = held.row;
        const bool waits = row.provider_message_id.empty() && !is_final(row.message.status_or());
        const bool looked_at = held.looked_at() && held.words.empty();
        if (!held.is_new && row.message.ours() && (held.taken || (looked_at && waits))) keys.insert(key);
    }
    auto sends = sends_.lock(keys);
    // Work rows of numbers are locked one by one, in this order.
    std::sort(sends.begin(), sends.end(),
              [](const Send& a, const Send& b) { return std::tie(a.company, a.from) < std::tie(b.company, b.from); });
    for (const auto& send : sends) {
        const auto& held = messages_.at(send.key());
        if (held.taken)
            sends_.leave(send);
        else if (auto number = held.row.number())
            sends_.redirect(send, number->second);
    }
    for (const auto& [key, held] : messages_) {
        const auto& m = held.row.message;
        if (held.own && held.is_new) {
            Send send;
            std::tie(send.company, send.message) = key;
            send.from = held.own->from;
            send.to = held.own->to;
            send.automatic = m.automatic;
            send.segments = m.segments.value_or(1);
            send.accepted_at = m.sent_at;
            sends_.enter(send, held.own->not_before);
        }
        if (held.taken && !is_final(m.status_or()))
            rt::want(tx_, kTextStatuses, key.first, key.second.to_string(), m.asked_at.value_or(m.sent_at) + kFirstSilence);
    }
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
        const auto& m = held.row.message;
        if (!m.inbound() && held.changed && m.error_code == kOptedOut) opt_outs_.take_refusal(held.row);
        if (!held.written) continue;
        std::string said;
        for (const auto& report : held.reports)
            if (!report.message->opt_out_type().empty()) said = report.message->opt_out_type();
        opt_outs_.take(held.row, said);
    }
    opt_outs_.save();
}

void MessageBook::tell(const std::function<void(const rt::Envelope*, const Outgoing&)>& out) const {
    for (const auto& [key, cause] : folded_) out(cause, events::row_changed(key.first, "message", key.second.to_string(), 0));
    std::set<LeadKey> told;
    for (const auto& [key, held] : messages_) {
        const auto& row = held.row;
        auto changed = [&](const char* kind, const std::string& id, std::int64_t version) {
            out(held.cause(), events::row_changed(row.company, kind, id, version));
        };
        for (const auto& task : held.tasks) changed("task", task.id.to_string(), task.version);
        if (held.moved_lead) {
            calls::v1::LeadMoved moved;
            moved.set_company_id(row.company.value());
            moved.set_phone(row.number() ? row.number()->second : row.provider_message_id);
            moved.set_from_lead(held.moved_lead->value().to_string());
            moved.set_into_lead(row.lead->value().to_string());
            moved.set_contact_card_id(row.contact.value().to_string());
            out(held.cause(), moved);
            changed("lead", held.moved_lead->value().to_string(), 0);
        }
        if (held.left_contact) changed("contact", held.left_contact->value().to_string(), 0);
        if (held.changed) changed("message", row.id.to_string(), row.version);
        if (row.lead && leads_.changed().contains({row.company, *row.lead}) && told.emplace(row.company, *row.lead).second)
            changed("lead", row.lead->value().to_string(), 0);
    }
    for (const auto& c : opt_outs_.changed())
        out(messages_.at(c.because_of).cause(), events::row_changed(c.because_of.first, c.kind, c.id.to_string(), c.version));
}

}  // namespace otto::lead_pipeline
