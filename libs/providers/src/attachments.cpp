#include "providers/attachments.hpp"

#include <algorithm>

#include "providers/sound.hpp"
#include "recording_peer.hpp"

namespace otto::providers {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kMostRefusal = 64u << 10;
constexpr const char* kConnect = "give the Twilio account's present auth token (POST /api/v1/onboarding/twilio/connect)";

constexpr FileKind kUnknown{"application/octet-stream", "bin"};

struct Mark {
    std::size_t at;
    std::string_view bytes;
    FileKind kind;
};
constexpr Mark kMarks[] = {{0, "\xff\xd8\xff"sv, {"image/jpeg", "jpg"}},
                           {0, "\x89PNG\r\n\x1a\n"sv, {"image/png", "png"}},
                           {0, "GIF87a"sv, {"image/gif", "gif"}},
                           {0, "GIF89a"sv, {"image/gif", "gif"}},
                           {8, "WEBP"sv, {"image/webp", "webp"}},
                           {0, "II*\0"sv, {"image/tiff", "tif"}},
                           {0, "MM\0*"sv, {"image/tiff", "tif"}},
                           {8, "WAVE"sv, {"audio/wav", "wav"}},
                           {8, "AVI "sv, {"video/x-msvideo", "avi"}},
                           {0, "OggS"sv, {"audio/ogg", "ogg"}},
                           {0, "fLaC"sv, {"audio/flac", "flac"}},
                           {0, "#!AMR"sv, {"audio/amr", "amr"}},
                           {0, "caff"sv, {"audio/x-caf", "caf"}},
                           {0, "ID3"sv, {"audio/mpeg", "mp3"}},
                           {0, "\x1a\x45\xdf\xa3"sv, {"video/webm", "webm"}},
                           {0, "%PDF-"sv, {"application/pdf", "pdf"}},
                           {0, "PK\x03\x04"sv, {"application/zip", "zip"}},
                           {0, "BEGIN:VCARD"sv, {"text/vcard", "vcf"}},
                           {0, "BEGIN:VCALENDAR"sv, {"text/calendar", "ics"}}};

/// ISO base media, by the brand that stands behind "ftyp".
constexpr std::pair<std::string_view, FileKind> kBrands[] = {
    {"heic"sv, {"image/heic", "heic"}}, {"heix"sv, {"image/heic", "heic"}},     {"mif1"sv, {"image/heif", "heif"}},
    {"msf1"sv, {"image/heif", "heif"}}, {"avif"sv, {"image/avif", "avif"}},     {"3gp"sv, {"video/3gpp", "3gp"}},
    {"3g2"sv, {"video/3gpp2", "3g2"}},  {"qt  "sv, {"video/quicktime", "mov"}}, {"M4A"sv, {"audio/mp4", "m4a"}}};

/// A login page, say, in place of what its address was for.
bool is_web_page(std::string_view first) {
    auto begins = trim(first.substr(first.starts_with("\xEF\xBB\xBF") ? 3 : 0));
    return iequals(begins.substr(0, 14), "<!doctype html") || iequals(begins.substr(0, 5), "<html");
}

/// Takes a body piece by piece, its first bytes for a look.
struct AttachmentSink {
    TemporaryFile& file;
    const std::function<bool()>& stopping;
    std::string first = {};
    bool stopped = false;
    std::optional<Error> disk = {};

    bool take(std::string_view piece) {
        stopped = stopping && stopping();
        if (stopped) return false;
        if (first.size() < kFirstLook) first.append(piece.substr(0, kFirstLook - first.size()));
        if (auto written = file.write(piece); !written) disk = written.error();
        return !disk;
    }
};

}  // namespace

bool FileKind::shown() const { return type.starts_with("image/") || type.starts_with("audio/") || type.starts_with("video/"); }

FileKind file_kind(std::string_view first) {
    if (first.size() > 12 && first.substr(4, 4) == "ftyp") {
        for (const auto& [brand, kind] : kBrands)
            if (first.substr(8, brand.size()) == brand) return kind;
        return {"video/mp4", "mp4"};
    }
    for (const auto& mark : kMarks) {
        if (first.size() < mark.at + mark.bytes.size() || first.substr(mark.at, mark.bytes.size()) != mark.bytes) continue;
        if (mark.at == 8 && !first.starts_with("RIFF")) continue;
        return mark.kind;
    }
    // Sound without a tag: a frame's sync, with layer III or, of AAC, none.
    if (first.size() > 2 && first[0] == '\xff' && (first[1] & 0xe0) == 0xe0) {
        if ((first[1] & 0x06) == 0x02 && (first[1] & 0x18) != 0x08) return {"audio/mpeg", "mp3"};
        if ((first[1] & 0xf6) == 0xf0) return {"audio/aac", "aac"};
    }
    return kUnknown;
}

Attachments::Attachments(AttachmentOptions options, const ObjectStore& store)
    : options_(std::move(options)),
      store_(store),
      api_([&] {
          auto url = Url::parse(options_.twilio_api);
          if (!url) throw Failure(Error("OTTO_TWILIO_API is no usable URL: " + url.error().message, "https://api.twilio.com"));
          return *url;
      }()),
      client_([&] {
          http::ClientOptions o;
          o.private_addresses = options_.private_addresses;
          o.ca_file = options_.ca_file;
          o.body_limit = kMostRefusal;
          o.metrics_name = "attachments";
          return o;
      }()) {}

/// Whoever signs a company's webhooks names addresses: of another account nothing is asked with this one's credentials.
bool Attachments::is_of(const twilio::Account& account, const Url& place) const {
    auto path = std::string_view(place.target).substr(0, place.target.find('?'));
    return http::origin(place) == http::origin(api_) && path.find("..") == std::string_view::npos &&
           path.find('%') == std::string_view::npos && path.starts_with("/2010-04-01/Accounts/" + account.sid + "/");
}

/// What an answer means that gives no body.
AttachmentOutcome Attachments::failure(const http::Followed& way, bool by_api, bool with_key) const {
    using End = http::Download::End;
    const auto& got = way.got;
    constexpr const char* kUnreached = "its address cannot be reached by Otto";
    if (got.end == End::refused) return Never{kUnreached, ""};
    if (got.end == End::broken || got.end == End::stopped)
        return Again{kUnreached, std::nullopt, "", got.error ? got.error->message : ""};
    if (got.end == End::too_large) return TooLarge{"it is larger than " + std::to_string(options_.byte_limit >> 20) + " MiB"};
    auto where = http::shown(way.place);
    auto status = got.response.status;
    auto said = where + " answers with status " + std::to_string(status);
    if (way.astray) return Never{where + " " + way.astray->message, ""};
    if (status == 408 || status == 425 || status == 429 || status >= 500) return Again{said, pause_asked(got.response)};
    if ((status == 401 || status == 403) && by_api && way.redirects == 0)
        return Again{
            said + (with_key ? ": Twilio refuses the account's credentials" : ": Twilio wants the account's credentials"),
            std::nullopt, kConnect};
    if (status == 401 || status == 403 || status == 404 || status == 410 || (status >= 200 && status < 300))
        return NotYet{status == 200 ? where + " answers with nothing" : said};
    return Never{said, ""};
}

AttachmentOutcome Attachments::fetch(const AttachmentSource& source, const tel::TraceContext& trace,
                                     const std::function<bool()>& stopping) {
    auto place = Url::parse(source.url);
    if (!place) return Never{"its address is no usable URL", ""};
    auto file = store_.temporary();
    if (!file) return Again{file.error().describe(), std::nullopt};
    http::ClientRequest request;
    request.url = http::origin(*place) + place->target;
    request.trace = trace;
    request.headers.add("Accept", "*/*");
    http::FollowOptions follow;
    follow.download.byte_limit = options_.byte_limit;
    follow.download.idle_timeout = options_.idle_timeout;
    follow.download.total_timeout = options_.total_timeout;
    const bool with_key = source.account && is_of(*source.account, *place);
    if (with_key) twilio::authorize(follow.credentials, *source.account);
    AttachmentSink sink{*file, stopping};
    auto way = http::follow(
        client_, request, [&](std::string_view piece) { return sink.take(piece); }, follow);
    if (sink.stopped) return Again{"the service was stopped while it fetched it", Millis{0}};
    if (sink.disk) return Again{sink.disk->describe(), std::nullopt};
    if (!way.got.answered() || way.got.response.status != 200 || file->bytes() == 0)
        return failure(way, http::origin(*place) == http::origin(api_), with_key);
    if (is_web_page(sink.first)) return Never{http::shown(way.place) + " gives a web page instead", ""};
    return Attachment{std::move(*file), file_kind(sink.first)};
}

}  // namespace otto::providers
