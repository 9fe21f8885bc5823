#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// HTTP load from one thread: keep-alive connections on epoll, answers with Content-Length only.
namespace otto::bench {

using Steady = std::chrono::steady_clock;

/// Durations in µs, each kept to within 1 % (128 steps in each power of two), from 1 µs to an hour.
class Histogram {
public:
    void add(std::int64_t us);
    std::uint64_t count() const { return count_; }
    /// The value that `share` of all (0.99) do not exceed, in ms; 0 if there is none.
    double at(double share) const;
    double max_ms() const { return static_cast<double>(max_) / 1e3; }

private:
    std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(33 * 128);
    std::uint64_t count_ = 0;
    std::int64_t max_ = 0;
};

/// The requests of a file that bench-make-webhooks wrote.
std::vector<std::string> read_requests(const std::string& file);

struct LoadOptions {
    int port = 0, connections = 1;
    double rate = 0;  ///< requests a second, each due at its time whatever became of those before; 0 = closed loop
    double seconds = 1;
};

struct LoadResult {
    Histogram latency;  ///< open loop: from when each was due; closed: from when it was sent
    std::uint64_t done = 0, not_2xx = 0, errors = 0;
    double seconds = 0;
    /// One object; what every program of load prints.
    std::string json() const;
};

/// Sends what `request(n)` gives for n = 0, 1, 2, … `due` hears of each when it is due. Ends 10 s after the last at the latest;
/// what has no answer by then is an error.
LoadResult run_load(const LoadOptions&, const std::function<const std::string&(std::uint64_t)>& request,
                    const std::function<void(std::uint64_t, Steady::time_point)>& due = {});

/// One blocking keep-alive connection. Ends the program if the server is gone.
class Client {
public:
    explicit Client(int port);
    ~Client();
    /// Status and body of the answer.
    std::pair<int, std::string> ask(const std::string& request);

private:
    int fd_;
    std::string in_;
};

}  // namespace otto::bench
