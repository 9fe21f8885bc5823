#pragma once
// Texts that leave: accepted, and asked as the sender asks, a step a function, each in a transaction of its own.
#include <optional>
#include <string>

#include "books/gate.hpp"
#include "books/message_book.hpp"
#include "texts.hpp"

namespace otto::lead_pipeline::tests {

struct Wish {
    std::string to = kCustomer, from = kOurs;
    bool automatic = false;
    std::optional<Instant> not_before = {};
    std::optional<Uuid> id = {};
};

/// Its id.
inline Uuid accept(const std::string& company, const std::string& body, const Wish& wish = {}) {
    auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
    MessageBook book(tx);
    auto id = wish.id.value_or(Uuid::v7(system_clock().now()));
    book.write({.company = CompanyId{company},
                .to = wish.to,
                .from = wish.from,
                .body = body,
                .by = wish.automatic ? std::nullopt : std::optional<std::string>("user_office"),
                .id = id,
                .automatic = wish.automatic,
                .reason = wish.automatic ? std::optional<std::string>("a reminder") : std::nullopt,
                .not_before = wish.not_before});
    book.settle();
    tx.commit();
    return id;
}

/// Noted, as before the provider is asked. False: it is in no line, or its customer wants none.
inline bool note(pg::Connection& db, const std::string& company, const Uuid& id, const std::string& to = kCustomer,
                 const std::function<void()>& before_commit = {}) {
    const MessageKey key{CompanyId{company}, id};
    auto tx = db.begin(pg::Scope::company(key.first));
    ContactBook(tx).hold(std::set{NumberKey{key.first, to}});
    SendBook sends(tx);
    MessageBook book(tx);
    auto send = sends.lock(key);
    if (!send) return false;
    auto closed = closed_to(tx, {key.first, to}, send->automatic);
    if (closed) {
        book.say(key, {.status = "canceled", .error_message = closed});
        sends.leave(*send);
    } else {
        send->state = "asked";
        send->asked_at = system_clock().now();
        book.say(key, {.status = "sending", .asked_at = send->asked_at});
        sends.save(*send);
    }
    book.settle();
    if (before_commit) before_commit();
    tx.commit();
    return !closed;
}
inline bool note(const std::string& company, const Uuid& id, const std::string& to = kCustomer) {
    return note(Db::shared().service, company, id, to);
}

/// Something that is done to a text's place in its line.
inline void in_line(const std::string& company, const Uuid& id, const std::function<void(SendBook&, Send&)>& change) {
    auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
    SendBook sends(tx);
    auto send = sends.lock(MessageKey{CompanyId{company}, id});
    REQUIRE(send);
    change(sends, *send);
    tx.commit();
}

inline void say(const std::string& company, const Uuid& id, const OwnWord& word) {
    auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
    MessageBook book(tx);
    book.say({CompanyId{company}, id}, word);
    book.settle();
    tx.commit();
}

/// A status callback that names our text.
inline Told callback(const std::string& sid, const std::string& word, int received, const Uuid& ours,
                     const std::string& error = "") {
    auto t = status(sid, word, received, error);
    t.report.set_our_message_id(ours.to_string());
    return t;
}

/// As the provider's list has it.
inline Told listed(const std::string& sid, const std::string& body, Instant made) {
    auto t = sent_text(sid, body, 0, 0);
    t.report.set_status("queued");
    t.report.set_sent_at_us(to_micros(made));
    t.received = static_cast<int>((made - at(0)) / std::chrono::seconds(1)) + 60;
    return t;
}

}  // namespace otto::lead_pipeline::tests
