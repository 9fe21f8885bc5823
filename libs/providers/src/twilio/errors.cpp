#include <algorithm>
#include <iterator>

#include "providers/twilio.hpp"

namespace otto::providers::twilio {
namespace {

struct Meaning {
    int code;
    std::string_view words;
};

/// What Twilio's error dictionary says of each, as those who wrote the text can use it: what is wrong, then what to do.
constexpr Meaning kMeanings[] = {
    {21211,
     "The number it was to go to is none that can get texts. Check the customer's number, correct it on the card, and write "
     "again."},
    {21408,
     "Texts to that country are not allowed for the Twilio account. Allow the country in Twilio's console (Messaging, Settings, "
     "Geo "
     "permissions), and write again."},
    {21606,
     "The number it was to come from cannot send texts to this one, or is none of the Twilio account's. Write from another "
     "number of "
     "the company, or correct its numbers (PATCH /api/v1/numbers/{id})."},
    {21608,
     "The Twilio account is on trial and sends to verified numbers only. Verify this number in Twilio's console, or upgrade the "
     "account there, and write again."},
    {21610,
     "The customer has opted out of texts from this number, so Twilio sends none. Call instead; texts are possible again once "
     "the "
     "customer texts START."},
    {21611,
     "Too many texts of the number it was to come from wait at Twilio already. Write again in some hours, and let the company's "
     "text_rate_per_second be no more than what Twilio grants the number."},
    {21614, "The number it was to go to is no mobile number and gets no texts. Call instead, or ask for a mobile number."},
    {21635, "The number it was to go to is a landline and gets no texts. Call instead, or ask for a mobile number."},
    {30001,
     "It waited at Twilio too long, because too many texts of its number were in front of it. Write again, and let the company's "
     "text_rate_per_second be no more than what Twilio grants the number."},
    {30003, "The phone could not be reached: it is off, out of reach, or takes no texts. Write again later, or call."},
    {30005, "The number it went to is not known, or not in service any more. Check the customer's number, or call."},
    {30006,
     "The number it went to is a landline, or its carrier cannot be reached by text. Call instead, or ask for a mobile number."},
    {30007,
     "The carrier filtered it as unwanted. Write it in other words and without shortened links, and see in Twilio's console that "
     "the "
     "number it came from is registered for business texts (A2P 10DLC, or toll-free verification)."},
    {30022,
     "More texts were sent than the carriers grant the company's campaign (A2P 10DLC). Write again later, and lower the "
     "company's "
     "text_rate_per_second."},
    {30034,
     "The number it came from is not registered for business texts in the US (A2P 10DLC). Add it to a campaign in Twilio's "
     "console "
     "(Messaging, Regulatory compliance), and write again."},
};

}  // namespace

std::string_view explain(int code) {
    auto known = std::find_if(std::begin(kMeanings), std::end(kMeanings), [&](const auto& m) { return m.code == code; });
    return known == std::end(kMeanings) ? std::string_view{} : known->words;
}

}  // namespace otto::providers::twilio
