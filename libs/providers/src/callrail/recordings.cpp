#include "callrail/recordings.hpp"

#include <algorithm>
#include <chrono>

#include "base/json.hpp"
#include "providers/callrail.hpp"

namespace otto::providers::callrail {
namespace {

constexpr Millis kLongestAfter{3'600'000};  ///< what a peer may ask for; more is taken for a mistake

constexpr const char* kGiveKey =
    "Give the company's API key, by which recordings are fetched (POST /api/v1/onboarding/callrail/connect).";
constexpr const char* kListen = "Listen to the recording at CallRail; its support can say why.";

std::optional<Millis> pause_asked(const http::Response& r) {
    auto pause = http::retry_after(r.headers.get("Retry-After"), system_clock().now());
    if (pause) pause = std::min(*pause, kLongestAfter);
    return pause;
}

}  // namespace

Recordings::Recordings(FetchOptions options, const ObjectStore& store)
    : options_(std::move(options)),
      store_(store),
      api_([&] {
          auto url = Url::parse(options_.callrail_api);
          if (!url)
              throw Failure(Error("OTTO_CALLRAIL_API is no usable URL: " + url.error().message, "https://api.callrail.com"));
          return *url;
      }()),
      client_([&] {
          http::ClientOptions o;
          o.private_addresses = options_.private_addresses;
          o.ca_file = options_.ca_file;
          o.body_limit = kMostJson;  // of refusals; recordings have a limit of their own
          o.metrics_name = "recordings";
          return o;
      }()) {}

std::variant<Recordings::Asked, Never> Recordings::asked(const RecordingSource& source) const {
    auto path = recording_path(source.account_id, source.provider_call_id);
    bool by_api = !source.api_key.empty() && path;
    if (!by_api && source.url.empty())
        return Never{"there is neither an API key with account and call, nor an address of the recording", kGiveKey, true};
    auto place = by_api ? Url::parse(http::origin(api_) + *path) : Url::parse(source.url);
    if (!place) return Never{"the address of the recording is no usable URL", kGiveKey, true};
    // The address in a webhook may be the API's own. Who gives it another host gets no key.
    bool with_key = !source.api_key.empty() && http::origin(*place) == http::origin(api_);
    return Asked{std::move(*place), by_api, with_key};
}

http::Followed Recordings::follow(const Url& place, const Secret& key, const tel::TraceContext& trace, RecordingSink& sink,
                                  Millis left) {
    http::ClientRequest request;
    request.url = http::origin(place) + place.target;
    request.trace = trace;
    request.headers.add("Accept", "*/*");
    http::FollowOptions options;
    options.download.byte_limit = options_.byte_limit;
    options.download.idle_timeout = options_.idle_timeout;
    options.download.total_timeout = left;
    if (!key.empty()) authorize(options.credentials, key);
    return http::follow(
        client_, request, [&](std::string_view piece) { return sink.take(piece); }, options);
}

/// What an answer means that gives no body. `itself`: it is from who was meant to be asked, not from where that one led.
std::optional<FetchOutcome> Recordings::failure(const http::Followed& way, const RecordingSink& sink, const Asked& asked,
                                                bool itself) const {
    if (sink.stopped()) return Again{"the service was stopped while it fetched the recording", std::nullopt};
    if (sink.disk()) return Again{sink.disk()->describe(), std::nullopt};
    const auto& got = way.got;
    if (got.end == http::Download::End::refused || got.end == http::Download::End::broken) {
        auto detail = got.error->message + (got.error->hint.empty() ? "" : ": " + got.error->hint);
        if (http::origin(way.place) == http::origin(api_))
            return Again{"CallRail's API cannot be reached by Otto", std::nullopt, "", detail};
        return Again{"the recording's address cannot be reached by Otto", std::nullopt, asked.by_api ? "" : kGiveKey, detail};
    }
    if (got.end == http::Download::End::too_large)
        return Never{"the recording is larger than " + std::to_string(options_.byte_limit >> 20) + " MiB",
                     "An operator may raise OTTO_RECORDING_MEGABYTES, if such calls shall be analysed."};
    auto where = http::shown(way.place);
    auto status = got.response.status;
    auto said = where + " answers with status " + std::to_string(status);
    if (status == 404 || status == 202 || status == 204) return NotYet{"the recording is not there yet: " + said};
    if (status == 408 || status == 425 || status == 429 || status >= 500) return Again{said, pause_asked(got.response)};
    if (status == 401 || status == 403) {
        // A store's link that is over is no fault of the key: the next attempt gets a new one.
        if (!itself) return Again{said + " to the link that it was given", std::nullopt};
        if (asked.with_key) return NotLetIn{said + ": CallRail refuses the company's API key"};
        return Never{said + ": the recording's address is refused", kGiveKey, true};
    }
    if (way.astray) return Never{where + " " + way.astray->message, kListen};
    if (status != 200) return Never{said, kListen};
    return std::nullopt;
}

FetchOutcome Recordings::fetch(const RecordingSource& source, const tel::TraceContext& trace,
                               const std::function<bool()>& stopping) {
    auto begin = asked(source);
    if (auto* never = std::get_if<Never>(&begin)) return *never;
    const auto& first = std::get<Asked>(begin);
    auto file = store_.temporary();
    if (!file) return Again{file.error().describe(), std::nullopt};
    const auto end = std::chrono::steady_clock::now() + options_.total_timeout;
    auto place = first.place;
    for (bool told = false;; told = true) {  // by the API where it is
        if (auto cleared = file->clear(); !cleared) return Again{cleared.error().describe(), std::nullopt};
        RecordingSink sink(*file, stopping);
        auto left = std::max(Millis{1}, std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now()));
        auto way = follow(place, first.with_key && !told ? source.api_key : Secret(), trace, sink, left);
        bool itself = !told && way.redirects == 0;
        if (auto failed = failure(way, sink, first, itself)) return std::move(*failed);
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

}  // namespace otto::providers::callrail
