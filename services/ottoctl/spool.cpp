// spool: webhooks that Kafka does not have yet.
#include "spool.hpp"

#include <algorithm>
#include <filesystem>

#include "app/common.hpp"
#include "base/time.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "ingress/endpoint.hpp"
#include "runtime/runtime.hpp"

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
        if (entry.is_directory(error)) {
            below.push_back(entry.path().string());
            for (auto& old : ingress::spools_put_aside(below.back())) below.push_back(std::move(old));
        }
    std::sort(below.begin(), below.end());
    for (auto& folder : below) {
        auto read = ingress::read_spool(folder);
        if (!read) return read.error();
        if (read->exists) out.emplace_back(folder, std::move(*read));
    }
    return out;
}

namespace {

bool is_put_aside(const std::string& folder) { return std::filesystem::path(folder).filename().string().starts_with("old-"); }

}  // namespace

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
    std::size_t old = 0;
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
        if (is_put_aside(folder))
            old += s.rows;
        else
            orphan = orphan || (s.rows > 0 && !s.owner);
    }
    Report report;
    report.many("spools", std::move(list));
    if (!topics.empty() || call.json()) report.many("topics", std::move(topics));
    if (rows == 0)
        report.note("Nothing waits: Kafka has everything.");
    else if (old < rows)
        report.note(orphan
                        ? "No ingress on this machine has one of them open: it drains when one starts with this OTTO_SPOOL_DIR."
                        : "They drain by themselves once Kafka answers.");
    if (old > 0)
        report.note(
            std::to_string(old) +
            " are older than repeats are remembered: they were put aside and are not sent by themselves. ottoctl spool drain "
            "shows and sends them.");
    print(call, report);
    return above >= 0 && rows > static_cast<std::size_t>(above) ? kRefused : kDone;
}

int spool_drain(const Invocation& call) {
    auto dir = call.operands().empty() ? call.settings().get(ingress::kSpoolDir) : call.operands().front();
    const auto now = system_clock().now();
    std::optional<Instant> before;
    if (call.has("older")) before = now - call.duration("older", Millis{0});
    const auto remembered = std::chrono::hours(24) * call.settings().get(rt::kInboxDays);
    std::vector<Record> list;
    std::vector<std::string> folders;
    std::size_t rows = 0;
    bool forgotten = false;
    for (const auto& [folder, s] : spools_under(dir).value()) {
        if (s.rows == 0 || (before && s.oldest && *s.oldest >= *before)) continue;
        const bool aside = is_put_aside(folder);
        if (!aside && s.owner) continue;  // its ingress sends it
        std::string topics;
        for (const auto& t : s.topics) topics += (topics.empty() ? "" : ", ") + t.name + " " + std::to_string(t.rows);
        list.push_back({{"dir", folder},
                        {"why", aside ? "put aside: older than repeats are remembered" : "no ingress has it open"},
                        {"rows", s.rows},
                        {"bytes", s.bytes},
                        {"topics", topics},
                        {"oldest_at", s.oldest},
                        {"newest_at", s.newest}});
        folders.push_back(folder);
        rows += s.rows;
        forgotten = forgotten || (s.oldest && *s.oldest < now - remembered);
    }
    Report report;
    report.many("spools", list, {},
                "There is nothing in " + dir + " that no ingress sends" + (before ? " and that is as old." : "."));
    if (folders.empty()) {
        print(call, report);
        return kRefused;
    }
    if (forgotten)
        report.note(
            "What is older than OTTO_INBOX_DAYS is applied again if it was applied before: whoever did that is no longer "
            "known. An id is looked for by: ottoctl event ID.");
    if (!call.has("yes")) {
        report.note(std::to_string(rows) + " webhooks would go to Kafka (OTTO_KAFKA_BROKERS)" +
                    (before ? ", as far as they are as old as that." : "."));
        return refuse_without_yes(call, std::move(report));
    }
    std::size_t sent = 0;
    std::vector<Record> done;
    bool failed = false;
    for (const auto& folder : folders) {
        auto result =
            ingress::drain_spool(folder, call.settings().get(app::kKafkaBrokers), before, call.duration("wait", Millis{30'000}));
        if (result) sent += result->sent;
        failed = failed || !result;
        done.push_back({{"dir", folder},
                        {"sent", result ? result->sent : 0},
                        {"left", result ? Cell(result->left) : Cell()},
                        {"error", result ? Cell()
                                         : Cell(result.error().message +
                                                (result.error().hint.empty() ? "" : " (" + result.error().hint + ")"))}});
    }
    report.many("drained", std::move(done));
    report.note(std::to_string(sent) + " webhooks are in Kafka now.");
    print(call, report);
    return failed ? kFailed : kDone;
}

}  // namespace otto::ottoctl
