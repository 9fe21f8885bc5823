#include "ingress/quotas.hpp"
#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("unverified webhooks are limited by client and in all") {
    ingress::UnverifiedLimits limits;
    limits.per_second = 2;
    limits.events = 5;
    limits.days = 1;
    ingress::UnverifiedQuota quota(limits);
    auto now = system_clock().now();
    CHECK(quota.take("1.1.1.1", 100, now));
    CHECK(quota.take("1.1.1.1", 100, now));
    CHECK_FALSE(quota.take("1.1.1.1", 100, now));
    CHECK(quota.take("2.2.2.2", 100, now));
    CHECK(quota.take("1.1.1.1", 100, now + Millis{1'000}));
    CHECK(quota.take("3.3.3.3", 100, now));
    CHECK_FALSE(quota.take("4.4.4.4", 100, now));
    CHECK(quota.take("4.4.4.4", 100, now + std::chrono::hours(24)));
}

TEST_CASE("what waits on a company's account is limited by events and by bytes, and no other company's") {
    ingress::HeldQuota quota({3, 1'000, 1});
    const CompanyId a{"org_a"}, b{"org_b"};
    auto now = system_clock().now();
    auto take = [&](const CompanyId& company, std::size_t bytes, Instant at) {
        bool room = quota.room(company, bytes, at);
        if (room) quota.add(company, bytes);
        return room;
    };
    for (int i = 0; i < 3; ++i) CHECK(take(a, 10, now));
    CHECK_FALSE(take(a, 10, now));
    CHECK(take(b, 900, now));
    CHECK_FALSE(take(b, 200, now));
    CHECK(take(b, 50, now));
    CHECK(take(a, 10, now + std::chrono::hours(9)));  // a third is forgotten in a third of the time
    CHECK_FALSE(take(a, 10, now + std::chrono::hours(9)));
    CHECK_FALSE(take(a, 10, now - std::chrono::hours(100)));  // a clock that steps back forgets nothing
    quota.add(b, 5'000);                                      // what was taken all the same
    CHECK_FALSE(take(b, 1, now + std::chrono::hours(24)));
}
