#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/settings.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "telemetry/trace.hpp"

namespace otto::inbound::v1 {
class ProviderEvent;
}

/// Twilio's API, version 2010-04-01 (providers.md §2.7), asked for one account.
namespace otto::providers::twilio {

/// Whose account is asked, and as whom.
struct Account {
    std::string sid;   ///< AC…
    std::string user;  ///< of basic auth: the account's SID with its auth token, or an API key (SK…) with its secret
    Secret password;
    static Account with_token(std::string sid, Secret token) { return {sid, sid, std::move(token)}; }
};
/// The deployment's own account, if it has one that can be asked: with its API key where one is set, else with the newest token.
std::optional<Account> deployment_account(const app::Settings&);
/// AC and 32 hexadecimal digits.
bool is_account_sid(std::string_view);

/// Why there is no answer of the wished kind.
struct ApiError {
    enum class Kind {
        no_answer,   ///< nothing came
        refused,     ///< 401, 20003, 20005, 10001: SID and secret do not fit together, or the account is suspended or closed
        forbidden,   ///< 403: whom it let in may not do that
        not_found,   ///< 404
        busy,        ///< 429, 20429: too much at once
        failed,      ///< any other status
        unreadable,  ///< an answer that is none
    };
    Kind kind;
    std::string why;                   ///< for people; holds nothing secret
    int code = 0;                      ///< Twilio's own: 20003; 0 = none was given
    std::optional<Millis> after = {};  ///< how long it asks to be left alone
    int status = 0;                    ///< HTTP's; 0 = nothing came
    /// Other credentials may help, asking again does not.
    bool not_let_in() const { return kind == Kind::refused || kind == Kind::forbidden || kind == Kind::not_found; }
};
template <class T>
using Reply = std::variant<T, ApiError>;

/// What Twilio says of an account itself.
struct AccountState {
    std::string name, status, type;  ///< active | suspended | closed; Trial | Full
};

/// One number of an account, and what Twilio does with what comes for it.
struct ListedNumber {
    std::string sid;     ///< PN…
    std::string number;  ///< E.164
    bool texts = false, calls = false;
    std::string sms_url, sms_method, voice_url, voice_method;
    std::string status_callback, status_callback_method;  ///< told when a call has ended
    /// An application or a trunk (AP…, TK…) that takes what comes in place of those addresses; "" = none does.
    std::string calls_to, texts_to;
};
/// A page of a list, and where the next one is: a path with query below the API's address, "" behind the last one.
struct NumberPage {
    std::vector<ListedNumber> numbers;
    std::string next;
    bool whole = true;  ///< false: something in it could not be understood, so that nothing may be concluded from what it lacks
};

/// Where what comes for a number goes; each is asked by POST.
struct NumberWebhooks {
    std::string voice_url, sms_url, status_callback;
};
/// A number that is for sale.
struct AvailableNumber {
    std::string number;  ///< E.164
    std::string friendly_name, locality, region, postal_code, country;
    std::string address_requirements;  ///< none | any | local | foreign: what address Twilio must know of the account first
    bool calls = false, texts = false, pictures = false;
};

/// One message of the account's list.
struct ListedMessage {
    std::shared_ptr<inbound::v1::ProviderEvent> event;  ///< as a webhook of it would read; without a receipt and without media
    std::string json;                                   ///< as Twilio wrote it, byte for byte
    std::string sid;
    std::string status;              ///< in our words; "": in one that nobody knows
    std::optional<Instant> at;       ///< when it was sent, else when it was made
    std::optional<Instant> created;  ///< when it was made; one that still waits at Twilio has no other time
    std::int64_t media = 0;          ///< how many items came with it
};
struct MessagePage {
    std::vector<ListedMessage> messages;
    std::string next;
    std::vector<std::string> unreadable;  ///< of each entry that is no JSON, why; the others are read all the same
};
/// One item that came with a message; the URL has the account's own path and asks for its credentials.
struct ListedMedia {
    std::string url, content_type;
};

/// A text that is to be sent.
struct NewText {
    std::string from, to, body;
    std::string status_callback;  ///< where Twilio tells how it stands
};
/// Twilio has taken it.
struct Taken {
    ListedMessage message;
};
/// It certainly has not, and may when it is asked again: too much at once, no connection, or it does not let the account in.
struct NotTaken {
    ApiError error;
};
/// It never will: what is wrong with it, in Twilio's code and in plain words with the cure.
struct Rejected {
    int code = 0;
    std::string why;
};
/// Nobody knows: the answer was lost, or is none. Twilio has no idempotency key, so only its list can tell.
struct InDoubt {
    std::string why;
};
using SendOutcome = std::variant<Taken, NotTaken, Rejected, InDoubt>;

/// A number that is to be bought.
struct NewNumber {
    std::string number;  ///< E.164
    NumberWebhooks webhooks;
    std::string friendly_name;  ///< what people at Twilio's console see; "": Twilio writes the number
};
/// It is the account's now.
struct Bought {
    ListedNumber number;
};
/// NotTaken, Rejected and InDoubt mean what they mean of a text; a refusal is in Twilio's own words. Which number it is, is said
/// in the request, so that a second one buys nothing more: Twilio refuses it (21422). Whether the first has bought it, the
/// account's list says.
using BuyOutcome = std::variant<Bought, NotTaken, Rejected, InDoubt>;

/// What an error code of a text means, with the cure, for people; "" for a code that is not in the table (then Twilio's own words
/// are shown).
std::string_view explain(int code);

/// "Mon, 30 Nov 2026 04:00:00 +0000", as Twilio writes times (RFC 2822).
std::optional<Instant> read_time(std::string_view);

/// What these answers mean. The error says what is wrong with one that is none.
Result<AccountState> read_account(std::string_view json);
Result<NumberPage> read_numbers(std::string_view json);
Result<ListedNumber> read_number(std::string_view json);
Result<std::vector<AvailableNumber>> read_available(std::string_view json);
Result<MessagePage> read_messages(std::string_view json);
Result<ListedMessage> read_message(std::string_view json);
/// Of the request to send one.
SendOutcome read_sending(const http::Response&, Instant now);
/// Of the request to buy this number.
BuyOutcome read_buying(const http::Response&, const std::string& number, Instant now);
Result<std::vector<ListedMedia>> read_media(std::string_view json, std::string_view api);

/// Each call is one request; how often, how patiently and what is repeated is the HTTP client's and the caller's business.
/// Thread-safe.
class Client {
public:
    /// `http` must outlive it.
    Client(std::string api, http::Client& http) : api_(std::move(api)), http_(http) {
        while (api_.ends_with('/')) api_.pop_back();
    }
    Reply<AccountState> account(const Account&, const tel::TraceContext&) const;
    /// `next` as the page before gave it, "" for the first.
    Reply<NumberPage> numbers(const Account&, const std::string& next, const tel::TraceContext&) const;
    /// Whether the account has this number (E.164), and what it does with it; nullopt: it has not.
    Reply<std::optional<ListedNumber>> number(const Account&, const std::string& number, const tel::TraceContext&) const;
    /// Local numbers that are for sale, `most` (1 to 1,000) of them. `country`: two letters; `area_code`: three digits, or "" for
    /// any.
    Reply<std::vector<AvailableNumber>> available(const Account&, const std::string& country, const std::string& area_code,
                                                  int most, const tel::TraceContext&) const;
    /// Asks once: it costs money. See BuyOutcome.
    BuyOutcome buy(const Account&, const NewNumber&, const tel::TraceContext&) const;
    /// Sets where what comes for one of the account's numbers (PN…) goes, and nothing else of it; answers how it stands then. May
    /// be repeated.
    Reply<ListedNumber> point(const Account&, const std::string& number_sid, const NumberWebhooks&,
                              const tel::TraceContext&) const;
    /// Messages in both directions that were sent between these moments, the newest first.
    Reply<MessagePage> messages(const Account&, Instant from, Instant to, const std::string& next,
                                const tel::TraceContext&) const;
    /// Messages from one number to another, whenever they were sent, those not sent yet too; the newest first.
    Reply<MessagePage> messages_of_pair(const Account&, const std::string& from, const std::string& to, const std::string& next,
                                        const tel::TraceContext&) const;
    /// One message as it stands.
    Reply<ListedMessage> message(const Account&, const std::string& message_sid, const tel::TraceContext&) const;
    /// Asks once. A repeat may send it twice: see SendOutcome.
    SendOutcome send(const Account&, const NewText&, const tel::TraceContext&) const;
    /// What came with one message.
    Reply<std::vector<ListedMedia>> media(const Account&, const std::string& message_sid, const tel::TraceContext&) const;

private:
    Reply<std::string> get(const Account&, const std::string& target, const tel::TraceContext&) const;
    http::Sent post(const Account&, const std::string& below_account, std::string form, const tel::TraceContext&) const;
    Reply<std::string> page(const Account&, const std::string& first, const std::string& next, const tel::TraceContext&) const;
    std::string api_;
    http::Client& http_;
};

/// Basic auth, as every request says it.
void authorize(http::Headers&, const Account&);

}  // namespace otto::providers::twilio
