#pragma once
#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>

#include "http/message.hpp"

namespace otto::http {

namespace beast = boost::beast;
namespace wire = boost::beast::http;
using boost::system::error_code;

inline std::optional<Method> method_of(wire::verb v) {
    switch (v) {
        case wire::verb::get:
            return Method::get;
        case wire::verb::head:
            return Method::head;
        case wire::verb::post:
            return Method::post;
        case wire::verb::put:
            return Method::put;
        case wire::verb::patch:
            return Method::patch;
        case wire::verb::delete_:
            return Method::del;
        case wire::verb::options:
            return Method::options;
        default:
            return std::nullopt;
    }
}

/// A request as it comes in, written where it will stay.
class Incoming final : public wire::basic_parser<true> {
public:
    Request request;
    std::optional<Method> method;
    int version = 11, hosts = 0, lengths = 0, encodings = 0;
    bool only_chunked = true;

    bool has_body() const { return content_length().value_or(0) > 0 || chunked(); }
    /// A target may be a whole URL (RFC 9112, 3.2.2): its host counts then, whatever Host says.
    void to_origin_form() {
        auto& target = request.target;
        auto scheme = std::string_view(target).substr(0, target.find("://"));
        if (target.starts_with('/') || !(iequals(scheme, "http") || iequals(scheme, "https"))) return;
        auto from = scheme.size() + 3, to = std::min(target.find_first_of("/?", from), target.size());
        if (from >= to) return;
        request.headers.set("Host", target.substr(from, to - from));
        target.erase(0, to);
        if (!target.starts_with('/')) target.insert(0, "/");
    }

private:
    using Text = beast::string_view;
    void on_request_impl(wire::verb verb, Text, Text target, int said, error_code&) override {
        version = said;
        method = method_of(verb);
        request.target.assign(target.data(), target.size());
    }
    void on_response_impl(int, Text, int, error_code&) override {}
    void on_field_impl(wire::field field, Text name, Text value, error_code&) override {
        if (headers_done_) return;  // a trailer
        if (field == wire::field::host) ++hosts;
        if (field == wire::field::content_length) ++lengths;
        if (field == wire::field::transfer_encoding) {
            ++encodings;
            only_chunked = only_chunked && iequals({value.data(), value.size()}, "chunked");
        }
        request.headers.add(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
    void on_header_impl(error_code&) override { headers_done_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
        request.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(length.value_or(0), 4u << 10)));
    }
    std::size_t on_body_impl(Text piece, error_code&) override {
        request.body.append(piece.data(), piece.size());
        return piece.size();
    }
    void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text piece, error_code& error) override { return on_body_impl(piece, error); }
    void on_finish_impl(error_code&) override {}

    bool headers_done_ = false;
};

}  // namespace otto::http
