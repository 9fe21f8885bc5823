#include "runtime/audit.hpp"

#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"

namespace otto::rt {
namespace {

constexpr pg::Query kAudit{"rt.audit", R"sql(
INSERT INTO audit_log (company_id, actor, user_id, action, target, detail, before, after, client_address, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10))sql"};

constexpr std::size_t kLongestValue = 200;

pg::Param unless_empty(std::string_view text) { return text.empty() ? pg::Param(nullptr) : pg::Param(text); }

std::string json_of(const auto& value) {
    JsonWriter w;
    w.value(value);
    return w.take();
}

}  // namespace

std::string_view to_text(Actor actor) {
    switch (actor) {
        case Actor::user:
            return "user";
        case Actor::operator_:
            return "operator";
        case Actor::system:
            return "system";
        case Actor::clerk:
            return "clerk";
    }
    return "system";
}

Changes::Value::Value(std::string_view text) {
    auto phone = normalize_phone(text);
    json_ = json_of(phone.e164 ? "…" + phone.text.substr(phone.text.size() - 4) : clip_utf8(mend_utf8(text), kLongestValue));
}
Changes::Value::Value(Instant at) : json_(json_of(to_rfc3339(at))) {}
Changes::Value::Value(std::int64_t number) : json_(json_of(number)) {}
Changes::Value::Value(bool truth) : json_(json_of(truth)) {}

Changes& Changes::add(std::string_view field, const Value& before, const Value& after) {
    if (before.json() == after.json()) return *this;
    const auto name = (empty() ? "{" : ",") + json_of(field) + ":";
    before_ += name + before.json();
    after_ += name + after.json();
    return *this;
}

std::optional<std::string> Changes::before() const { return empty() ? std::nullopt : std::optional(before_ + "}"); }
std::optional<std::string> Changes::after() const { return empty() ? std::nullopt : std::optional(after_ + "}"); }

void put_on_record(pg::Tx& tx, const CompanyId& company, const Act& act) {
    tx.write(kAudit, {company, to_text(act.actor), unless_empty(act.user), act.action, act.target, act.detail,
                      act.changes.before(), act.changes.after(), unless_empty(act.client_address), unless_empty(act.request_id)});
}

}  // namespace otto::rt
