#include "commands/messages.hpp"

#include <algorithm>
#include <set>
#include <type_traits>
#include <vector>

#include "api/inputs.hpp"
#include "api/resources.hpp"
#include "base/phone.hpp"
#include "books/gate.hpp"
#include "books/message_book.hpp"
#include "lead-pipeline/sql.hpp"
#include "runtime/runtime.hpp"
#include "sender/from.hpp"

namespace otto::lead_pipeline {
namespace {

using api::Context;
using api::Inputs;

constexpr std::size_t kLongestBody = 1'600;  // characters: what Twilio takes

/// Who is written to.
struct Customer {
    const char* field;   ///< that names them
    std::string number;  ///< callable
    std::optional<ContactId> contact;
};

struct Card {
    ContactId id;
    std::optional<std::string> phone;
    static Card from(const pg::Fields& f) { return {ContactId{f.uuid("id")}, f.maybe_text("primary_phone")}; }
};

struct Place {
    std::string direction, status;
    std::optional<std::string> customer;
    static Place from(const pg::Fields& f) { return {f.text("direction"), f.text("status"), f.maybe_text("customer")}; }
};

/// A rep writes to contacts of own leads, and makes none.
Customer customer(Context& c, const Inputs& in) {
    auto id = in.uuid("contact_id");
    auto number = in.phone("to");
    if (id && number) api::refuse_field("to", "is given beside contact_id; give one of the two");
    if (!id && !number) api::refuse_field("to", "is missing; give a number, or contact_id");
    auto self = c.viewer().only();
    auto card = id ? c.tx().maybe<Card>(sql::contact_to_text, {c.company(), *id, self})
                   : c.tx().maybe<Card>(sql::contact_of_number, {c.company(), *number, self});
    if (!card && (id || self)) api::not_found("contact");
    if (number) return {"to", *number, card ? std::optional(card->id) : std::nullopt};
    auto phone = normalize_phone(card->phone.value_or(""));
    if (!phone.e164) api::refuse_field("contact_id", "has no number that can be texted");
    return {"contact_id", phone.text, card->id};
}

directory::ProfilePtr profile_of(const directory::Companies& companies, const CompanyId& company) {
    auto profile = companies.find(company);
    if (!profile && !companies.caught_up())
        throw api::Refusal{{503, "Not ready", "The companies' numbers are being read after a start; send it again shortly.", {}},
                           1};
    return profile;
}

/// The number that is asked for, else the usual one.
std::string sender(Context& c, const Inputs& in, const std::vector<std::string>& numbers, const Customer& to) {
    auto is_ours = [&](const std::string& number) { return std::find(numbers.begin(), numbers.end(), number) != numbers.end(); };
    if (numbers.empty())
        api::refuse(
            409, "No number to send from",
            "The company has no number from which texts leave; connect Twilio (POST /api/v1/onboarding/twilio/connect), or "
            "register one of its numbers for texts: POST /api/v1/numbers with provider twilio and purpose text.",
            {{"from", "there is no number of the company for texts at Twilio"}});
    if (auto asked = in.phone("from")) {
        if (!is_ours(*asked))
            api::refuse_field("from", "is no number of the company for texts at Twilio; GET /api/v1/numbers lists its numbers");
        return *asked;
    }
    return usual_number(c.tx(), c.company(), to.contact, numbers);
}

void refuse_opted_out(const Customer& to, const std::string& since) {
    throw api::Refusal{{409,
                        "Opted out",
                        "This customer wants no texts (" + since +
                            "). They are allowed again when the customer texts START, or the entry is taken back: "
                            "DELETE /api/v1/opt-outs/{id}.",
                        {{to.field, since}},
                        "/problems/opted-out"}};
}

/// All but the text itself, of which the answer tells.
void tell(Context& c, const MessageBook& book) {
    static const rt::Emitter<calls::v1::LeadMoved, changes::v1::RowChanged> emitter("lead-pipeline");
    book.tell([&](const rt::Envelope*, const MessageBook::Outgoing& event) {
        std::visit(
            [&](const auto& m) {
                if constexpr (std::is_same_v<std::decay_t<decltype(m)>, changes::v1::RowChanged>)
                    if (m.kind() == "message") return;
                emitter.emit(c.tx(), m, c.request.trace);
            },
            event);
    });
}

}  // namespace

http::Response MessageCommands::send(Context& c) const {
    auto in = Inputs::of(c.request, {"contact_id", "to", "body", "from"});
    auto body = in.lines("body", kLongestBody);
    if (!body) api::refuse_field("body", "is missing");
    const auto to = customer(c, in);
    const auto profile = profile_of(companies_, c.company());
    const auto now = system_clock().now();
    if (profile && std::any_of(profile->numbers.begin(), profile->numbers.end(),
                               [&](const auto& n) { return n.e164 == to.number && n.covers(now); }))
        api::refuse_field(to.field, "is a number of your own company");
    auto from = sender(c, in, profile ? text_numbers(profile->numbers, now) : std::vector<std::string>{}, to);
    if (auto closed = closed_to(c.tx(), {c.company(), to.number}, false)) refuse_opted_out(to, *closed);

    auto id = Uuid::v7(c.request.received_at);
    MessageBook book(c.tx());
    book.write({.company = c.company(), .to = to.number, .from = from, .body = *body, .by = c.who.user.value(), .id = id});
    book.settle();
    tell(c, book);
    std::vector<std::string> given{to.field, "body"};
    if (in.has("from")) given.emplace_back("from");
    return c.changed({"message", id.to_string(), "message.send", given}, sql::message, resources::message_value, 202);
}

http::Response MessageCommands::cancel(Context& c) const {
    auto id = c.id("message_id", "message");
    Inputs::of(c.request, {});
    auto look = [&] { return c.tx().maybe<Place>(sql::message_to_cancel, {c.company(), id, c.viewer().only()}); };
    auto place = look();
    if (!place) api::not_found("message");
    if (place->direction == "inbound")
        api::refuse(409, "Nothing to cancel", "The customer sent this text; only what is still to leave can be canceled.",
                    {{"status", "is " + place->status}});
    // Whoever is about to ask the provider holds the card of the number, and so waits here, or is waited for.
    auto phone = normalize_phone(place->customer.value_or(""));
    if (phone.e164) ContactBook(c.tx()).hold(std::set{NumberKey{c.company(), phone.text}});
    SendBook sends(c.tx());
    const MessageKey key{c.company(), id};
    auto waits = sends.lock(key);
    if (!waits || waits->in_doubt()) {
        place = look();
        if (place && place->status == "canceled") return c.row(id.to_string(), sql::message, resources::message_value);
        api::refuse(409, "Too late to cancel", "The provider was asked to send this text; what has left cannot be taken back.",
                    {{"status", "is " + (place ? place->status : "unknown")}});
    }
    MessageBook book(c.tx());
    book.say(key, {.status = "canceled"});
    book.settle();
    sends.leave(*waits);
    tell(c, book);
    return c.changed({"message", id.to_string(), "message.cancel"}, sql::message, resources::message_value);
}

}  // namespace otto::lead_pipeline
