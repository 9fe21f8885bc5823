// Who gets a worker, and who waits.
#include "src/workers.hpp"

#include <future>
#include <set>

#include "testing/catch.hpp"

using namespace otto::http;

namespace {

/// Jobs that hold their worker until they are let go.
class Crowd {
public:
    explicit Crowd(int workers) : workers_(workers) {}
    ~Crowd() { let_all_go(); }
    bool come(const std::string& company, const std::string& user) {
        return workers_.post(Share{company, user}, [this, who = company + "/" + user] { hold(who); });
    }
    void come_nobodys() {
        workers_.post([this] { hold("nobody's"); });
    }
    /// Waits until so many hold a worker, and tells who they are.
    std::multiset<std::string> holding(std::size_t count) {
        std::unique_lock guard(lock_);
        if (!changed_.wait_for(guard, std::chrono::seconds(30), [&] { return holding_.size() == count; }))
            throw std::runtime_error(std::to_string(holding_.size()) + " hold a worker");
        return holding_;
    }
    void let_go(const std::string& who) {
        std::lock_guard guard(lock_);
        ++free_[who];
        changed_.notify_all();
    }
    void let_all_go() {
        std::lock_guard guard(lock_);
        all_free_ = true;
        changed_.notify_all();
    }
    std::vector<std::string> begun() {
        std::lock_guard guard(lock_);
        return begun_;
    }

private:
    void hold(const std::string& who) {
        std::unique_lock guard(lock_);
        holding_.insert(who);
        begun_.push_back(who);
        changed_.notify_all();
        changed_.wait(guard, [&] { return all_free_ || free_[who] > 0; });
        --free_[who];
        holding_.erase(holding_.find(who));
        changed_.notify_all();
    }
    std::mutex lock_;
    std::condition_variable changed_;
    std::multiset<std::string> holding_;
    std::vector<std::string> begun_;
    std::map<std::string, int> free_;
    bool all_free_ = false;
    Workers workers_;  // ends first
};

std::size_t of(const std::multiset<std::string>& all, const std::string& who) { return all.count(who); }

}  // namespace

TEST_CASE("a company has a quarter of the workers, a user half of that, and what is nobody's is not hindered") {
    Crowd crowd(16);
    crowd.come("org_b", "b1");
    crowd.holding(1);
    for (int i = 0; i < 20; ++i) REQUIRE(crowd.come("org_a", "a1"));
    CHECK(of(crowd.holding(3), "org_a/a1") == 2);
    for (int i = 0; i < 20; ++i) REQUIRE(crowd.come("org_a", "a2"));
    auto now = crowd.holding(5);  // before others come, who would be given every other turn
    for (int i = 0; i < 20; ++i) REQUIRE(crowd.come("org_a", "a3"));
    now = crowd.holding(5);
    CHECK(of(now, "org_a/a1") + of(now, "org_a/a2") + of(now, "org_a/a3") == 4);
    CHECK((of(now, "org_a/a1") == 2 && of(now, "org_a/a2") == 2));
    // Another company's, and a webhook's, go on at once.
    crowd.come("org_b", "b1");
    crowd.come_nobodys();
    now = crowd.holding(7);
    CHECK((of(now, "org_b/b1") == 2 && of(now, "nobody's") == 1));
    // The users of a company take turns: a1's end lets in a3, who has waited, and not a1 again.
    crowd.let_go("org_a/a1");
    while (crowd.begun().size() < 8) crowd.holding(7);
    CHECK(crowd.begun().back() == "org_a/a3");
}

TEST_CASE("alone, a company has all workers but two") {
    Crowd crowd(8);
    for (auto user : {"a1", "a2", "a3"})
        for (int i = 0; i < 10; ++i) REQUIRE(crowd.come("org_a", user));
    auto now = crowd.holding(6);
    for (auto user : {"org_a/a1", "org_a/a2", "org_a/a3"}) CHECK(of(now, user) <= 3);
    crowd.come("org_b", "b1");
    CHECK(of(crowd.holding(7), "org_b/b1") == 1);
}

TEST_CASE("64 wait of a company, 32 of a user; those who belong to none share by user") {
    Crowd crowd(4);
    for (auto user : {"a1", "a2"}) crowd.come("org_a", user);
    crowd.holding(2);
    int taken = 0;
    for (auto user : {"a1", "a2", "a3"})
        for (int i = 0; i < 40; ++i) taken += crowd.come("org_a", user);
    CHECK(taken == 64);
    CHECK(crowd.come("org_b", "b1"));
    CHECK(of(crowd.holding(3), "org_b/b1") == 1);
    crowd.come("", "x");
    CHECK(of(crowd.holding(4), "/x") == 1);
    taken = 0;
    for (int i = 0; i < 40; ++i) taken += crowd.come("", "x");
    CHECK(taken == 32);
    CHECK(crowd.come("", "y"));
}

TEST_CASE("companies take turns, however much one of them has waiting") {
    Crowd crowd(1);
    crowd.come("org_a", "a");
    crowd.holding(1);
    for (int i = 0; i < 5; ++i) crowd.come("org_a", "a");
    crowd.come("org_b", "b");
    crowd.come("org_c", "c");
    crowd.let_all_go();
    crowd.holding(0);
    while (crowd.begun().size() < 8) std::this_thread::yield();
    auto begun = crowd.begun();
    auto place = [&](const std::string& who) { return std::find(begun.begin(), begun.end(), who) - begun.begin(); };
    CHECK(place("org_b/b") <= 3);
    CHECK(place("org_c/c") <= 4);
}
