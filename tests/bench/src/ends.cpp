// Calls that end, as webhooks from a file (Twilio's, made and signed by the driver), and how long until GET /api/aloha/calls
// shows each as over. --marks: a line for each request, the caller's number where the request is the call's end, else empty; no
// number calls twice. --token once a company.
#include <fstream>

#include "args.hpp"
#include "watch.hpp"

int main(int argc, char** argv) {
    using namespace otto;
    using namespace otto::bench;
    Args args(argc, argv, "port requests marks token rate poll-ms page-size");
    Watch w;
    w.requests = read_requests(args.text("requests"));
    std::ifstream marks(args.text("marks"));
    for (std::string line; std::getline(marks, line);) w.marks.push_back(line);
    if (w.marks.size() != w.requests.size()) {
        std::fprintf(stderr, "%zu marks for %zu requests\n", w.marks.size(), w.requests.size());
        return 2;
    }
    w.load.port = static_cast<int>(args.number("port"));
    w.load.connections = 64;
    w.load.rate = std::stod(args.text("rate"));
    w.load.seconds = (static_cast<double>(w.requests.size()) + 0.5) / w.load.rate;  // each of them, however that rounds
    w.pause = Millis{args.number("poll-ms")};
    for (const auto& token : args.all("token"))
        w.reads.push_back("GET /api/aloha/calls?pageSize=" + args.text("page-size") +
                          " HTTP/1.1\r\nHost: otto.example\r\nAuthorization: Bearer " + token + "\r\n\r\n");
    w.marks_of = [](std::string_view page, const auto& shown) {
        constexpr std::string_view number = "\"callerNumber\":\"", outcome = "\"outcome\":";
        for (std::size_t at = 0; (at = page.find(number, at)) != std::string_view::npos;) {
            at += number.size();
            auto over = page.find(outcome, at);
            if (over == std::string_view::npos) return;
            if (page[over + outcome.size()] == '"') shown(page.substr(at, page.find('"', at) - at));  // null: it is not over
        }
    };
    watch(w);
}
