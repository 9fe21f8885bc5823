#include "traces.hpp"

#include <charconv>

#include "app/common.hpp"
#include "http/client.hpp"

namespace otto::app {
namespace {

/// "http://collector:4318" and "https://…/otlp", without a slash at the end.
std::string endpoint_of(std::string text) {
    while (text.ends_with('/')) text.pop_back();
    auto scheme = text.find("://");
    bool known = scheme != std::string::npos && (text.substr(0, scheme) == "http" || text.substr(0, scheme) == "https");
    if (!known || text.size() == scheme + 3 || text.find_first_of("?# ") != std::string::npos)
        throw Failure(Error("OTTO_OTLP_ENDPOINT is no address of a collector",
                            "it takes http://host:4318 or https://host:port; /v1/traces is put behind it"));
    return text;
}

/// Whom an operator names may lie in a private network.
std::string place_of(const std::string& endpoint) {
    auto from = endpoint.find("://") + 3;
    auto place = endpoint.substr(from, endpoint.find('/', from) - from);
    if (auto user = place.rfind('@'); user != std::string::npos) place.erase(0, user + 1);
    bool port = place.rfind(':') != std::string::npos &&
                place.rfind(':') > (place.rfind(']') == std::string::npos ? 0 : place.rfind(']'));
    return port ? place : place + (endpoint.starts_with("https") ? ":443" : ":80");
}

double share_of(const std::string& text) {
    double share = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
    if (error != std::errc{} || end != text.data() + text.size() || !(share >= 0 && share <= 1))
        throw Failure(Error("OTTO_TRACE_SAMPLE is no share", "it takes a number from 0 to 1, as 0.01"));
    return share;
}

}  // namespace

std::unique_ptr<tel::TraceExport> export_traces(const Settings& settings, const std::string& program) {
    auto text = settings.get(kOtlpEndpoint);
    if (text.empty()) return nullptr;
    auto endpoint = endpoint_of(text);
    http::ClientOptions o;
    o.connect_timeout = Millis{2'000};
    o.total_timeout = Millis{3'000};
    o.retries = 0;
    o.pool_per_host = 1;
    o.private_addresses = {place_of(endpoint)};
    o.metrics_name = "otlp";
    auto client = std::make_shared<http::Client>(o);
    tel::TraceOptions options;
    options.sample = share_of(settings.get(kTraceSample));
    options.program = program;
    return std::make_unique<tel::TraceExport>(options, [client, url = endpoint + "/v1/traces"](const std::string& body) {
        http::ClientRequest request;
        request.method = http::Method::post;
        request.url = url;
        request.headers.add("Content-Type", "application/json");
        request.body = body;
        auto answer = client->send(request);
        if (!answer) throw Failure(answer.error());
        return answer->status < 300;
    });
}

}  // namespace otto::app
