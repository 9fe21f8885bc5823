// What who watches is told: what he may see, each row once, in order; what he missed, or that he must ask anew.
#include "stream.hpp"

#include <random>

#include "api/refusal.hpp"
#include "events/event.hpp"
#include "kafka/producer.hpp"
#include "kafka/topics.hpp"
#include "otto/members/v1/members.pb.h"
#include "pg/connection.hpp"
#include "testkit/kafka.hpp"
#include "watching.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

constexpr std::int32_t kPartitions = 12;
std::int32_t partition_of(const std::string& company) { return kafka::partition_of(company, kPartitions); }

/// A hub whose time is the test's.
struct Live {
    std::shared_ptr<identity::Members> members = std::make_shared<identity::Members>(identity::Members::Options{});
    Hub hub;
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    Steady::time_point now = Steady::now();
    std::map<std::int32_t, std::int64_t> next;
    std::unique_ptr<http::Server> server;

    explicit Live(Hub::Limits limits = {}) : hub(members, limits) {
        begins();
        router->add(http::Method::get, "/stream", [this](const http::Request& r) {
            std::map<std::string, std::string> asked;
            for (const auto& [name, value] : r.query_fields()) asked[name] = value;
            Watcher who{
                CompanyId{asked.count("company") ? asked["company"] : "org_a"}, asked.count("user") ? asked["user"] : "user_m",
                asked.count("role") ? *identity::role_from(asked["role"]) : Role::manager, Instant{} + std::chrono::seconds(100)};
            auto opened = hub.open(who, asked.count("after") ? std::optional(asked["after"]) : std::nullopt, now);
            if (opened.let == Hub::Let::in) return http::Response::events(opened.body);
            return http::Response::empty(opened.let == Hub::Let::not_yet ? 503 : 429);
        });
        server = std::make_unique<http::Server>(http::ServerOptions{}, router);
        REQUIRE(server->start());
    }
    void begins() {
        std::vector<std::pair<std::int32_t, std::int64_t>> positions;
        for (std::int32_t p = 0; p < kPartitions; ++p) positions.emplace_back(p, next[p] = 100);
        hub.read_to(positions);
        hub.tells(true);
    }
    Watching watch(const std::string& query = {}, int buffer = 0) { return Watching(server->port(), query, buffer); }
    /// And its hello is here.
    Watching greeted(const std::string& query = {}) {
        auto w = watch(query);
        CHECK(w.next().event == "hello");
        return w;
    }
    std::string take(const char* kind, const std::string& id, const std::function<void(changes::v1::RowChanged&)>& more = {},
                     const std::string& company = "org_a") {
        Change change;
        change.row.set_company_id(company);
        change.row.set_kind(kind);
        change.row.set_id(id);
        change.row.set_op(changes::v1::OP_CHANGED);
        if (more) more(change.row);
        change.at = system_clock().now();
        auto partition = partition_of(company);
        change.offset = next[partition]++;
        Position at{partition, change.offset};
        hub.take(partition, std::move(change));
        return at.text();
    }
    void turn(Millis later = Millis{101}) { hub.turn(now += later); }
};

std::string told(const std::vector<Watching::Frame>& frames) {
    std::string out;
    for (const auto& f : frames)
        out += (out.empty() ? "" : ", ") + f.event +
               (f.event == "change" ? " " + f.at("op") + " " + f.at("kind") + " " + f.at("id") : "");
    return out;
}

}  // namespace

TEST_CASE("a change is told with what it hangs on, and where the stream is", "[stream]") {
    Live live;
    auto w = live.watch();
    auto hello = w.next();
    CHECK(hello.event == "hello");
    CHECK(hello.at("resumed") == "false");
    CHECK(hello.at("heartbeat_s") == "15");
    CHECK(hello.id == Position{partition_of("org_a"), 99}.text());
    auto id = live.take("call", "7", [](auto& row) {
        row.set_version(3);
        row.set_call_id("7");
        row.set_lead_id("a lead");
    });
    live.take("call", "8", {}, "org_b");
    live.turn();
    auto change = w.next();
    CHECK(change.id == id);
    CHECK(change.data ==
          R"({"kind":"call","id":"7","version":3,"op":"changed","contact_card_id":null,"lead_id":"a lead","call_id":7})");
    live.turn(Millis{15'001});
    auto beat = w.next();
    CHECK(beat.event == ":");
    CHECK(beat.id == id);
}

TEST_CASE("each row is told once in a while, as it became last", "[stream]") {
    Live live;
    auto w = live.greeted();
    live.take("lead", "1", [](auto& row) { row.set_op(changes::v1::OP_CREATED); });
    live.take("call", "1");
    live.take("lead", "1");
    live.take("task", "2", [](auto& row) { row.set_op(changes::v1::OP_REMOVED); });
    live.take("call", "1");
    live.turn();
    live.take("call", "1");
    live.turn(Millis{10});  // too soon
    live.take("call", "1");
    live.turn();
    live.hub.tells(false);
    CHECK(told(w.until_event("bye")) ==
          "change created lead 1, change removed task 2, change changed call 1, change changed call 1, bye");
}

TEST_CASE("who sees what in the lists is told of that", "[stream]") {
    Live live;
    std::map<std::string, std::string> expected{
        {"user=user_m&role=manager",
         "change changed lead 1, change changed lead 2, change changed task 3, change changed user 4, "
         "change changed waiting 5, change changed opt_out 6, bye"},
        {"user=user_c&role=csr",
         "change changed lead 1, change changed lead 2, change changed task 3, change changed waiting 5, "
         "change changed opt_out 6, bye"},
        {"user=user_e&role=executive",
         "change changed lead 1, change changed lead 2, change changed task 3, change changed waiting 5, bye"},
        {"user=user_r&role=sales_rep", "change changed lead 1, change changed task 3, bye"},
        {"user=user_s&role=sales_rep", "change removed lead 1, change changed lead 2, bye"},
        {"user=user_t&role=sales_rep", "bye"},
        {"user=user_m&role=manager&company=org_b", "bye"}};
    std::map<std::string, Watching> watching;
    for (const auto& [query, all] : expected) watching.emplace(query, live.greeted(query));
    live.take("lead", "1", [](auto& row) {
        row.set_rep_id("user_r");
        row.set_former_rep_id("user_s");
    });
    live.take("lead", "2", [](auto& row) { row.set_rep_id("user_s"); });
    live.take("task", "3", [](auto& row) { row.set_owner_id("user_r"); });
    live.take("user", "4", [](auto& row) { row.set_owner_id("user_r"); });
    live.take("waiting", "5", [](auto& row) { row.set_rep_id("user_r"); });
    live.take("opt_out", "6");
    live.turn();
    live.hub.tells(false);
    for (auto& [query, w] : watching) {
        INFO(query);
        CHECK(told(w.until_event("bye")) == expected[query]);
    }
}

TEST_CASE("who comes back is told what he missed, or to ask for everything anew", "[stream]") {
    Hub::Limits limits;
    limits.kept = 3;
    Live live(limits);
    auto first = live.take("call", "1");
    auto second = live.take("call", "2");
    auto third = live.take("call", "3");
    auto from = [&](const std::string& after) {
        auto w = live.watch("after=" + after);
        live.hub.tells(false);
        live.hub.tells(true);
        auto frames = w.until_event("bye");
        return frames.front().at("resumed") + " " + told(frames);
    };
    auto before = Position{partition_of("org_a"), 99}.text(), ahead = Position{partition_of("org_a"), 900}.text();
    CHECK(from(before) == "true hello, change changed call 1, change changed call 2, change changed call 3, bye");
    CHECK(from(second) == "true hello, change changed call 3, bye");
    CHECK(from(third) == "true hello, bye");
    CHECK(from(ahead) == "true hello, bye");  // another process has read more
    auto fourth = live.take("call", "4");
    CHECK(from(first) == "true hello, change changed call 2, change changed call 3, change changed call 4, bye");
    CHECK(from(before) == "false hello, reset, bye");
    CHECK(from(Position{partition_of("org_a"), 9'000}.text()) == "false hello, reset, bye");
    CHECK(from(Position{(partition_of("org_a") + 1) % kPartitions, 103}.text()) == "false hello, reset, bye");
    CHECK(from("nonsense") == "false hello, reset, bye");
}

TEST_CASE("who takes too little of what waits asks for everything anew, and delays nobody", "[stream]") {
    Hub::Limits limits;
    limits.room = 8u << 10;
    Live live(limits);
    auto quick = live.greeted("user=user_c&role=csr");
    auto slow = live.watch({}, 2'048);
    CHECK(slow.next().event == "hello");
    const std::string long_id(500, 'x');
    std::string last;
    for (int i = 0; i < 1'000; ++i) {
        last = live.take("call", long_id + std::to_string(i));
        live.turn();
        CHECK(quick.next().id == last);
    }
    live.hub.tells(false);
    auto frames = slow.until_event("bye");
    CHECK(frames.size() < 1'000);
    REQUIRE(frames.size() >= 2);
    frames.pop_back();
    auto reset = std::find_if(frames.rbegin(), frames.rend(), [](const auto& f) { return f.event == "reset"; });
    REQUIRE(reset != frames.rend());
    auto at = Position::parse(reset->id)->offset;
    for (auto f = reset.base(); f != frames.end(); ++f) CHECK(Position::parse(f->id)->offset == ++at);
    CHECK(Position{partition_of("org_a"), at}.text() == last);  // all that he is not told comes before his reset
}

TEST_CASE("a flood that is more than is kept is a reset", "[stream]") {
    Hub::Limits limits;
    limits.kept = 10;
    Live live(limits);
    auto w = live.greeted();
    for (int i = 0; i < 11; ++i) live.take("call", std::to_string(i));
    live.turn();
    auto last = live.take("call", "one more");
    live.turn();
    auto reset = w.next();
    CHECK(reset.event == "reset");
    CHECK(w.next().id == last);
}

TEST_CASE("streams end when their time is over, and when who watches is no longer who he was", "[stream]") {
    Live live;
    auto member = [&](const std::string& user, const char* role, bool removed, int at) {
        members::v1::Member m;
        m.set_company_id("org_a");
        m.set_user_id(user);
        m.set_role(role);
        m.set_status(removed ? members::v1::STATUS_REMOVED : members::v1::STATUS_ACTIVE);
        m.set_version(at);
        m.set_changed_at_us(std::int64_t{at} * 1'000'000);
        live.members->apply("org_a:" + user, m.SerializeAsString());
    };
    member("user_m", "manager", false, 50);
    member("user_c", "csr", false, 50);
    auto stays = live.greeted("user=user_m"), removed = live.greeted("user=user_x&role=csr"),
         promoted = live.greeted("user=user_c&role=csr"), known_before = live.greeted("user=user_r&role=sales_rep");
    member("user_x", "csr", true, 200);
    member("user_c", "manager", false, 200);
    member("user_r", "csr", false, 90);  // before his token was made, which therefore knows better
    live.turn(Millis{600});
    CHECK(removed.next().at("why") == "removed");
    CHECK(removed.next().event.empty());
    CHECK(promoted.next().at("why") == "role");
    CHECK(live.hub.streams() == 2);
    live.now += std::chrono::minutes(12);
    live.turn();
    CHECK(stays.next().at("why") == "rotate");
    CHECK(known_before.next().at("why") == "rotate");
    auto w = live.greeted();
    live.hub.tells(false);
    CHECK(w.next().at("why") == "unavailable");
    CHECK(live.watch().status() == 503);
    live.hub.tells(true);
    auto draining = live.greeted();
    live.server->drain(Millis{10'000});
    CHECK(draining.next().at("why") == "stopping");
}

TEST_CASE("a user has ten streams, a process its own number", "[stream]") {
    Hub::Limits limits;
    limits.in_all = 12;
    Live live(limits);
    std::deque<Watching> all;
    for (int i = 0; i < 10; ++i) all.push_back(live.greeted());
    CHECK(live.watch().status() == 429);
    all.push_back(live.greeted("user=user_c&role=csr"));
    all.push_back(live.greeted("user=user_m&company=org_b"));
    CHECK(live.watch("user=user_d&role=csr").status() == 429);
    all.pop_front();
    const auto end = Steady::now() + std::chrono::seconds(10);
    int status = 429;
    while (status == 429 && Steady::now() < end) status = live.watch().status();  // its end is seen on another thread
    CHECK(status == 200);
}

TEST_CASE("whoever loses connections at random knows the last of every row, in order", "[stream]") {
    std::mt19937 random{20261201};
    for (int run = 0; run < 20; ++run) {
        Hub::Limits limits;
        limits.kept = 40;
        Live live(limits);
        std::map<std::string, std::int64_t> truth, known;
        std::string at;
        std::int64_t newest = -1;
        auto w = std::make_unique<Watching>(live.watch());
        auto follow = [&](const Watching::Frame& f) {
            if (!f.id.empty()) at = f.id;
            if (f.event == "reset" || (f.event == "hello" && f.at("resumed") == "false")) known = truth;
            if (f.event == "change") {
                auto offset = Position::parse(f.id)->offset;
                CHECK(offset > newest);
                newest = offset;
                known[f.at("id")] = std::stoll(f.at("version"));
            }
        };
        for (int step = 0; step < 60; ++step) {
            auto changes = random() % 12;
            for (unsigned i = 0; i < changes; ++i) {
                auto id = std::to_string(random() % 9);
                live.take("call", id, [&](auto& row) { row.set_version(++truth[id]); });
            }
            if (random() % 3 == 0) live.turn(Millis{static_cast<int>(random() % 200)});
            if (random() % 6 == 0) {
                w->leave();  // whatever lies in it is lost
                newest = at.empty() ? -1 : Position::parse(at)->offset;
                w = std::make_unique<Watching>(live.watch(at.empty() ? "" : "after=" + at));
                follow(w->next());
            }
        }
        live.turn(Millis{1'000});
        live.hub.tells(false);
        for (const auto& f : w->until_event("bye")) follow(f);
        INFO("run " << run);
        CHECK(known == truth);
    }
}

namespace {

/// The route itself, with a real topic behind it.
struct Telling {
    std::shared_ptr<identity::Members> members;
    Stream stream;
    pg::Pool pool{pg::Login{}, "none", 1};  // never asked
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::unique_ptr<http::Server> server;

    explicit Telling(const std::string& brokers)
        : members(std::make_shared<identity::Members>(identity::Members::Options{brokers, "stream-test-members"})),
          stream(brokers, members) {
        members->start();
        stream.start();
        router->add(http::Method::get, "/stream", [this](const http::Request& request) {
            identity::Principal who;
            who.user = UserId{"user_m"};
            who.company = CompanyId{"org_stream"};
            who.role = Role::manager;
            api::Context context(request, who, pool);
            try {
                return stream.open(context);
            } catch (const api::Refusal& refusal) {
                return api::refused(refusal, request);
            }
        });
        server = std::make_unique<http::Server>(http::ServerOptions{}, router);
        REQUIRE(server->start());
    }
    Watching watch(const std::string& query = {}) {
        const auto end = Steady::now() + std::chrono::seconds(60);
        while (Steady::now() < end) {
            Watching w(server->port(), query);
            if (w.status() != 503) return w;
            std::this_thread::yield();
        }
        throw std::runtime_error("changes are not told");
    }
};

}  // namespace

TEST_CASE("what a writer emits is told, by each process, and by the next one from where the former was",
          "[integration][stream]") {
    const auto& brokers = testkit::TestKafka::shared().brokers();
    REQUIRE(kafka::apply_topics(
        brokers, {{"otto.changes", kPartitions, {}}, {"otto.members", 3, {{"cleanup.policy", "compact"}}}}, 1, Millis{60'000}));
    kafka::ProducerOptions to;
    to.brokers = brokers;
    to.client_id = "stream-test";
    kafka::Producer producer(to);
    int n = 0;
    auto emit = [&](const std::string& company) {
        changes::v1::RowChanged row;
        row.set_company_id(company);
        row.set_kind("call");
        row.set_id(std::to_string(++n));
        events::Meta meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        meta.source = "/test";
        meta.time = system_clock().now();
        auto wire = events::encode(row, meta);
        REQUIRE(producer.produce(kafka::Outgoing{wire.topic, wire.key, wire.value, wire.headers}, [](const auto&) {}));
        REQUIRE(producer.flush(Millis{30'000}));
    };
    emit("org_stream");
    std::string at;
    {
        Telling one(brokers), two(brokers);
        auto a = one.watch(), b = two.watch();
        CHECK(a.next().event == "hello");
        CHECK(b.next().event == "hello");
        emit("org_other");
        emit("org_stream");
        auto told_a = a.next(), told_b = b.next();
        CHECK(told_a.at("id") == "3");
        CHECK(told_a.id == told_b.id);
        at = told_a.id;
        CHECK(Watching(one.server->port(), "after=3").status() == 422);
        CHECK(Watching(one.server->port(), "before=3.1").status() == 422);
    }
    emit("org_stream");
    Telling next(brokers);
    auto c = next.watch("after=" + at);
    CHECK(c.next().at("resumed") == "true");
    CHECK(c.next().at("id") == "4");
}
