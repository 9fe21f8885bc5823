#include "recording.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"

namespace otto::shunya_orchestrator {
namespace {

constexpr int kMostRedirects = 5;
constexpr std::size_t kSure = 16;            ///< bytes that tell audio from anything else
constexpr std::size_t kMostJson = 64u << 10;  ///< of an answer that says where the recording is
constexpr Millis kLongestAfter{3'600'000};   ///< what a peer may ask for; more is taken for a mistake

std::uint32_t big_endian(std::string_view b, std::size_t at, std::size_t count) {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < count; ++i) n = n << 8 | static_cast<std::uint8_t>(b[at + i]);
    return n;
}

std::uint32_t little_endian(std::string_view b, std::size_t at, std::size_t count) {
    std::uint32_t n = 0;
    for (std::size_t i = count; i-- > 0;) n = n << 8 | static_cast<std::uint8_t>(b[at + i]);
    return n;
}

/// The header of one MPEG layer III frame.
struct Frame {
    bool mpeg1;
    bool mono;
    int bit_rate;      ///< bit/s
    int sample_rate;   ///< Hz
    int samples;       ///< of each channel
    std::size_t side;  ///< bytes between the header and the data
    static std::optional<Frame> parse(std::string_view b) {
        if (b.size() < 4) return std::nullopt;
        auto word = big_endian(b, 0, 4);
        auto version = word >> 19 & 3, layer = word >> 17 & 3, rate = word >> 12 & 15, sampling = word >> 10 & 3;
        // No layer III, and what the standard forbids: version 1, bit rate 15, sampling 3. A free bit rate (0) is of no use for a length and not met in calls.
        if (word >> 21 != 0x7ff || version == 1 || layer != 1 || rate == 0 || rate == 15 || sampling == 3) return std::nullopt;
        static constexpr std::array<int, 15> first{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
        static constexpr std::array<int, 15> second{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
        static constexpr std::array<int, 3> hertz{44'100, 48'000, 32'000};
        Frame f{};
        f.mpeg1 = version == 3;
        f.mono = (word >> 6 & 3) == 3;
        f.bit_rate = (f.mpeg1 ? first : second)[rate] * 1000;
        f.sample_rate = hertz[sampling] / (version == 3 ? 1 : version == 2 ? 2 : 4);
        f.samples = f.mpeg1 ? 1152 : 576;
        f.side = f.mpeg1 ? (f.mono ? 17 : 32) : (f.mono ? 9 : 17);
        return f;
    }
    std::size_t bytes(bool padded) const { return static_cast<std::size_t>(samples / 8 * bit_rate / sample_rate) + padded; }
};

using Read = std::function<std::string(std::uint64_t, std::size_t)>;

AudioFacts facts_of_mp3(std::uint64_t size, const Read& read) {
    std::uint64_t start = 0;
    auto tag = read(0, 10);
    if (tag.size() == 10 && tag.starts_with("ID3")) {  // a length of four times seven bits
        std::uint64_t length = 0;
        for (std::size_t i = 6; i < 10; ++i) length = length << 7 | (static_cast<std::uint8_t>(tag[i]) & 0x7f);
        start = 10 + length + (static_cast<std::uint8_t>(tag[5]) & 0x10 ? 10 : 0);
    }
    auto head = read(start, 4096);
    // Some writers fill up after their tag.
    std::size_t at = 0;
    std::optional<Frame> frame;
    for (; at + 4 <= head.size(); ++at) {
        frame = Frame::parse(std::string_view(head).substr(at));
        if (!frame) continue;
        // One frame's look can be chance: the next one stands where it says.
        auto next = at + frame->bytes(static_cast<std::uint8_t>(head[at + 2]) & 2);
        if (next + 4 > head.size() || Frame::parse(std::string_view(head).substr(next))) break;
        frame.reset();
    }
    AudioFacts facts;
    if (!frame) return facts;
    start += at;
    auto first = std::string_view(head).substr(at);
    auto place = 4 + frame->side;
    double frame_seconds = static_cast<double>(frame->samples) / frame->sample_rate;
    if (first.size() >= place + 16 && (first.substr(place, 4) == "Xing" || first.substr(place, 4) == "Info")) {
        auto flags = big_endian(first, place + 4, 4);
        if (flags & 1) facts.seconds = big_endian(first, place + 8, 4) * frame_seconds;
        if ((flags & 3) == 3) facts.bytes = start + big_endian(first, place + 12, 4);
    } else if (first.size() >= 4 + 32 + 18 && first.substr(36, 4) == "VBRI") {
        facts.bytes = start + big_endian(first, 36 + 10, 4);
        facts.seconds = big_endian(first, 36 + 14, 4) * frame_seconds;
    }
    if (!facts.seconds && size > start) facts.seconds = static_cast<double>(size - start) * 8 / frame->bit_rate;
    return facts;
}

AudioFacts facts_of_wav(std::uint64_t size, const Read& read) {
    AudioFacts facts;
    std::uint32_t byte_rate = 0;
    std::uint64_t at = 12;
    for (int chunks = 0; chunks < 64 && at + 8 <= size; ++chunks) {  // as many as nobody writes before the sound
        auto head = read(at, 24);
        if (head.size() < 8) break;
        std::uint64_t length = little_endian(head, 4, 4);
        if (head.starts_with("fmt ") && head.size() >= 20) byte_rate = little_endian(head, 16, 4);
        if (head.starts_with("data")) {
            // Who writes while it records does not know the length, and says none.
            bool known = length != 0 && length < 0xffff'ff00u;
            if (known) facts.bytes = at + 8 + length;
            auto sound = known ? std::min<std::uint64_t>(length, size - at - 8) : size - at - 8;
            if (byte_rate > 0) facts.seconds = static_cast<double>(sound) / byte_rate;
            break;
        }
        at += 8 + length + length % 2;
    }
    return facts;
}

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

/// Takes a body: audio to the file, an answer of the API to a text; whatever else is stopped at once.
class Receiver {
public:
    Receiver(providers::TemporaryFile& file, bool api, const std::function<bool()>& stopping) : file_(file), api_(api), stopping_(stopping) {}

    bool take(std::string_view piece) {
        if (stopping_ && stopping_()) {
            stopped_ = true;
            return false;
        }
        if (format_) return keep(piece);
        first_.append(piece);
        return json_ ? first_.size() <= kMostJson : first_.size() < kSure || judge();
    }
    /// All has come. Less than is needed to be sure is judged too.
    void end() {
        if (!format_ && !json_ && !first_.empty()) judge();
    }

    std::optional<AudioFormat> format() const { return format_; }
    /// What the API said, if it was no audio.
    std::optional<std::string_view> json() const { return json_ ? std::optional<std::string_view>(first_) : std::nullopt; }
    bool empty() const { return first_.empty() && !format_; }
    bool stopped() const { return stopped_; }
    const std::optional<Error>& disk() const { return disk_; }
    /// What came instead of audio, in a word.
    std::string other() const {
        auto begins = lower(trim(first_));
        if (begins.starts_with("<")) return "a web page";
        if (begins.starts_with("{") || begins.starts_with("[")) return "JSON";
        return "no MP3 or WAV";
    }

private:
    bool judge() {
        format_ = format_of(first_);
        if (format_) return keep(std::exchange(first_, {}));
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
    std::optional<AudioFormat> format_;
    bool json_ = false, stopped_ = false;
    std::optional<Error> disk_;
};

constexpr const char* kGiveKey = "Give the company's API key, by which recordings are fetched (POST /api/v1/onboarding/callrail/connect).";
constexpr const char* kListen = "Listen to the recording at CallRail; its support can say why.";

}  // namespace

std::string_view to_text(AudioFormat f) { return f == AudioFormat::mp3 ? "mp3" : "wav"; }

std::string recording_key(std::string_view company_id, std::int64_t call_id, AudioFormat format) {
    return std::string(company_id).append("/calls/").append(std::to_string(call_id)).append(".").append(to_text(format));
}

std::optional<AudioFormat> format_of(std::string_view b) {
    if (b.size() >= 12 && b.substr(0, 4) == "RIFF" && b.substr(8, 4) == "WAVE") return AudioFormat::wav;
    // Version, flags and length too: "ID3" alone may begin a text.
    if (b.size() >= 10 && b.starts_with("ID3") && b[3] >= 2 && b[3] <= 4 && (b[5] & 0x0f) == 0 && std::all_of(b.begin() + 6, b.begin() + 10, [](char c) { return (c & 0x80) == 0; }))
        return AudioFormat::mp3;
    if (Frame::parse(b)) return AudioFormat::mp3;
    return std::nullopt;
}

AudioFacts facts_of(AudioFormat format, std::uint64_t size, const Read& read) { return format == AudioFormat::mp3 ? facts_of_mp3(size, read) : facts_of_wav(size, read); }

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
    // An id comes from a webhook; one that is no segment of a path would ask for something else.
    auto account = path_segment(source.account_id), call = path_segment(source.provider_call_id);
    bool by_api = !source.api_key.empty() && account && call;
    if (!by_api && source.url.empty()) return Never{"there is neither an API key with account and call, nor an address of the recording", kGiveKey, true};
    auto place = by_api ? Url::parse(origin(api_) + "/v3/a/" + *account + "/calls/" + *call + "/recording.json") : Url::parse(source.url);
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
        if (with_key) request.headers.add("Authorization", "Token token=\"" + source.api_key.reveal() + "\"");
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
            if (auto json = receiver.json()) {
                auto document = JsonDocument::parse(*json);
                if (!document) return Again{where + " answers with JSON that cannot be read", std::nullopt};
                location = document->root()["url"].string().value_or("");
                if (location.empty()) return NotYet{"the recording is not there yet: " + where + " knows no address of it"};
                api = false;
            } else if (receiver.empty()) {
                return NotYet{"the recording is not there yet: " + where + " answers with nothing"};
            } else if (!receiver.format()) {
                return Never{where + " gives " + receiver.other() + " instead of a recording, as " + (answer.headers.has("content-type") ? clip_utf8(mend_utf8(answer.headers.get("content-type")), 80) : "no type at all"),
                             by_api ? kListen : kGiveKey, !by_api};
            }
        }
        if (location.empty()) {
            auto facts = facts_of(*receiver.format(), file.bytes(), [&](std::uint64_t offset, std::size_t count) { return file.read(offset, count).value_or(""); });
            // Writers miscount by a header or a tag; a connection that broke loses more.
            if (facts.bytes && *facts.bytes > file.bytes() + std::max<std::uint64_t>(4096, *facts.bytes / 64))
                return Again{"the recording is cut short: " + std::to_string(file.bytes()) + " bytes of " + std::to_string(*facts.bytes) + " that its header promises", std::nullopt};
            auto bytes = file.bytes();
            auto hash = file.sha256();
            return Fetched{std::move(file), bytes, std::move(hash), *receiver.format(), facts.seconds};
        }
        auto next = redirect_target(*place, location);
        if (!next) return Never{where + " " + next.error().message, kListen};
        place = std::move(next);
        with_key = false;
        first = false;
    }
}

}  // namespace otto::shunya_orchestrator
