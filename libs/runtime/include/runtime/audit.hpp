#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "pg/tx.hpp"

/// Who did what, on record: lines of `audit_log`, which are added and never changed. What a request does has its line from
/// api::Context, which knows who asks; whoever acts otherwise (a webhook, a job, a consumer) adds it here, in the transaction
/// that acts:
///
///     rt::put_on_record(tx, company, {.actor = rt::Actor::clerk, .action = "user.remove", .target = user,
///                                     .changes = rt::Changes().add("status", "active", "removed")});
namespace otto::rt {

/// By whose hand.
enum class Actor { user, operator_, system, clerk };
std::string_view to_text(Actor);

/// What an act made of what, field by field: only what differs. For words, ids, times and amounts, not for what people wrote, and
/// never for a secret: nothing takes a line back. Numbers by which people are called are kept as their last four digits.
class Changes {
public:
    /// A value as its line keeps it. Implicit, as pg::Param.
    class Value {
    public:
        Value(std::nullopt_t) {}
        Value(std::string_view text);
        Value(const std::string& text) : Value(std::string_view(text)) {}
        Value(const char* text) : Value(std::string_view(text)) {}
        Value(Instant);
        Value(std::int64_t);
        Value(int number) : Value(static_cast<std::int64_t>(number)) {}
        Value(bool);
        template <class T>
        Value(const std::optional<T>& v) {
            if (v) *this = Value(*v);
        }
        const std::string& json() const { return json_; }

    private:
        std::string json_ = "null";
    };
    Changes& add(std::string_view field, const Value& before, const Value& after);
    bool empty() const { return before_.empty(); }
    /// JSON objects; nullopt if nothing differs.
    std::optional<std::string> before() const;
    std::optional<std::string> after() const;

private:
    std::string before_, after_;  ///< members, without the last brace
};

/// One line of audit_log.
struct Act {
    Actor actor = Actor::system;
    std::string_view user = {};      ///< who, at the issuer; "": nobody in person, which a user's act never is
    std::string_view action;         ///< noun.verb, as the contract's x-audit: "user.remove"
    std::string_view target;         ///< the id of what it was done to
    std::string_view detail = "{}";  ///< an object of what else is to be known; never a secret, nor what people wrote
    Changes changes = {};
    std::string_view client_address = {}, request_id = {};
};

/// Queued in `tx`, whose scope must hold the company: it commits with what was done, or not at all. For services whose role may
/// insert into audit_log.
void put_on_record(pg::Tx& tx, const CompanyId& company, const Act&);

}  // namespace otto::rt
