#include "http/encoding.hpp"

#include <zlib.h>

#include <algorithm>
#include <stdexcept>

#include "base/text.hpp"

namespace otto::http {
namespace {

constexpr std::size_t kLeast = 1u << 10;
constexpr int kCheap = 1;

bool is_text(std::string_view content_type) {
    const auto type = media_type(content_type);
    return type.starts_with("text/") || type == "application/json" || type.ends_with("+json") || type.ends_with("+xml") ||
           type == "application/xml" || type == "application/javascript";
}

/// Whether the parameters of an encoding say q=0, "not that".
bool refused(std::string_view parameters) {
    for (const auto& parameter : split_list(parameters, ';')) {
        const auto equals = parameter.find('=');
        if (equals == std::string::npos || !iequals(trim(parameter.substr(0, equals)), "q")) continue;
        const auto value = trim(std::string_view(parameter).substr(equals + 1));
        return !value.empty() && value.find_first_not_of("0.") == std::string_view::npos;
    }
    return false;
}

}  // namespace

bool accepts_encoding(std::string_view accept_encoding, std::string_view encoding) {
    bool any = false;
    for (const auto& item : split_list(accept_encoding)) {
        const auto end = std::min(item.find(';'), item.size());
        const auto name = trim(std::string_view(item).substr(0, end));
        const bool taken = !refused(std::string_view(item).substr(end));
        if (iequals(name, encoding)) return taken;
        if (name == "*") any = taken;
    }
    return any;
}

std::string gzip(std::string_view text, int level) {
    constexpr int kGzip = 16, kWindow = 15, kMemory = 8;
    z_stream stream{};
    if (::deflateInit2(&stream, level, Z_DEFLATED, kGzip + kWindow, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    std::string out(::deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int done = ::deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    if (done != Z_STREAM_END) throw std::runtime_error("zlib could not pack a text of " + std::to_string(text.size()) + " bytes");
    return out;
}

void pack(const Request& request, Response& response) {
    if (response.body.size() <= kLeast || response.file_body || response.stream_body || response.status == 206 ||
        response.headers.has("content-encoding") || !is_text(response.headers.get("content-type")))
        return;
    if (!response.headers.has("vary")) response.headers.add("Vary", "Accept-Encoding");
    if (!accepts_encoding(request.headers.get("accept-encoding"), "gzip")) return;
    response.body = gzip(response.body, kCheap);
    response.headers.add("Content-Encoding", "gzip");
    if (auto tag = response.headers.get("etag"); !tag.empty() && !tag.starts_with("W/"))
        response.headers.set("ETag", "W/" + std::string(tag));
}

}  // namespace otto::http
