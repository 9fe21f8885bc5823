// Form bodies, query strings, URLs: any text.
#include "base/text.hpp"
#include "harness.hpp"
#include "http/message.hpp"

using namespace otto;

namespace {

std::string written(const FormFields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
    return out;
}

void form(std::string_view text) {
    auto fields = parse_form(text);
    auto again = written(fields);
    OTTO_EXPECT(parse_form(again) == fields, again);
    std::size_t bytes = 0;
    for (const auto& [name, value] : fields) {
        bytes += name.size() + value.size();
        auto first = form_value(fields, name);
        OTTO_EXPECT(first.has_value(), name);
        OTTO_EXPECT(percent_decode(percent_encode(value), true) == value && percent_decode(percent_encode(value), false) == value,
                    value);
    }
    OTTO_EXPECT(bytes <= text.size(), again);  // decoding never grows
    for (std::size_t i = 0; i < fields.size() && i < 50; ++i)
        for (std::size_t k = 0; k <= i; ++k)
            if (fields[k].first == fields[i].first) {  // the first of a name counts
                OTTO_EXPECT(form_value(fields, fields[i].first) == fields[k].second, fields[i].first);
                break;
            }
    // Forms are joined by &.
    auto joined = parse_form(std::string(text) + "&" + std::string(text));
    OTTO_EXPECT(joined.size() == 2 * fields.size(), std::string(text));
    http::Request request;
    request.query = text;
    OTTO_EXPECT(request.query_fields() == fields, std::string(text));
}

void url(std::string_view text) {
    auto parsed = Url::parse(text);
    if (!parsed) {
        OTTO_EXPECT(!parsed.error().message.empty(), "");
        return;
    }
    OTTO_EXPECT(parsed->scheme == "http" || parsed->scheme == "https", parsed->scheme);
    OTTO_EXPECT(!parsed->host.empty() && parsed->host == lower(parsed->host) && parsed->host.size() <= 253, parsed->host);
    OTTO_EXPECT(!parsed->port.empty() && parsed->port.find_first_not_of("0123456789") == std::string::npos, parsed->port);
    OTTO_EXPECT(parsed->target.starts_with('/'), parsed->target);
    for (const auto& part : {parsed->host, parsed->target})  // they stand in a request's head
        for (unsigned char c : part) OTTO_EXPECT(c > ' ' && c != 0x7f && c != '#', part);
    OTTO_EXPECT(parsed->host.find_first_of("@/?[]") == std::string::npos, parsed->host);
    bool v6 = parsed->host.find(':') != std::string::npos;
    auto again = parsed->scheme + "://" + (v6 ? "[" : "") + parsed->host + (v6 ? "]" : "") + ":" + parsed->port + parsed->target;
    auto reread = Url::parse(again);
    OTTO_EXPECT(reread.ok(), again);
    OTTO_EXPECT(reread->scheme == parsed->scheme && reread->host == parsed->host && reread->port == parsed->port &&
                    reread->target == parsed->target,
                again);
}

void texts(std::string_view text) {
    for (std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{5}, text.size() / 2, text.size()}) {
        auto clipped = clip_utf8(text, limit);
        OTTO_EXPECT(clipped.size() <= limit && text.starts_with(clipped), clipped);
        if (valid_utf8(text)) OTTO_EXPECT(valid_utf8(clipped) && clipped.size() + 3 >= std::min(limit, text.size()), clipped);
    }
    auto mended = mend_utf8(text);
    OTTO_EXPECT(valid_utf8(mended) && mend_utf8(mended) == mended && (mended == text) == valid_utf8(text), mended);
    for (const auto& part : split_list(text))
        OTTO_EXPECT(!part.empty() && part == trim(part) && part.find(',') == std::string::npos, part);
}

}  // namespace

void fuzz(std::string_view text) {
    form(text);
    url(text);
    texts(text);
}
