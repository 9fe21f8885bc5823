#include "base/json_page.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "twilio/api.hpp"

namespace otto::providers::twilio {
namespace {

/// A number as a list or an answer about it has it, but for its number, which the caller has read.
ListedNumber number_in(JsonView entry, std::string e164) {
    ListedNumber n;
    n.sid = said(entry, "sid");
    n.number = std::move(e164);
    auto can = entry["capabilities"];
    n.texts = can["sms"].loose_boolean().value_or(true);
    n.calls = can["voice"].loose_boolean().value_or(true);
    n.sms_url = said(entry, "sms_url");
    n.sms_method = said(entry, "sms_method");
    n.voice_url = said(entry, "voice_url");
    n.voice_method = said(entry, "voice_method");
    n.status_callback = said(entry, "status_callback");
    n.status_callback_method = said(entry, "status_callback_method");
    n.calls_to = said(entry, "trunk_sid");
    if (n.calls_to.empty()) n.calls_to = said(entry, "voice_application_sid");
    n.texts_to = said(entry, "sms_application_sid");
    return n;
}

/// Of a number that is for sale Twilio writes these in capitals, of one that is the account's it does not.
bool can(JsonView entry, std::string_view capital, std::string_view small) {
    auto of = entry["capabilities"];
    return of[capital].loose_boolean().value_or(of[small].loose_boolean().value_or(false));
}

std::string own_words(const ApiError& error, const std::string& body) { return words_in(body, error.why + "."); }

std::string webhooks_form(const NumberWebhooks& w) {
    std::string form;
    for (const auto& [name, value] :
         {std::pair{"VoiceUrl", w.voice_url}, {"SmsUrl", w.sms_url}, {"StatusCallback", w.status_callback}})
        form += (form.empty() ? "" : "&") + form_field(name, value);
    for (auto method : {"VoiceMethod", "SmsMethod", "StatusCallbackMethod"}) form += "&" + form_field(method, "POST");
    return form;
}

}  // namespace

Result<NumberPage> read_numbers(std::string_view json) {
    auto parsed = JsonPage::parse(json, "incoming_phone_numbers");
    if (!parsed || !parsed->document.root()["incoming_phone_numbers"].is_array())
        return Error("Twilio's answer holds no list of numbers");
    NumberPage page;
    page.whole = parsed->unfit.empty();
    auto root = parsed->document.root(), list = root["incoming_phone_numbers"];
    page.next = next_of(root);
    if (page.next.empty() && !said(root, "next_page_uri").empty()) page.whole = false;
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto entry = list.at(i);
        auto phone = normalize_phone(said(entry, "phone_number"));
        if (!phone.e164) {
            page.whole = page.whole && phone.text.find_first_not_of("0123456789") == std::string::npos &&
                         !phone.text.empty();  // a short code
            continue;
        }
        page.numbers.push_back(number_in(entry, phone.text));
    }
    return page;
}

Result<ListedNumber> read_number(std::string_view json) {
    auto parsed = JsonDocument::parse(json);
    auto phone = normalize_phone(parsed ? said(parsed->root(), "phone_number") : "");
    if (!phone.e164 || said(parsed->root(), "sid").empty()) return Error("Twilio's answer holds no number");
    return number_in(parsed->root(), phone.text);
}

Result<std::vector<AvailableNumber>> read_available(std::string_view json) {
    auto parsed = JsonDocument::parse(json);
    auto list = parsed ? parsed->root()["available_phone_numbers"] : JsonView{};
    if (!list.is_array()) return Error("Twilio's answer holds no list of numbers that are for sale");
    std::vector<AvailableNumber> out;
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto entry = list.at(i);
        auto phone = normalize_phone(said(entry, "phone_number"));
        if (!phone.e164) continue;
        out.push_back({phone.text, said(entry, "friendly_name"), said(entry, "locality"), said(entry, "region"),
                       said(entry, "postal_code"), said(entry, "iso_country"), said(entry, "address_requirements"),
                       can(entry, "voice", "voice"), can(entry, "SMS", "sms"), can(entry, "MMS", "mms")});
    }
    return out;
}

BuyOutcome read_buying(const http::Response& answer, const std::string& number, Instant now) {
    if (answer.status < 200 || answer.status >= 300)
        return std::visit([](auto fate) { return BuyOutcome{std::move(fate)}; }, not_done(answer, now, own_words));
    auto bought = read_number(answer.body);
    if (bought && bought->number == number) return Bought{std::move(*bought)};
    return InDoubt{"Twilio answered " + std::to_string(answer.status) + ", but " +
                   (bought ? "with another number" : bought.error().message)};
}

Reply<NumberPage> Client::numbers(const Account& account, const std::string& next, const tel::TraceContext& trace) const {
    return understood<NumberPage>(page(account, "/IncomingPhoneNumbers.json?PageSize=" + std::string(kPageSize), next, trace),
                                  read_numbers);
}

Reply<std::optional<ListedNumber>> Client::number(const Account& account, const std::string& number,
                                                  const tel::TraceContext& trace) const {
    // Twilio answers all numbers that this one is a part of.
    auto reply =
        page(account, "/IncomingPhoneNumbers.json?PhoneNumber=" + percent_encode(number) + "&PageSize=" + std::string(kPageSize),
             "", trace);
    return understood<std::optional<ListedNumber>>(std::move(reply), [&](const std::string& json) {
        using Found = std::optional<ListedNumber>;
        auto page = read_numbers(json);
        if (!page) return Result<Found>(page.error());
        for (auto& n : page->numbers)
            if (n.number == number) return Result<Found>(std::move(n));
        if (!page->whole || !page->next.empty()) return Result<Found>(Error("Twilio's answer about a number is not whole"));
        return Result<Found>(Found{});
    });
}

Reply<std::vector<AvailableNumber>> Client::available(const Account& account, const std::string& country,
                                                      const std::string& area_code, int most,
                                                      const tel::TraceContext& trace) const {
    auto path = "/AvailablePhoneNumbers/" + percent_encode(country) + "/Local.json?PageSize=" + std::to_string(most);
    if (!area_code.empty()) path += "&AreaCode=" + percent_encode(area_code);
    return understood<std::vector<AvailableNumber>>(page(account, path, "", trace), read_available);
}

BuyOutcome Client::buy(const Account& account, const NewNumber& number, const tel::TraceContext& trace) const {
    auto form = form_field("PhoneNumber", number.number) + "&" + webhooks_form(number.webhooks);
    if (!number.friendly_name.empty()) form += "&" + form_field("FriendlyName", number.friendly_name);
    auto answer = post(account, "/IncomingPhoneNumbers.json", std::move(form), trace);
    if (answer) return read_buying(*answer, number.number, system_clock().now());
    return std::visit([](auto fate) { return BuyOutcome{std::move(fate)}; }, unanswered(answer));
}

Reply<ListedNumber> Client::point(const Account& account, const std::string& sid, const NumberWebhooks& webhooks,
                                  const tel::TraceContext& trace) const {
    auto segment = path_segment(sid);
    if (!segment) return ApiError{ApiError::Kind::unreadable, "no number has the SID \"" + sid + "\""};
    auto answer = post(account, "/IncomingPhoneNumbers/" + *segment + ".json", webhooks_form(webhooks), trace);
    if (!answer) return ApiError{ApiError::Kind::no_answer, "Twilio does not answer: " + answer.error().message};
    if (answer->status != 200) return error_of(*answer, system_clock().now());
    return understood<ListedNumber>(read_number(answer->body));
}

}  // namespace otto::providers::twilio
