#include "kafka/topic_table.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "telemetry/log.hpp"

namespace otto::kafka {
namespace {

using Steady = std::chrono::steady_clock;
// Whether Kafka answers: it is waited for so long, and asked again so long after.
constexpr Millis kAnswersWithin{1'000}, kAskWell{5'000}, kAskAway{500};
// A snapshot of what has not changed is written anew so often, so that its age says how long ago the topic was known.
constexpr std::chrono::minutes kSaveUnchanged{1};

}  // namespace

TopicTable::TopicTable(Options options, Apply apply, Dump dump)
    : options_(std::move(options)),
      apply_(std::move(apply)),
      dump_(std::move(dump)),
      kafka_(Error("it has not been asked yet")) {}

TopicTable::~TopicTable() { stop(); }

bool TopicTable::caught_up(Millis wait) const {
    if (caught_up_ || wait <= Millis{0}) return caught_up_;  // asked for each request: a wait costs a turn of the scheduler
    std::unique_lock guard(lock_);
    return known_.wait_for(guard, wait, [&] { return caught_up_ || stop_; }) && caught_up_;
}

std::optional<Instant> TopicTable::snapshot_of() const {
    std::lock_guard guard(lock_);
    return snapshot_of_;
}

Result<void> TopicTable::answers() const {
    std::lock_guard guard(lock_);
    if (kafka_) return *kafka_;
    return {};
}

void TopicTable::start() {
    load_snapshot();
    reader_ = std::make_unique<Reader>(options_.brokers, options_.client_id, std::vector<std::string>{options_.topic});
    thread_ = std::thread([this] { loop(); });
}

void TopicTable::stop() {
    {
        std::lock_guard guard(lock_);
        stop_ = true;
    }
    known_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void TopicTable::loop() {
    auto saved = Steady::now(), ask_at = saved;
    while (!stop_) {
        if (Steady::now() >= ask_at) {
            auto there = reader_->answers(kAnswersWithin);
            ask_at = Steady::now() + (there ? kAskWell : kAskAway);
            std::lock_guard guard(lock_);
            kafka_ = there ? std::nullopt : std::optional(there.error());
        }
        std::size_t read = 0;
        for (const auto& r : reader_->poll(1'000, Millis{100})) {
            apply_(r.key, r.tombstone ? std::string_view{} : std::string_view(r.value));
            ++read;
        }
        dirty_ = dirty_ || read > 0;
        if (!caught_up_ && reader_->caught_up()) {
            {
                std::lock_guard guard(lock_);
                caught_up_ = true;
            }
            known_.notify_all();
            dirty_ = true;
            tel::info(options_.what + " are known", {{"topic", options_.topic}});
        }
        auto since = Steady::now() - saved;
        bool renew = since > kSaveUnchanged && answers();
        if (caught_up_ && ((dirty_ && since > std::chrono::seconds(1)) || renew)) {
            save_snapshot();
            saved = Steady::now();
        }
    }
    if (dirty_ && caught_up_) save_snapshot();
}

// The snapshot: one JSON line a record, `{"id","value"}` with the value in base64; written whole, renamed into place. The file's
// time is when it was known.

void TopicTable::load_snapshot() {
    if (options_.snapshot.empty()) return;
    std::ifstream in(options_.snapshot);
    std::string line;
    std::size_t n = 0;
    while (std::getline(in, line)) {
        auto parsed = JsonDocument::parse(line);
        if (!parsed) continue;
        auto id = parsed->root()["id"].string();
        auto value = base64_decode(parsed->root()["value"].string().value_or(""));
        if (!id || !value) continue;
        apply_(std::string(*id), *value);
        ++n;
    }
    struct stat file {};
    if (n == 0 || ::stat(options_.snapshot.c_str(), &file) != 0) return;
    {
        std::lock_guard guard(lock_);
        snapshot_of_ = Instant{} + std::chrono::seconds(file.st_mtime);
    }
    tel::info(options_.what + " are known from the snapshot", {{"records", n}});
}

void TopicTable::save_snapshot() {
    if (options_.snapshot.empty()) return;
    dirty_ = false;
    // Processes that share a file write the same of it; each has its own until it is whole.
    auto temporary = options_.snapshot + "." + std::to_string(::getpid());
    std::FILE* f = std::fopen(temporary.c_str(), "w");
    if (!f) {
        tel::warn("a snapshot cannot be written", {{"file", temporary}});
        return;
    }
    ::fchmod(::fileno(f), 0600);
    bool good = true;
    dump_([&](const std::string& key, std::string_view value) {
        JsonWriter w;
        w.begin_object().member("id", key).member("value", base64_encode(value)).end_object();
        good = good && std::fprintf(f, "%s\n", w.text().c_str()) > 0;
    });
    good = good && std::fflush(f) == 0 && ::fsync(::fileno(f)) == 0;
    good = std::fclose(f) == 0 && good;
    if (!good || std::rename(temporary.c_str(), options_.snapshot.c_str()) != 0)
        tel::warn("a snapshot cannot be written", {{"file", options_.snapshot}});
}

}  // namespace otto::kafka
