#include "rows/message_row.hpp"

#include "base/json.hpp"
#include "base/phone.hpp"
#include "rows/origins_value.hpp"

namespace otto::lead_pipeline {
namespace {

/// A column of JSON, as its text.
struct Json {
    std::string text;
};

}  // namespace
}  // namespace otto::lead_pipeline

template <>
struct otto::pg::Value<otto::lead_pipeline::Json> {
    static constexpr std::string_view type = "jsonb";
    static std::optional<otto::lead_pipeline::Json> read(const Fields& f, std::string_view column) {
        return otto::lead_pipeline::Json{f.text(column)};
    }
    static Param write(const otto::lead_pipeline::Json& json) { return json.text; }
};

namespace otto::lead_pipeline {
namespace {

using MaybeText = std::optional<std::string>;

/// Of an inbound text the customer is who wrote it.
MaybeText& end_of(Message& m, std::string_view which) { return (which == "from") == m.inbound() ? m.customer : m.company_number; }

pg::Column<MessageRow> end_column(const char* name, const char* which) {
    return pg::derived<MessageRow>(
        name,
        [which](const MessageRow& r) -> MaybeText {
            return (std::string_view(which) == "from") == r.message.inbound() ? r.message.customer : r.message.company_number;
        },
        [which](MessageRow& r, MaybeText number) { end_of(r.message, which) = std::move(number); });
}

std::vector<Medium> media_of(const std::string& json) {
    std::vector<Medium> media;
    auto parsed = JsonDocument::parse(json);
    if (!parsed) return media;
    auto root = parsed->root();
    for (std::size_t i = 0; i < root.size(); ++i)
        media.push_back({std::string(root.at(i)["url"].string().value_or("")),
                         std::string(root.at(i)["content_type"].string().value_or("")),
                         root.at(i)["of_deployment"].boolean().value_or(false)});
    return media;
}

const pg::Table<MessageRow> kMessages(
    "lead_pipeline", "messages",
    {
        pg::col("company_id", &MessageRow::company).key(),
        pg::col("id", &MessageRow::id).key(),
        pg::col("provider", &MessageRow::provider).once(),
        pg::derived<MessageRow>(
            "provider_message_id",
            [](const MessageRow& r) -> MaybeText { return r.provider_message_id.empty() ? MaybeText{} : r.provider_message_id; },
            [](MessageRow& r, MaybeText id) { r.provider_message_id = id.value_or(""); }),
        // Before the ends, because it tells which is whose.
        pg::derived<MessageRow>(
            "direction", [](const MessageRow& r) { return r.message.direction_or(); },
            [](MessageRow& r, std::string direction) { r.message.direction = std::move(direction); }),
        end_column("from_number", "from"),
        end_column("to_number", "to"),
        pg::col("body", &MessageRow::message, &Message::body),
        pg::derived<MessageRow>(
            "media", [](const MessageRow& r) { return Json{r.media}; },
            [](MessageRow& r, Json media) {
                r.message.media = media_of(media.text);
                r.media = std::move(media.text);
            }),
        pg::col("segments", &MessageRow::message, &Message::segments),
        pg::derived<MessageRow>(
            "status", [](const MessageRow& r) { return r.message.status_or(); },
            [](MessageRow& r, std::string status) { r.message.status = std::move(status); }),
        pg::col("error_code", &MessageRow::message, &Message::error_code),
        pg::col("error_message", &MessageRow::message, &Message::error_message),
        pg::col("contact_card_id", &MessageRow::contact),
        pg::col("lead_id", &MessageRow::lead),
        pg::col("sent_by", &MessageRow::message, &Message::agent),
        pg::col("sent_at", &MessageRow::message, &Message::sent_at),
        pg::col("automatic", &MessageRow::message, &Message::automatic).once(),
        pg::col("reason", &MessageRow::message, &Message::reason).once(),
        pg::col("scheduled_at", &MessageRow::message, &Message::scheduled_at),
        pg::col("asked_at", &MessageRow::message, &Message::asked_at),
        pg::col("status_unknown", &MessageRow::message, &Message::status_unknown),
        pg::derived<MessageRow>(
            "merge_state", [](const MessageRow& r) { return r.message.origins; },
            [](MessageRow& r, Origins origins) {
                // What stands there for want of a statement is none.
                if (!origins.of("direction") && origins.of("sent_at")) r.message.direction.reset();
                if (!origins.of("status") && origins.of("sent_at")) r.message.status.reset();
                r.message.origins = std::move(origins);
            }),
        pg::col("version", &MessageRow::version),
    });

}  // namespace

Uuid message_id(const CompanyId& company, std::string_view provider, std::string_view provider_message_id) {
    static const Uuid space = *Uuid::parse("6f74746f-6d73-5367-a473-000000000001");
    return Uuid::v5(space, company.value() + "\n" + std::string(provider) + "\n" + std::string(provider_message_id));
}

std::optional<NumberKey> MessageRow::number() const {
    if (!message.customer) return std::nullopt;
    auto phone = normalize_phone(*message.customer);
    return phone.e164 ? std::optional(NumberKey{company, std::move(phone.text)}) : std::nullopt;
}

std::string pending(const std::vector<Medium>& media) {
    JsonWriter w;
    w.begin_array();
    std::size_t n = 0;
    for (const auto& medium : media) {
        w.begin_object().member("n", n++).member("state", "pending").member("url", medium.url);
        if (!medium.content_type.empty()) w.member("content_type", medium.content_type);
        if (medium.of_deployment) w.member("of_deployment", true);
        w.end_object();
    }
    return w.end_array().take();
}

const pg::Select<MessageRow> find_messages = kMessages.by("find_messages", {"company_id", "id"});
const pg::Select<MessageRow> lock_messages =
    kMessages.by("lock_messages", {"company_id", "id"}, "ORDER BY company_id, id FOR UPDATE");
const pg::Select<MessageRow> lock_messages_told = kMessages.select(
    "lock_messages_told",
    "SELECT {columns} FROM messages WHERE (company_id, id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]) UNION ALL "
    "SELECT m.company_id, m.id FROM unnest($3::text[], $4::text[], $5::text[]) AS i (company_id, provider, provider_message_id) "
    "JOIN messages m ON m.company_id = i.company_id AND m.provider = i.provider AND m.provider_message_id = "
    "i.provider_message_id) ORDER BY company_id, id FOR UPDATE");
// No ON CONFLICT: if another batch has just made the row, this batch must read it and begin again.
const pg::Write<MessageRow> add_messages = kMessages.insert("add_messages", "ORDER BY company_id, id");
const pg::Write<MessageRow> change_messages = kMessages.update(
    "change_messages", {"provider_message_id", "direction", "from_number", "to_number", "body", "media", "segments", "status",
                        "error_code", "error_message", "contact_card_id", "lead_id", "sent_by", "sent_at", "scheduled_at",
                        "asked_at", "status_unknown", "merge_state", "version"});

}  // namespace otto::lead_pipeline
