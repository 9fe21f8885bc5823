// Dashboards' reads, closed loop: each connection asks again as soon as it is answered. --target PATH and --token, as often as
// wanted, go in turn and in pairs.
#include <cstdio>

#include "args.hpp"
#include "load.hpp"

int main(int argc, char** argv) {
    using namespace otto::bench;
    Args args(argc, argv, "port target token seconds connections");
    const auto& targets = args.all("target");
    const auto& tokens = args.all("token");
    std::vector<std::string> requests;
    for (std::size_t i = 0; i < std::max(targets.size(), tokens.size()); ++i)
        requests.push_back("GET " + targets[i % targets.size()] + " HTTP/1.1\r\nHost: otto.example\r\nAuthorization: Bearer " +
                           tokens[i % tokens.size()] + "\r\n\r\n");
    LoadOptions o;
    o.port = static_cast<int>(args.number("port"));
    o.connections = static_cast<int>(args.number("connections"));
    o.seconds = std::stod(args.text("seconds"));
    auto result = run_load(o, [&](std::uint64_t n) -> const std::string& { return requests[n % requests.size()]; });
    std::printf("%s\n", result.json().c_str());
}
