// spool: webhooks that Kafka does not have yet.
#include "base/time.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "ingress/spool_report.hpp"
#include "ingress/webhook.hpp"

namespace otto::ottoctl {

int spool(const Call& call) {
    auto dir = call.operands().empty() ? call.settings().get(ingress::kSpoolDir) : call.operands().front();
    auto read = ingress::read_spool(dir).value();
    Report report;
    if (!read.exists) {
        report.note("There is no spool in " + dir + ": no ingress has used it. OTTO_SPOOL_DIR is the folder of the ingress.");
        print(call, report);
        return kRefused;
    }
    std::optional<std::int64_t> age;
    if (read.oldest) age = std::chrono::duration_cast<std::chrono::seconds>(system_clock().now() - *read.oldest).count();
    std::optional<std::int64_t> owner;
    if (read.owner) owner = *read.owner;
    auto most = static_cast<std::size_t>(call.settings().get(ingress::kSpoolMegabytes)) << 20;
    report.one("spool", {{"dir", dir}, {"rows", read.rows}, {"bytes", read.bytes}, {"full_percent", read.bytes * 100 / most}, {"oldest_at", read.oldest}, {"oldest_s", age}, {"newest_at", read.newest},
                         {"ingress_pid", owner}});
    std::vector<Record> topics;
    for (const auto& t : read.topics) topics.push_back({{"topic", t.name}, {"rows", t.rows}, {"bytes", t.bytes}});
    report.many("topics", std::move(topics), {}, "it is empty: Kafka has everything");
    if (read.rows > 0)
        report.note(read.owner ? "It drains by itself once Kafka answers." : "No ingress has it open on this machine: it drains when one starts with this OTTO_SPOOL_DIR.");
    print(call, report);
    auto above = call.number("above", -1, 0, 1'000'000'000'000);
    return above >= 0 && read.rows > static_cast<std::size_t>(above) ? kRefused : kDone;
}

}  // namespace otto::ottoctl
