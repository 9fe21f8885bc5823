#include "http/message.hpp"

#include "base/json.hpp"

namespace otto::http {

std::string_view to_text(Method m) {
    switch (m) {
        case Method::get: return "GET";
        case Method::head: return "HEAD";
        case Method::post: return "POST";
        case Method::put: return "PUT";
        case Method::patch: return "PATCH";
        case Method::del: return "DELETE";
        case Method::options: return "OPTIONS";
    }
    return "?";
}

void Headers::set(std::string_view name, std::string value) {
    std::erase_if(items_, [&](const auto& item) { return iequals(item.first, name); });
    add(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
    for (const auto& [key, value] : items_)
        if (iequals(key, name)) return value;
    return {};
}

bool Headers::has(std::string_view name) const { return count(name) > 0; }

std::size_t Headers::count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& item : items_) n += iequals(item.first, name);
    return n;
}

std::string_view Request::param(std::string_view name) const {
    for (const auto& [key, value] : path_params)
        if (key == name) return value;
    return {};
}

std::string Request::content_type() const {
    auto type = headers.get("content-type");
    return lower(trim(type.substr(0, type.find(';'))));
}

Response Response::text(int status, std::string body, std::string content_type) {
    Response r;
    r.status = status;
    r.body = std::move(body);
    r.headers.add("Content-Type", std::move(content_type));
    return r;
}

Response Response::json(int status, std::string body) { return text(status, std::move(body), "application/json"); }

Response Response::empty(int status) {
    Response r;
    r.status = status;
    return r;
}

Response problem(const Problem& p, const Request& request) {
    JsonWriter w;
    w.begin_object().member("type", p.type).member("title", p.title).member("status", p.status).member("detail", p.detail);
    w.member("instance", request.path).member("request_id", request.request_id);
    if (!p.fields.empty()) {
        w.key("errors").begin_array();
        for (const auto& [field, message] : p.fields) w.begin_object().member("field", field).member("message", message).end_object();
        w.end_array();
    }
    w.end_object();
    return Response::text(p.status, w.take(), "application/problem+json");
}

Responder::Responder(Send send) : send_(std::make_unique<Send>(std::move(send))) {}

Responder::~Responder() {
    if (send_) (*this)(Response::empty(500));
}

void Responder::operator()(Response response) {
    if (auto send = std::move(send_)) (*send)(std::move(response));
}

}  // namespace otto::http
