#include <algorithm>

#include "base/crypto.hpp"
#include "base/json_page.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/settings.hpp"
#include "providers/twilio_report.hpp"
#include "providers/webhook.hpp"
#include "twilio/api.hpp"

namespace otto::providers::twilio {
namespace {

ListedMessage message_in(std::string_view json, JsonView entry) {
    ListedMessage m;
    m.json = json;
    m.event = new_event();
    MessageFacts facts;
    facts.sid = m.sid = said(entry, "sid");
    facts.account_sid = said(entry, "account_sid");
    facts.direction = said(entry, "direction");
    facts.from = said(entry, "from");
    facts.to = said(entry, "to");
    facts.status = said(entry, "status");
    if (auto body = entry["body"]; body.is_string()) facts.body = std::string(*body.string());
    m.created = read_time(said(entry, "date_created"));
    m.at = read_time(said(entry, "date_sent"));
    if (!m.at) m.at = m.created;
    facts.sent_at = m.at;
    facts.segments = entry["num_segments"].loose_integer();
    facts.error_code = said(entry, "error_code");
    facts.error_message = said(entry, "error_message");
    m.media = std::max<std::int64_t>(0, entry["num_media"].loose_integer().value_or(0));
    tell(facts, *m.event);
    if (m.event->not_understood().empty()) m.status = m.event->message().status();
    return m;
}

/// Nobody is let in: SID and secret do not fit together (20003), or the account is suspended or closed.
bool is_no_account(std::int64_t code) { return code == 20003 || code == 20005 || code == 10001; }

}  // namespace

ApiError error_of(const http::Response& answer, Instant now) {
    using Kind = ApiError::Kind;
    ApiError error{Kind::failed, "Twilio answered " + std::to_string(answer.status)};
    error.status = answer.status;
    if (auto parsed = JsonDocument::parse(answer.body)) {
        error.code = static_cast<int>(parsed->root()["code"].loose_integer().value_or(0));
        if (error.code != 0) error.why += ", error " + std::to_string(error.code);
    }
    if (answer.status == 401 || is_no_account(error.code))
        error.kind = Kind::refused;
    else if (answer.status == 403)
        error.kind = Kind::forbidden;
    else if (answer.status == 404)
        error.kind = Kind::not_found;
    else if (answer.status == 429 || error.code == 20429) {
        error.kind = Kind::busy;
        error.why += ": too much is asked of the account at once";
        error.after = http::retry_after(answer.headers.get("Retry-After"), now);
    }
    return error;
}

bool is_account_sid(std::string_view text) {
    return text.size() == 34 && text.starts_with("AC") && text.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
}

std::optional<Account> deployment_account(const app::Settings& s) {
    auto sid = s.get(kTwilioAccountSid);
    auto key = s.get(kTwilioApiKey);
    auto secret = s.get(kTwilioApiSecret);
    auto tokens = split_list(s.get(kTwilioAuthToken).reveal());
    if (sid.empty()) return std::nullopt;
    if (!key.empty() && !secret.empty()) return Account{sid, key, secret};
    if (tokens.empty()) return std::nullopt;
    return Account::with_token(sid, Secret(tokens.front()));
}

std::optional<Instant> read_time(std::string_view text) {
    text = trim(text);
    if (auto comma = text.find(','); comma != std::string_view::npos) text = trim(text.substr(comma + 1));
    auto parts = split_list(text, ' ');
    static constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (parts.size() != 5 || parts[0].size() > 2) return std::nullopt;
    auto month = std::find(std::begin(months), std::end(months), parts[1]);
    if (month == std::end(months)) return std::nullopt;
    auto two = [](std::size_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
    auto zone = parts[4] == "GMT" ? "Z" : parts[4];
    return parse_time(parts[2] + "-" + two(static_cast<std::size_t>(month - std::begin(months)) + 1) + "-" +
                      (parts[0].size() == 1 ? "0" : "") + parts[0] + "T" + parts[3] + zone);
}

Result<AccountState> read_account(std::string_view json) {
    auto parsed = JsonDocument::parse(json);
    if (!parsed || !parsed->root()["sid"].is_string()) return Error("Twilio's answer holds no account");
    auto root = parsed->root();
    return AccountState{said(root, "friendly_name"), said(root, "status"), said(root, "type")};
}

Result<MessagePage> read_messages(std::string_view json) {
    auto parsed = JsonPage::parse(json, "messages");
    if (!parsed) return Error("Twilio's list of messages is no JSON: " + parsed.error().message);
    auto root = parsed->document.root(), list = root["messages"];
    if (!list.is_array()) return Error("Twilio's answer holds no list of messages");
    MessagePage page;
    page.unreadable = std::move(parsed->unfit);
    page.next = next_of(root);
    for (std::size_t i = 0; i < list.size() && i < parsed->entries.size(); ++i) {
        if (!list.at(i).is_object()) continue;
        auto message = message_in(parsed->entries[i], list.at(i));
        if (!message.sid.empty()) page.messages.push_back(std::move(message));
    }
    return page;
}

Result<ListedMessage> read_message(std::string_view json) {
    auto parsed = JsonDocument::parse(json);
    if (!parsed || !parsed->root().is_object()) return Error("Twilio's answer holds no message");
    auto message = message_in(json, parsed->root());
    if (message.sid.empty()) return Error("Twilio's answer holds no message");
    return message;
}

Result<std::vector<ListedMedia>> read_media(std::string_view json, std::string_view api) {
    auto parsed = JsonDocument::parse(json);
    auto list = parsed ? parsed->root()["media_list"] : JsonView{};
    if (!list.is_array()) return Error("Twilio's answer holds no list of media");
    std::vector<ListedMedia> out;
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto uri = said(list.at(i), "uri");
        if (!uri.starts_with(kVersion)) continue;
        if (uri.ends_with(".json")) uri.resize(uri.size() - 5);
        out.push_back({std::string(api) + uri, said(list.at(i), "content_type")});
    }
    return out;
}

void authorize(http::Headers& headers, const Account& account) {
    headers.add("Authorization", "Basic " + base64_encode(account.user + ":" + account.password.reveal()));
}

Reply<std::string> Client::get(const Account& account, const std::string& target, const tel::TraceContext& trace) const {
    http::ClientRequest request{http::Method::get, api_ + target, {}, "", trace};
    authorize(request.headers, account);
    request.headers.add("Accept", "application/json");
    auto answer = http_.send(request);
    if (!answer) return ApiError{ApiError::Kind::no_answer, "Twilio does not answer: " + answer.error().message};
    if (answer->status != 200) return error_of(*answer, system_clock().now());
    return std::move(answer->body);
}

http::Sent Client::post(const Account& account, const std::string& below_account, std::string form,
                        const tel::TraceContext& trace) const {
    http::ClientRequest request{http::Method::post,
                                api_ + std::string(kVersion) + "Accounts/" + percent_encode(account.sid) + below_account,
                                {},
                                std::move(form),
                                trace};
    authorize(request.headers, account);
    request.headers.add("Accept", "application/json");
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    return http_.send(request);
}

Reply<std::string> Client::page(const Account& account, const std::string& first, const std::string& next,
                                const tel::TraceContext& trace) const {
    auto own = std::string(kVersion) + "Accounts/" + percent_encode(account.sid);
    // A list goes on where it began, whatever its answer names.
    if (!next.empty() && !next.starts_with(own + "/"))
        return ApiError{ApiError::Kind::unreadable, "Twilio's list goes on at another account"};
    return get(account, next.empty() ? own + first : next, trace);
}

Reply<AccountState> Client::account(const Account& account, const tel::TraceContext& trace) const {
    return understood<AccountState>(page(account, ".json", "", trace), read_account);
}

Reply<MessagePage> Client::messages(const Account& account, Instant from, Instant to, const std::string& next,
                                    const tel::TraceContext& trace) const {
    auto whole_second = [](Instant at) { return percent_encode(to_rfc3339(std::chrono::floor<std::chrono::seconds>(at))); };
    auto first = "/Messages.json?PageSize=" + std::string(kPageSize) + "&DateSent%3E=" + whole_second(from) +
                 "&DateSent%3C=" + whole_second(to + std::chrono::seconds(1));
    return understood<MessagePage>(page(account, first, next, trace), read_messages);
}

Reply<std::vector<ListedMedia>> Client::media(const Account& account, const std::string& sid,
                                              const tel::TraceContext& trace) const {
    auto message = path_segment(sid);
    if (!message) return ApiError{ApiError::Kind::unreadable, "no message has the SID \"" + sid + "\""};
    auto reply = page(account, "/Messages/" + *message + "/Media.json?PageSize=" + std::string(kPageSize), "", trace);
    return understood<std::vector<ListedMedia>>(std::move(reply),
                                                [this](const std::string& json) { return read_media(json, api_); });
}

}  // namespace otto::providers::twilio
