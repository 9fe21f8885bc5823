#include "resolve.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace otto::http {
namespace {

namespace ip = boost::asio::ip;

constexpr int kMostLookups = 64;
std::atomic<int> lookups_under_way{0};

bool is_public(const ip::address_v4& address) {
    struct Network {
        std::uint32_t first;
        int bits;
    };
    static constexpr Network closed[] = {
        {0x00000000, 8},   // this host
        {0x0A000000, 8},   // private
        {0x64400000, 10},  // shared by a carrier's customers
        {0x7F000000, 8},   // loopback
        {0xA9FE0000, 16},  // link-local, the clouds' metadata
        {0xAC100000, 12},  // private
        {0xC0000000, 24},  // protocol assignments
        {0xC0000200, 24},  // documentation
        {0xC0586300, 24},  // 6to4 relays
        {0xC0A80000, 16},  // private
        {0xC6120000, 15},  // benchmarks
        {0xC6336400, 24},  // documentation
        {0xCB007100, 24},  // documentation
        {0xE0000000, 4},   // multicast
        {0xF0000000, 4},   // reserved, broadcast
    };
    auto number = address.to_uint();
    return std::none_of(std::begin(closed), std::end(closed),
                        [&](const Network& n) { return number >> (32 - n.bits) == n.first >> (32 - n.bits); });
}

bool is_public(const ip::address_v6& address) {
    auto b = address.to_bytes();
    auto v4_at = [&](std::size_t i) { return ip::address_v4({b[i], b[i + 1], b[i + 2], b[i + 3]}); };
    auto zeros = [&](std::size_t from, std::size_t to) {
        return std::all_of(b.begin() + static_cast<long>(from), b.begin() + static_cast<long>(to), [](auto x) { return x == 0; });
    };
    if (zeros(0, 10) && b[10] == 0xff && b[11] == 0xff) return is_public(v4_at(12));  // v4-mapped
    if (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b && zeros(4, 12))
        return is_public(v4_at(12));                               // NAT64, the well-known prefix
    if (b[0] == 0x20 && b[1] == 0x02) return is_public(v4_at(2));  // 6to4
    if (b[0] == 0x20 && b[1] == 0x01 && (b[2] < 0x02 || (b[2] == 0x0d && b[3] == 0xb8)))
        return false;                                               // Teredo and others; documentation
    if (b[0] == 0x3f && b[1] == 0xff && b[2] < 0x10) return false;  // documentation
    return (b[0] & 0xe0) == 0x20;                                   // global unicast and nothing else
}

}  // namespace

bool is_public(const std::string& text) {
    boost::system::error_code error;
    auto address = ip::make_address(text, error);
    if (error) return false;
    return address.is_v4() ? is_public(address.to_v4()) : is_public(address.to_v6());
}

Addresses look_up(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found))
        return NoAddress{Error("'" + host + "' has no address: " + ::gai_strerror(code),
                               "check the host name and this machine's name servers"),
                         code == EAI_AGAIN};
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
    std::vector<std::string> addresses;
    for (auto* entry = found; entry; entry = entry->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            addresses.emplace_back(text);
    }
    return addresses;
}

Addresses resolve(const std::string& host, std::chrono::steady_clock::time_point deadline,
                  std::function<Addresses(const std::string&)> lookup) {
    boost::system::error_code no_address;
    ip::make_address(host, no_address);
    if (!no_address) return std::vector<std::string>{host};

    struct Shared {
        std::mutex lock;
        std::condition_variable changed;
        std::optional<Addresses> answer;
    };
    if (lookups_under_way.fetch_add(1) >= kMostLookups) {
        --lookups_under_way;
        return NoAddress{Error("'" + host + "' was not looked up: " + std::to_string(kMostLookups) + " look-ups wait already",
                               "check this machine's name servers"),
                         true};
    }
    auto shared = std::make_shared<Shared>();
    std::thread([shared, host, lookup = std::move(lookup)] {
        auto answer = lookup(host);
        {
            std::lock_guard guard(shared->lock);
            shared->answer = std::move(answer);
        }
        --lookups_under_way;
        shared->changed.notify_all();
    }).detach();
    std::unique_lock guard(shared->lock);
    if (!shared->changed.wait_until(guard, deadline, [&] { return shared->answer.has_value(); }))
        return NoAddress{Error("looking up '" + host + "' took too long", "check this machine's name servers"), true};
    return std::move(*shared->answer);
}

}  // namespace otto::http
