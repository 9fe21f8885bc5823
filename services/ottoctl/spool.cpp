// spool: webhooks that Kafka does not have yet.
#include "spool.hpp"

#include <algorithm>
#include <filesystem>

#include "base/time.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "ingress/endpoint.hpp"

namespace otto::ottoctl {

Result<std::vector<std::pair<std::string, ingress::SpoolReport>>> spools_under(const std::string& dir) {
    namespace fs = std::filesystem;
    std::vector<std::pair<std::string, ingress::SpoolReport>> out;
    auto own = ingress::read_spool(dir);
    if (!own) return own.error();
    if (own->exists) out.emplace_back(dir, std::move(*own));
    std::vector<std::string> below;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir, error))
        if (entry.is_directory(error)) below.push_back(entry.path().string());
    std::sort(below.begin(), below.end());
    for (auto& folder : below) {
        auto read = ingress::read_spool(folder);
        if (!read) return read.error();
        if (read->exists) out.emplace_back(folder, std::move(*read));
    }
    return out;
}

int spool(const Invocation& call) {
    auto dir = call.operands().empty() ? call.settings().get(ingress::kSpoolDir) : call.operands().front();
    auto most = static_cast<std::size_t>(call.settings().get(ingress::kSpoolMegabytes)) << 20;
    auto above = call.number("above", -1, 0, 1'000'000'000'000);
    auto spools = spools_under(dir).value();
    if (spools.empty()) {
        Report report;
        report.many("spools", {}, {},
                    "There is no spool in " + dir + ": no ingress has used it. OTTO_SPOOL_DIR is the folder of the ingress.");
        print(call, report);
        return kRefused;
    }
    std::vector<Record> list, topics;
    std::size_t rows = 0;
    bool orphan = false;
    for (const auto& [folder, s] : spools) {
        std::optional<std::int64_t> age, owner;
        if (s.oldest) age = std::chrono::duration_cast<std::chrono::seconds>(system_clock().now() - *s.oldest).count();
        if (s.owner) owner = *s.owner;
        list.push_back({{"dir", folder},
                        {"rows", s.rows},
                        {"bytes", s.bytes},
                        {"full_percent", s.bytes * 100 / most},
                        {"oldest_at", s.oldest},
                        {"oldest_s", age},
                        {"newest_at", s.newest},
                        {"ingress_pid", owner}});
        for (const auto& t : s.topics)
            topics.push_back({{"dir", folder}, {"topic", t.name}, {"rows", t.rows}, {"bytes", t.bytes}});
        rows += s.rows;
        orphan = orphan || (s.rows > 0 && !s.owner);
    }
    Report report;
    report.many("spools", std::move(list));
    if (!topics.empty() || call.json()) report.many("topics", std::move(topics));
    if (rows == 0)
        report.note("Nothing waits: Kafka has everything.");
    else
        report.note(orphan
                        ? "No ingress on this machine has one of them open: it drains when one starts with this OTTO_SPOOL_DIR."
                        : "They drain by themselves once Kafka answers.");
    print(call, report);
    return above >= 0 && rows > static_cast<std::size_t>(above) ? kRefused : kDone;
}

}  // namespace otto::ottoctl
