#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "telemetry/trace.hpp"

namespace otto::inbound::v1 {
class ProviderEvent;
}

/// CallRail's API (providers.md §1.6), asked with a company's own key.
namespace otto::providers::callrail {

/// Whose account is asked, and with whose key.
struct Account {
    Secret key;
    std::string id;  ///< ACC…
};

/// Why there is no answer of the wished kind.
struct ApiError {
    enum class Kind {
        no_answer,    ///< nothing came
        refused_key,  ///< 401
        no_account,   ///< 403: the key does not see the account
        not_found,    ///< 404: there is no such account, or whoever answers for CallRail does not serve the list; which of them
                      ///< cannot be told
        busy,         ///< 429: the account's requests are used up for now
        failed,       ///< any other status
        unreadable    ///< an answer that is none
    };
    Kind kind;
    std::string why;                   ///< for people; holds nothing secret
    std::optional<Millis> after = {};  ///< how long it asks to be left alone
    /// Other credentials may help, asking again does not.
    bool not_let_in() const { return kind == Kind::refused_key || kind == Kind::no_account || kind == Kind::not_found; }
};
template <class T>
using Reply = std::variant<T, ApiError>;

/// One call of the account's list.
struct ListedCall {
    std::shared_ptr<inbound::v1::ProviderEvent> event;  ///< as a webhook of it would read; without a receipt
    std::string json;                                   ///< as CallRail wrote it, byte for byte
    std::string id, other_id;  ///< CallRail's id, and the number under which webhooks may know the call; "" = not told
    std::optional<Instant> started_at, ended_at;
    bool over = true;  ///< false: it seems to be under way still
};
/// One page: its calls, and how many pages there are.
struct CallPage {
    std::vector<ListedCall> calls;
    std::size_t pages = 1;
    std::vector<std::string> unreadable;  ///< of each entry that is no JSON, why; the others are read all the same
};
/// A page of trackers: the numbers of those that are in use and, if a company at CallRail is named, of that one.
struct TrackerPage {
    std::vector<std::string> numbers;  ///< E.164
    std::size_t pages = 1;
    bool whole = true;  ///< false: something in it could not be understood, so that nothing may be concluded from what it lacks
};
/// The signing key among an account's integrations: of the one for that CallRail company, or of all if they agree. That there is
/// none is no error.
struct FoundKey {
    std::optional<std::string> key;
    std::string why;  ///< unless found
};

/// What these answers mean. The error says what is wrong with one that is none.
Result<CallPage> read_calls(std::string_view json);
Result<TrackerPage> read_trackers(std::string_view json, const std::optional<std::string>& callrail_company_id);
FoundKey key_among(std::string_view integrations_json, const std::optional<std::string>& callrail_company_id);

/// Each call is one request of one page; how often, how patiently and what is repeated is the HTTP client's and the caller's
/// business. Thread-safe.
class Client {
public:
    /// `http` must outlive it.
    Client(std::string api, http::Client& http) : api_(std::move(api)), http_(http) {}
    /// Calls that began between these moments, in that order. Pages count from 1.
    Reply<CallPage> calls(const Account&, Instant from, Instant to, std::size_t page, const tel::TraceContext&) const;
    Reply<TrackerPage> trackers(const Account&, const std::optional<std::string>& callrail_company_id, std::size_t page,
                                const tel::TraceContext&) const;
    Reply<FoundKey> signing_key(const Account&, const std::optional<std::string>& callrail_company_id,
                                const tel::TraceContext&) const;

private:
    Reply<std::string> get(const Account&, const std::string& what, const tel::TraceContext&) const;
    std::string api_;
    http::Client& http_;
};

/// Where a call's recording is, below the API's address. Both ids may come from a webhook: nullopt for one that would be another
/// path.
std::optional<std::string> recording_path(std::string_view account_id, std::string_view call_id);
/// With whose key it is asked, as every request says it.
void authorize(http::Headers&, const Secret& key);

}  // namespace otto::providers::callrail
