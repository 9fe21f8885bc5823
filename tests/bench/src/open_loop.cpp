// Webhooks at a fixed rate, whatever becomes of them: the latency of each counts from when it was due, so a server that stalls
// pays for all who had to wait.
#include <cstdio>

#include "args.hpp"
#include "load.hpp"

int main(int argc, char** argv) {
    using namespace otto::bench;
    Args args(argc, argv, "port requests rate seconds connections");
    auto requests = read_requests(args.text("requests"));
    LoadOptions o;
    o.port = static_cast<int>(args.number("port"));
    o.connections = static_cast<int>(args.number("connections"));
    o.rate = std::stod(args.text("rate"));
    o.seconds = std::stod(args.text("seconds"));
    auto result = run_load(o, [&](std::uint64_t n) -> const std::string& { return requests[n % requests.size()]; });
    std::printf("%s\n", result.json().c_str());
}
