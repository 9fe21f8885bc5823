// Writes whole HTTP requests into a file, for wrk (webhooks.lua) and bench-open-loop: Post-Call webhooks, signed, no two alike.
// Each stands as its length in decimal, a line feed, and its bytes.
#include <fstream>

#include "webhooks.hpp"

int main(int argc, char** argv) {
    using namespace otto::bench;
    Args args(argc, argv, "company seed first count numbers out start-us");
    auto companies = Company::of(args);
    auto seed = static_cast<std::uint64_t>(args.number("seed"));
    auto first = static_cast<std::uint64_t>(args.number("first", 0)), count = static_cast<std::uint64_t>(args.number("count"));
    auto numbers = static_cast<std::uint64_t>(args.number("numbers", 5'000));
    auto start = otto::from_micros(args.number("start-us"));
    std::ofstream out(args.text("out"), std::ios::binary);
    for (std::uint64_t n = first; n < first + count; ++n) {
        auto call =
            call_of(seed, n, random_of(seed ^ 0xca11, n) % numbers, companies, start + std::chrono::milliseconds(n - first));
        auto body = body_of(call, Stage::completed);
        std::string request =
            "POST " + path_of(Stage::completed) +
            " HTTP/1.1\r\nHost: otto.example\r\nUser-Agent: CallRail\r\nContent-Type: application/json\r\nSignature: " +
            signature_of(body, call.company->key) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        out << request.size() << '\n' << request;
    }
    out.flush();
    if (!out) std::fprintf(stderr, "cannot write %s\n", args.text("out").c_str());
    return out ? 0 : 1;
}
