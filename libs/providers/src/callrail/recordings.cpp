#include "callrail/recordings.hpp"

#include <algorithm>
#include <chrono>

#include "base/json.hpp"
#include "providers/callrail.hpp"

namespace otto::providers::callrail {
namespace {

constexpr const char* kGiveKey =
    "Give the company's API key, by which recordings are fetched (POST /api/v1/onboarding/callrail/connect).";
constexpr const char* kListen = "Listen to the recording at CallRail; its support can say why.";

/// Who was meant to be asked lets nobody in, or not with this key. nullopt: it says something else.
std::optional<FetchOutcome> refusal(const http::Followed& way, bool with_key) {
    auto status = way.got.response.status;
    if (!way.got.answered() || (status != 401 && status != 403)) return std::nullopt;
    auto said = http::shown(way.place) + " answers with status " + std::to_string(status);
    if (with_key) return NotLetIn{said + ": CallRail refuses the company's API key"};
    return Never{said + ": the recording's address is refused", kGiveKey, true};
}

}  // namespace

Recordings::Recordings(const FetchOptions& options, const ObjectStore& store)
    : total_timeout_(options.total_timeout),
      store_(store),
      peer_(options, options.callrail_api, "OTTO_CALLRAIL_API", "https://api.callrail.com", {"CallRail", kListen}) {}

std::variant<Recordings::Asked, Never> Recordings::asked(const RecordingSource& source) const {
    auto path = recording_path(source.account_id, source.provider_call_id);
    bool by_api = !source.api_key.empty() && path;
    if (!by_api && source.url.empty())
        return Never{"there is neither an API key with account and call, nor an address of the recording", kGiveKey, true};
    auto place = by_api ? Url::parse(http::origin(peer_.api()) + *path) : Url::parse(source.url);
    if (!place) return Never{"the address of the recording is no usable URL", kGiveKey, true};
    // The address in a webhook may be the API's own. Who gives it another host gets no key.
    bool with_key = !source.api_key.empty() && peer_.is_api(*place);
    return Asked{std::move(*place), by_api, with_key};
}

FetchOutcome Recordings::fetch(const RecordingSource& source, const tel::TraceContext& trace,
                               const std::function<bool()>& stopping) {
    auto begin = asked(source);
    if (auto* never = std::get_if<Never>(&begin)) return *never;
    const auto& first = std::get<Asked>(begin);
    auto file = store_.temporary();
    if (!file) return Again{file.error().describe(), std::nullopt};
    const auto end = std::chrono::steady_clock::now() + total_timeout_;
    http::Headers credentials;
    if (first.with_key) authorize(credentials, source.api_key);
    auto place = first.place;
    for (bool told = false;; told = true) {  // by the API where it is
        if (auto cleared = file->clear(); !cleared) return Again{cleared.error().describe(), std::nullopt};
        RecordingSink sink(*file, stopping);
        auto left = std::max(Millis{1}, std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now()));
        auto way = peer_.ask(place, told ? http::Headers{} : credentials, trace, sink, left);
        bool itself = !told && way.redirects == 0;
        if (auto refused = itself ? refusal(way, first.with_key) : std::nullopt) return std::move(*refused);
        if (auto failed = peer_.failure(way, sink, itself, first.by_api ? "" : kGiveKey)) return std::move(*failed);
        sink.end();
        if (sink.disk()) return Again{sink.disk()->describe(), std::nullopt};
        auto where = http::shown(way.place);
        auto json = itself && first.with_key ? sink.json() : std::nullopt;
        if (!json)
            return sink.recording(where, way.got.response.headers.get("content-type"), first.by_api ? kListen : kGiveKey,
                                  !first.by_api);
        auto document = JsonDocument::parse(*json);
        if (!document) return Again{where + " answers with JSON that cannot be read", std::nullopt};
        auto url = document->root()["url"].string().value_or("");
        if (url.empty()) return NotYet{"the recording is not there yet: " + where + " knows no address of it"};
        auto next = http::redirect_target(way.place, url);
        if (!next) return Never{where + " " + next.error().message, kListen};
        place = std::move(*next);
    }
}

RefusalWords refusal_words(std::string_view company_id) {
    return {"CallRail refuses the company's API key",
            "Set a key that may see this account's calls (POST /api/v1/company/set-callrail-api-key/" + std::string(company_id) +
                "): what waits goes on by itself.",
            "CallRail refuses this recording to the company's API key, by which it gives others",
            "Look at the call at CallRail with the account that the API key belongs to."};
}

}  // namespace otto::providers::callrail
