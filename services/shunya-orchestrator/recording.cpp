#include "recording.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "providers/callrail.hpp"

namespace otto::shunya_orchestrator {
namespace {

constexpr int kMostRedirects = 5;
constexpr std::size_t kMostJson = 64u << 10;  ///< of an answer that says where the recording is
constexpr Millis kLongestAfter{3'600'000};   ///< what a peer may ask for; more is taken for a mistake

/// Scheme, host and port: what a key is for, and what paths are joined to.
std::string origin(const Url& u) { return u.scheme + "://" + (u.host.find(':') == std::string::npos ? u.host : "[" + u.host + "]") + ":" + u.port; }

/// How a place is named to people: without its path, which may hold a key.
std::string shown(const Url& u) { return u.scheme + "://" + u.host + (u.port == (u.scheme == "https" ? "443" : "80") ? "" : ":" + u.port); }

/// A path without "." and ".." (RFC 3986, 5.2.4).
std::string without_dots(std::string_view path) {
    std::vector<std::string_view> parts;
    bool open_end = false;  // ends with a slash
    for (std::size_t at = 1; at <= path.size();) {
        auto end = std::min(path.find('/', at), path.size());
        auto part = path.substr(at, end - at);
        open_end = part == "." || part == "..";
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (!open_end) parts.push_back(part);
        at = end + 1;
    }
    std::string out;
    for (auto part : parts) out.append("/").append(part);
    return open_end || out.empty() ? out + "/" : out;
}

std::optional<Millis> pause_asked(const http::Response& r) {
    auto pause = http::retry_after(r.headers.get("Retry-After"), system_clock().now());
    if (pause) pause = std::min(*pause, kLongestAfter);
    return pause;
}

/// Takes a body: what may be sound to the file, an answer of the API to a text; whatever else is stopped at once.
class Receiver {
public:
    Receiver(providers::TemporaryFile& file, bool api, const std::function<bool()>& stopping) : file_(file), api_(api), stopping_(stopping) {}

    bool take(std::string_view piece) {
        if (stopping_ && stopping_()) {
            stopped_ = true;
            return false;
        }
        if (keeping_) return keep(piece);
        first_.append(piece);
        return json_ ? first_.size() <= kMostJson : first_.size() < providers::kFirstLook || judge();
    }
    /// All has come. Less than is needed to be sure is judged too.
    void end() {
        if (!keeping_ && !json_ && !other_ && !first_.empty()) judge();
    }

    /// What the API said, if it was no audio.
    std::optional<std::string_view> json() const { return json_ ? std::optional<std::string_view>(first_) : std::nullopt; }
    bool empty() const { return first_.empty() && !keeping_; }
    bool stopped() const { return stopped_; }
    const std::optional<Error>& disk() const { return disk_; }
    /// What came instead of sound, in a word, if that is sure.
    const std::optional<std::string>& other() const { return other_; }

private:
    bool judge() {
        other_ = providers::no_sound(first_);
        if (!other_) {
            keeping_ = true;
            return keep(std::exchange(first_, {}));
        }
        json_ = api_ && trim(first_).starts_with("{");
        return json_;
    }
    bool keep(std::string_view piece) {
        auto written = file_.write(piece);
        if (!written) disk_ = written.error();
        return written.ok();
    }

    providers::TemporaryFile& file_;
    bool api_;
    const std::function<bool()>& stopping_;
    std::string first_;
    std::optional<std::string> other_;
    bool keeping_ = false, json_ = false, stopped_ = false;
    std::optional<Error> disk_;
};

constexpr const char* kGiveKey = "Give the company's API key, by which recordings are fetched (POST /api/v1/onboarding/callrail/connect).";
constexpr const char* kListen = "Listen to the recording at CallRail; its support can say why.";

}  // namespace

std::string recording_key(std::string_view company_id, std::int64_t call_id, providers::SoundKind kind) {
    return std::string(company_id).append("/calls/").append(std::to_string(call_id)).append(".").append(kind);
}

Result<Url> redirect_target(const Url& from, std::string_view location) {
    location = location.substr(0, location.find('#'));
    auto colon = location.find(':');
    bool has_scheme = colon != std::string_view::npos && colon < location.find_first_of("/?");
    auto whole = [&]() -> std::string {
        if (has_scheme) return std::string(location);
        if (location.starts_with("//")) return from.scheme + ":" + std::string(location);
        auto path = std::string_view(from.target).substr(0, from.target.find('?'));
        if (location.empty() || location.starts_with("?")) return origin(from) + std::string(path) + std::string(location);
        auto query = std::min(location.find('?'), location.size());
        auto joined = location.starts_with("/") ? std::string(location.substr(0, query)) : std::string(path.substr(0, path.rfind('/') + 1)).append(location.substr(0, query));
        return origin(from) + without_dots(joined) + std::string(location.substr(query));
    };
    auto to = Url::parse(whole());
    if (!to) return Error("leads to an address that is no usable URL");  // which is not repeated: it may hold a key
    if (from.scheme == "https" && to->scheme != "https") return Error("leads from https to http");
    return to;
}

std::optional<Millis> recording_pause(int attempts, Millis age, Millis give_up) {
    if (age >= give_up) return std::nullopt;
    Millis pause{1'000ll << std::clamp(attempts - 1, 0, 20)};
    return std::min({pause, Millis{900'000}, Millis{give_up - age}});
}

RecordingFetcher::RecordingFetcher(FetchOptions options, const providers::ObjectStore& store)
    : options_(std::move(options)), store_(store), api_([&] {
          auto url = Url::parse(options_.callrail_api);
          if (!url) throw Failure(Error("OTTO_CALLRAIL_API is no usable URL: " + url.error().message, "https://api.callrail.com"));
          return *url;
      }()),
      client_([&] {
          http::ClientOptions o;
          o.private_addresses = options_.private_addresses;
          o.ca_file = options_.ca_file;
          o.body_limit = kMostJson;  // of refusals; recordings have a limit of their own
          o.metrics_name = "recording_client";
          return o;
      }()) {}

FetchOutcome RecordingFetcher::fetch(const RecordingSource& source, const tel::TraceContext& trace, const std::function<bool()>& stopping) {
    auto path = providers::callrail::recording_path(source.account_id, source.provider_call_id);
    bool by_api = !source.api_key.empty() && path;
    if (!by_api && source.url.empty()) return Never{"there is neither an API key with account and call, nor an address of the recording", kGiveKey, true};
    auto place = by_api ? Url::parse(origin(api_) + *path) : Url::parse(source.url);
    if (!place) return Never{"the address of the recording is no usable URL", kGiveKey, true};
    // The address in a webhook may be the API's own. Who gives it another host gets no key.
    bool with_key = !source.api_key.empty() && origin(*place) == origin(api_);

    auto made = store_.temporary();
    if (!made) return Again{made.error().describe(), std::nullopt};
    auto& file = *made;
    auto end = std::chrono::steady_clock::now() + options_.total_timeout;
    bool api = with_key;  // what answers may say where the recording is, instead of giving it
    bool first = true;    // what answers is who was meant to be asked, not where that one led
    int redirects = 0;
    for (;;) {
        http::ClientRequest request;
        request.url = origin(*place) + place->target;
        request.trace = trace;
        request.headers.add("Accept", "*/*");
        if (with_key) providers::callrail::authorize(request, source.api_key);
        http::DownloadOptions limits;
        limits.byte_limit = options_.byte_limit;
        limits.idle_timeout = options_.idle_timeout;
        limits.total_timeout = std::max(Millis{1}, std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now()));
        if (auto cleared = file.clear(); !cleared) return Again{cleared.error().describe(), std::nullopt};
        Receiver receiver(file, api, stopping);
        auto got = client_.download(request, [&](std::string_view piece) { return receiver.take(piece); }, limits);
        auto where = shown(*place);
        if (receiver.stopped()) return Again{"the service was stopped while it fetched the recording", std::nullopt};
        if (receiver.disk()) return Again{receiver.disk()->describe(), std::nullopt};
        switch (got.end) {
            case http::Download::End::refused:
            case http::Download::End::broken: {
                auto detail = got.error->message + (got.error->hint.empty() ? "" : ": " + got.error->hint);
                if (origin(*place) == origin(api_)) return Again{"CallRail's API cannot be reached by Otto", std::nullopt, "", detail};
                return Again{"the recording's address cannot be reached by Otto", std::nullopt, by_api ? "" : kGiveKey, detail};
            }
            case http::Download::End::too_large:
                return Never{"the recording is larger than " + std::to_string(options_.byte_limit >> 20) + " MiB", "An operator may raise OTTO_RECORDING_MEGABYTES, if such calls shall be analysed."};
            case http::Download::End::stopped:
            case http::Download::End::answered: break;
        }
        const auto& answer = got.response;
        auto status = answer.status;
        auto said = where + " answers with status " + std::to_string(status);
        if (status == 404 || status == 202 || status == 204) return NotYet{"the recording is not there yet: " + said};
        if (status == 408 || status == 425 || status == 429 || status >= 500) return Again{said, pause_asked(answer)};
        if (status == 401 || status == 403) {
            // A store's link that is over is no fault of the key: the next attempt gets a new one.
            if (!first) return Again{said + " to the link that it was given", std::nullopt};
            if (with_key) return NotLetIn{said + ": CallRail refuses the company's API key"};
            return Never{said + ": the recording's address is refused", kGiveKey, true};
        }
        std::string location;
        if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
            location = answer.headers.get("location");
            if (location.empty()) return Never{said + " and does not say where to", kListen};
            if (++redirects > kMostRedirects) return Never{"the recording's address leads on more than " + std::to_string(kMostRedirects) + " times, last from " + where, kListen};
            api = false;
        } else if (status != 200) {
            return Never{said, kListen};
        } else {
            receiver.end();
            if (receiver.disk()) return Again{receiver.disk()->describe(), std::nullopt};
            if (auto json = receiver.json()) {
                auto document = JsonDocument::parse(*json);
                if (!document) return Again{where + " answers with JSON that cannot be read", std::nullopt};
                location = document->root()["url"].string().value_or("");
                if (location.empty()) return NotYet{"the recording is not there yet: " + where + " knows no address of it"};
                api = false;
            } else if (receiver.empty()) {
                return NotYet{"the recording is not there yet: " + where + " answers with nothing"};
            } else {
                auto sound = receiver.other() ? std::nullopt : providers::sound_in(file.bytes(), [&](std::uint64_t offset, std::size_t count) { return file.read(offset, count).value_or(""); });
                if (!sound)
                    return Never{where + " gives " + receiver.other().value_or("no sound") + " instead of a recording, as " +
                                     (answer.headers.has("content-type") ? clip_utf8(mend_utf8(answer.headers.get("content-type")), 80) : "no type at all"),
                                 by_api ? kListen : kGiveKey, !by_api};
                // Writers miscount by a header or a tag; a connection that broke loses more.
                if (sound->bytes && *sound->bytes > file.bytes() + std::max<std::uint64_t>(4096, *sound->bytes / 64))
                    return Again{"the recording is cut short: " + std::to_string(file.bytes()) + " bytes of " + std::to_string(*sound->bytes) + " that its header promises", std::nullopt};
                auto bytes = file.bytes();
                auto hash = file.sha256();
                return Fetched{std::move(file), bytes, std::move(hash), sound->kind, sound->seconds};
            }
        }
        auto next = redirect_target(*place, location);
        if (!next) return Never{where + " " + next.error().message, kListen};
        place = std::move(next);
        with_key = false;
        first = false;
    }
}

}  // namespace otto::shunya_orchestrator
