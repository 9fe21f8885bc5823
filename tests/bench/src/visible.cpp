// Post-Call webhooks of CallRail at a fixed rate, of several companies, and how long until GET /api/v1/calls shows each call.
// --token once a company, in the order of --company.
#include "watch.hpp"
#include "webhooks.hpp"

int main(int argc, char** argv) {
    using namespace otto;
    using namespace otto::bench;
    Args args(argc, argv, "port company token seed first rate seconds poll-ms limit start-us");
    auto companies = Company::of(args);
    const auto& tokens = args.all("token");
    auto seed = static_cast<std::uint64_t>(args.number("seed")), first = static_cast<std::uint64_t>(args.number("first"));
    Watch w;
    w.load.port = static_cast<int>(args.number("port"));
    w.load.connections = 64;
    w.load.rate = std::stod(args.text("rate"));
    w.load.seconds = std::stod(args.text("seconds"));
    w.pause = Millis{args.number("poll-ms")};
    auto count = static_cast<std::uint64_t>(w.load.rate * w.load.seconds);
    auto start = from_micros(args.number("start-us"));
    for (std::uint64_t n = 0; n < count; ++n) {
        auto call =
            call_of(seed, first + n, first + n, companies,
                    start + std::chrono::microseconds(static_cast<std::int64_t>(1e6 * static_cast<double>(n) / w.load.rate)));
        auto body = body_of(call, Stage::completed);
        w.marks.push_back(call.resource_id);
        w.requests.push_back("POST " + path_of(Stage::completed) +
                             " HTTP/1.1\r\nHost: otto.example\r\nContent-Type: application/json\r\nSignature: " +
                             signature_of(body, call.company->key) + "\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\n\r\n" + body);
    }
    for (std::size_t i = 0; i < companies.size(); ++i)
        w.reads.push_back("GET /api/v1/calls?limit=" + args.text("limit") +
                          " HTTP/1.1\r\nHost: otto.example\r\nAuthorization: Bearer " + tokens[i % tokens.size()] + "\r\n\r\n");
    w.marks_of = [](std::string_view page, const auto& shown) {
        constexpr std::string_view mark = "\"provider_call_id\":\"";
        for (std::size_t at = 0; (at = page.find(mark, at)) != std::string_view::npos;) {
            at += mark.size();
            shown(page.substr(at, page.find('"', at) - at));
        }
    };
    watch(w);
}
