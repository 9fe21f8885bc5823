#include "twilio/recordings.hpp"

#include "base/text.hpp"
#include "twilio/api.hpp"

namespace otto::providers::twilio {
namespace {

constexpr const char* kListen = "Listen to the recording in Twilio's console, in its log of calls; its debugger can say why.";
constexpr const char* kConnect =
    "Connect the Twilio account that has it, with its present auth token (POST /api/v1/onboarding/twilio/connect).";
constexpr const char* kSetOwn =
    "An operator sets the present credentials of the deployment's Twilio account (OTTO_TWILIO_AUTH_TOKEN, or OTTO_TWILIO_API_KEY "
    "and OTTO_TWILIO_API_SECRET).";
constexpr std::string_view kSound = ".mp3";
constexpr std::string_view kSidLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// "/2010-04-01/Accounts/AC…/Recordings/RE…", without the ending that it may have.
struct RecordingPath {
    std::string path, account;
};
std::optional<RecordingPath> read_path(std::string_view target) {
    auto path = target.substr(0, target.find('?'));
    for (std::string_view ending : {kSound, std::string_view(".wav")})
        if (path.ends_with(ending)) path.remove_suffix(ending.size());
    auto parts = split_list(path, '/');
    if (parts.size() != 5 || !is_account_sid(parts[2])) return std::nullopt;
    RecordingPath read{std::string(kVersion).append("Accounts/").append(parts[2]).append("/Recordings/").append(parts[4]),
                       parts[2]};
    const auto& sid = parts[4];
    if (read.path != path || !sid.starts_with("RE") || sid.find_first_not_of(kSidLetters) != std::string::npos)
        return std::nullopt;
    return read;
}

/// Credentials that fit what is asked for, or why there are none.
std::variant<http::Headers, Never> credentials_for(const RecordingSource& source, const std::string& account) {
    if (source.api_key.empty() || source.account_id.empty())
        return Never{"Otto has no credentials of the Twilio account that has the recording, " + account,
                     source.of_deployment ? kSetOwn : kConnect, true};
    // Whoever signs a company's webhooks names addresses: of another account nothing is asked, with these credentials or without.
    if (source.account_id != account)
        return Never{"the recording is of the Twilio account " + account + ", which is not " +
                         (source.of_deployment ? "the deployment's" : "the company's"),
                     source.of_deployment ? kListen : kConnect, true};
    http::Headers headers;
    authorize(headers, {source.account_id, source.user.empty() ? source.account_id : source.user, source.api_key});
    return headers;
}

}  // namespace

Recordings::Recordings(const FetchOptions& options, const ObjectStore& store)
    : total_timeout_(options.total_timeout),
      store_(store),
      peer_(options, options.twilio_api, "OTTO_TWILIO_API", "https://api.twilio.com", {"Twilio", kListen}) {}

FetchOutcome Recordings::fetch(const RecordingSource& source, const tel::TraceContext& trace,
                               const std::function<bool()>& stopping) {
    auto place = Url::parse(source.url);
    if (!place) return Never{"the address of the recording is no usable URL", kListen};
    http::Headers credentials;
    const bool by_api = peer_.is_api(*place);
    if (by_api) {
        auto path = read_path(place->target);
        if (!path) return Never{"the address of the recording is none of a recording at Twilio", kListen};
        auto fit = credentials_for(source, path->account);
        if (auto* never = std::get_if<Never>(&fit)) return *never;
        credentials = std::get<http::Headers>(fit);
        place->target = path->path.append(kSound);
    }
    auto file = store_.temporary();
    if (!file) return Again{file.error().describe(), std::nullopt};
    RecordingSink sink(*file, stopping);
    auto way = peer_.ask(*place, credentials, trace, sink, total_timeout_);
    const bool itself = way.redirects == 0;
    if (itself && way.got.answered() && way.got.response.status >= 400) {
        auto error = error_of(way.got.response, system_clock().now());
        if (error.kind == ApiError::Kind::refused || error.kind == ApiError::Kind::forbidden) {
            if (!by_api)
                return Never{http::shown(way.place) + " answers with status " + std::to_string(way.got.response.status) +
                                 ": the recording's address is refused",
                             kListen};
            return NotLetIn{error.why + ": it refuses the account " + source.account_id};
        }
    }
    if (auto failed = peer_.failure(way, sink, itself, kListen)) return std::move(*failed);
    sink.end();
    if (sink.disk()) return Again{sink.disk()->describe(), std::nullopt};
    return sink.recording(http::shown(way.place), way.got.response.headers.get("content-type"), kListen, false);
}

RefusalWords refusal_words(bool of_deployment) {
    if (of_deployment)
        return {"Twilio refuses the deployment's own account", std::string(kSetOwn) + " What waits then goes on by itself.",
                "Twilio refuses this recording to the deployment's account, to which it gives others",
                "Look at the recording in the console of the deployment's Twilio account."};
    return {"Twilio refuses the company's account",
            "Give the account's present auth token (POST /api/v1/onboarding/twilio/connect): what waits goes on by itself.",
            "Twilio refuses this recording to the company's account, to which it gives others",
            "Look at the recording in Twilio's console."};
}

Never no_recording(std::string_view reason) {
    if (reason == "absent")
        return {
            "Twilio recorded nothing (absent): the caller hung up before anything was said, or was silent",
            "Nothing, for a caller who left nothing. If it is so with every call: say something to it yourself, and look at the "
            "call flow's voicemail and `record` (PUT /api/v1/company/{id}, call_flow)."};
    return {"Twilio could not make the recording (" + clip_utf8(mend_utf8(reason), 40) + ")",
            "Look at the call in Twilio's console: its debugger says what failed."};
}

}  // namespace otto::providers::twilio
