#include "recording_peer.hpp"

#include <algorithm>

namespace otto::providers {
namespace {

constexpr Millis kLongestAfter{3'600'000};

}  // namespace

std::optional<Millis> pause_asked(const http::Response& r) {
    auto pause = http::retry_after(r.headers.get("Retry-After"), system_clock().now());
    if (pause) pause = std::min(*pause, kLongestAfter);
    return pause;
}

RecordingPeer::RecordingPeer(const FetchOptions& options, const std::string& api, const char* setting, const char* usual,
                             Words words)
    : options_(options),
      api_([&] {
          auto url = Url::parse(api);
          if (!url) throw Failure(Error(std::string(setting) + " is no usable URL: " + url.error().message, usual));
          return *url;
      }()),
      words_(std::move(words)),
      client_([&] {
          http::ClientOptions o;
          o.private_addresses = options_.private_addresses;
          o.ca_file = options_.ca_file;
          o.body_limit = kMostJson;  // of refusals; recordings have a limit of their own
          o.metrics_name = "recordings";
          return o;
      }()) {}

http::Followed RecordingPeer::ask(const Url& place, const http::Headers& credentials, const tel::TraceContext& trace,
                                  RecordingSink& sink, Millis left) {
    http::ClientRequest request;
    request.url = http::origin(place) + place.target;
    request.trace = trace;
    request.headers.add("Accept", "*/*");
    http::FollowOptions options;
    options.download.byte_limit = options_.byte_limit;
    options.download.idle_timeout = options_.idle_timeout;
    options.download.total_timeout = left;
    options.credentials = credentials;
    return http::follow(
        client_, request, [&](std::string_view piece) { return sink.take(piece); }, options);
}

std::optional<FetchOutcome> RecordingPeer::failure(const http::Followed& way, const RecordingSink& sink, bool itself,
                                                   const std::string& cure) const {
    using End = http::Download::End;
    if (sink.stopped()) return Again{"the service was stopped while it fetched the recording", std::nullopt};
    if (sink.disk()) return Again{sink.disk()->describe(), std::nullopt};
    const auto& got = way.got;
    if (got.end == End::refused || got.end == End::broken) {
        auto detail = got.error->message + (got.error->hint.empty() ? "" : ": " + got.error->hint);
        if (is_api(way.place)) return Again{words_.name + "'s API cannot be reached by Otto", std::nullopt, "", detail};
        return Again{"the recording's address cannot be reached by Otto", std::nullopt, cure, detail};
    }
    if (got.end == End::too_large)
        return Never{"the recording is larger than " + std::to_string(options_.byte_limit >> 20) + " MiB",
                     "An operator may raise OTTO_RECORDING_MEGABYTES, if such calls shall be analysed."};
    auto where = http::shown(way.place);
    auto status = got.response.status;
    auto said = where + " answers with status " + std::to_string(status);
    if (status == 404 || status == 202 || status == 204) return NotYet{"the recording is not there yet: " + said};
    if (status == 408 || status == 425 || status == 429 || status >= 500) return Again{said, pause_asked(got.response)};
    // A store's link that is over is no fault of who asks: the next attempt gets a new one.
    if ((status == 401 || status == 403) && !itself) return Again{said + " to the link that it was given", std::nullopt};
    if (way.astray) return Never{where + " " + way.astray->message, words_.listen};
    if (status != 200) return Never{said, words_.listen};
    return std::nullopt;
}

}  // namespace otto::providers
