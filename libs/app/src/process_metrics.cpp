#include "process_metrics.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <sstream>
#include <string>

#include "telemetry/metrics.hpp"

namespace otto::app {
namespace {

// The words after otto_ are those of every Prometheus client, so that what is known of them holds here too.
const tel::Gauges kBuild{
    "otto_build_info", "1; its labels say which build this is, and which schema it needs.", {"version", "schema"}};
const tel::Counters kCpu{"otto_process_cpu_seconds_total", "CPU time of the process, in user and system mode."};
const tel::Gauges kResident{"otto_process_resident_memory_bytes", "Memory of the process that is in RAM."};
const tel::Gauges kOpen{"otto_process_open_fds", "File descriptors that are open."};
const tel::Gauges kMost{"otto_process_max_fds", "File descriptors that may be open."};
const tel::Gauges kThreads{"otto_process_threads", "Threads of the process."};
const tel::Gauges kBegun{"otto_process_start_time_seconds", "When the process began, in seconds since 1970."};

/// Fields of /proc/self/stat from the third on: what is before may hold spaces.
struct Stat {
    double threads = 0, begun = 0, resident = 0;
    static Stat now() {
        std::ifstream file("/proc/self/stat");
        std::string text;
        std::getline(file, text);
        auto name = text.rfind(')');
        std::istringstream fields(name == std::string::npos ? "" : text.substr(name + 1));
        std::string state;
        double f[52] = {};  // by the numbers of proc(5)
        fields >> state;
        for (int i = 4; i < 52 && fields >> f[i]; ++i) {
        }
        return {f[20], f[22] / static_cast<double>(::sysconf(_SC_CLK_TCK)), f[24] * static_cast<double>(::sysconf(_SC_PAGESIZE))};
    }
};

double boot_time() {
    std::ifstream file("/proc/stat");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("btime ")) return std::stod(line.substr(6));
    return 0;
}

double cpu_time() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double open_descriptors() {
    DIR* all = ::opendir("/proc/self/fd");
    if (!all) return 0;
    double n = -3;  // ".", ".." and the folder's own
    while (::readdir(all)) ++n;
    ::closedir(all);
    return n;
}

}  // namespace

void tell_build(std::string_view version, std::string_view schema) { kBuild({std::string(version), std::string(schema)}).set(1); }

void measure_process() {
    static std::mutex lock;
    static double told = 0;
    std::lock_guard guard(lock);
    auto cpu = cpu_time();
    kCpu().inc(cpu - told);
    told = cpu;
    auto stat = Stat::now();
    kResident().set(stat.resident);
    kThreads().set(stat.threads);
    static const double boot = boot_time();
    kBegun().set(boot + stat.begun);
    kOpen().set(open_descriptors());
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) kMost().set(static_cast<double>(limit.rlim_cur));
}

}  // namespace otto::app
