#include "stream.hpp"

#include "api/asked.hpp"
#include "api/refusal.hpp"
#include "events/event.hpp"
#include "kafka/source.hpp"
#include "roles.hpp"
#include "telemetry/log.hpp"

namespace otto::query_service {
namespace {

/// Read at the start of each partition, so that who was told by another process, or by one before, can go on here.
constexpr std::int64_t kBehind = 5'000;

/// Kafka may be away for so long before streams end: a client that hears heartbeats takes what it has for new.
constexpr std::chrono::seconds kPatience{10};

constexpr Millis kLongestWait{100};

const std::string& type() { return events::type_of<changes::v1::RowChanged>().type; }

std::optional<Change> change_of(const kafka::Record& record) {
    if (record.header("ce_type") != type()) return std::nullopt;
    Change change;
    change.offset = record.offset;
    auto meta = events::read_meta(record.headers);
    if (!meta || !events::parse_into(change.row, record.value) || change.row.company_id().empty()) {
        tel::warn("a record of otto.changes cannot be read", {{"partition", record.partition}, {"offset", record.offset}});
        return std::nullopt;
    }
    change.at = meta->time;
    return change;
}

}  // namespace

Stream::Stream(std::string brokers, std::shared_ptr<identity::Members> members)
    : brokers_(std::move(brokers)), members_(std::move(members)), hub_(members_) {}

Stream::~Stream() { stop(); }

void Stream::routes(api::Api& api) const { api.get("/api/v1/stream", kEverybody, *this, &Stream::open); }

http::Response Stream::open(api::Context& c) const {
    auto after = api::Asked(c.request, {"after"}, api::Asked::Paged::no).text("after");
    if (after && !Position::parse(*after)) api::refuse_field("after", "is the id of a frame of this stream, as 3.1042");
    if (c.request.headers.has("last-event-id")) after = std::string(c.request.headers.get("last-event-id"));
    const Watcher who{c.company(), c.who.user.value(), *c.who.role, c.who.issued_at};
    auto opened = hub_.open(who, after, Steady::now());
    switch (opened.let) {
        case Hub::Let::in:
            return http::Response::events(std::move(opened.body));
        case Hub::Let::not_yet:
            throw api::Refusal{{503, "Changes unknown", "What changes is not known at the moment; try again shortly."}, 2};
        case Hub::Let::too_many_of_user:
            throw api::Refusal{{429, "Too many streams", "You have ten streams open; close one, or share one among your tabs."},
                               5};
        default:
            throw api::Refusal{{429, "Too many streams", "As many streams are open as this process holds; try again."}, 5};
    }
}

void Stream::start() {
    thread_ = std::thread([this] { read(); });
}

void Stream::stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
}

void Stream::read() {
    kafka::Reader reader(brokers_, "otto-changes", {"otto.changes"});
    reader.start_near_end(kBehind);
    auto answered = Steady::now();
    bool tells = false;
    for (auto next = Steady::now(); !stop_;) {
        auto wait = std::clamp(std::chrono::duration_cast<Millis>(next - Steady::now()), Millis{0}, kLongestWait);
        for (const auto& record : reader.poll(1'000, wait))
            if (auto change = change_of(record)) hub_.take(record.partition, std::move(*change));
        std::vector<std::pair<std::int32_t, std::int64_t>> positions;
        for (const auto& [partition, offset] : reader.positions()) positions.emplace_back(partition.partition, offset);
        if (!positions.empty()) hub_.read_to(positions);
        if (members_->kafka_answers()) answered = Steady::now();
        const bool known = reader.caught_up() && Steady::now() - answered < kPatience;
        if (known != tells) {
            tells = known;
            hub_.tells(tells);
            if (tells)
                tel::info("changes are told to who watches", {{"partitions", positions.size()}});
            else
                tel::warn("nobody is told what changes, for Kafka does not answer");
        }
        next = hub_.turn(Steady::now());
    }
}

}  // namespace otto::query_service
