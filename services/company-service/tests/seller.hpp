#pragma once
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "testing/catch.hpp"

namespace otto::company_service {

/// Twilio's API as far as it sells numbers, on real sockets, with what may go wrong between it and who asks. It has every account
/// that it is asked for, sells each number once, and lists what it has sold.
class Seller {
public:
    enum class Fault {
        none,
        fails,   ///< answers 500
        resets,  ///< ends the connection without an answer
        cuts,    ///< ends it within the answer
        hangs    ///< says nothing until whoever asks goes
    };
    struct Plan {
        Fault fault = Fault::none;
        bool does = true;   ///< what it is asked for, before the fault
        bool late = false;  ///< does it once whoever asked is gone
        int status = 0;     ///< not 0: answers this instead
        std::string body = {};
    };
    struct Asked {
        std::string target, body;
    };

    Seller() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
        REQUIRE(::listen(fd_, 64) == 0);
        socklen_t n = sizeof a;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n);
        port_ = ntohs(a.sin_port);
        accepting_ = std::thread([this] {
            for (int c; (c = ::accept(fd_, nullptr, nullptr)) >= 0;) {
                std::lock_guard guard(lock_);
                serving_.emplace_back([this, c] { serve(c); });
            }
        });
    }
    ~Seller() {
        ::shutdown(fd_, SHUT_RDWR);
        accepting_.join();
        ::close(fd_);
        for (auto& t : serving_) t.join();
    }
    std::string place() const { return "127.0.0.1:" + std::to_string(port_); }

    /// What becomes of the next requests of a kind: "look" (for one number), "buy", "point" or "search". Then all goes well.
    void plan(const std::string& kind, std::vector<Plan> plans) {
        std::lock_guard guard(lock_);
        plans_[kind] = {plans.begin(), plans.end()};
    }
    void has(const std::string& account, const std::string& number, std::map<std::string, std::string> settings = {}) {
        std::lock_guard guard(lock_);
        numbers_[account][number] = std::move(settings);
    }
    std::map<std::string, std::string> settings_of(const std::string& account, const std::string& number) {
        std::lock_guard guard(lock_);
        return numbers_[account][number];
    }
    int sold(const std::string& number) {
        std::lock_guard guard(lock_);
        return sold_[number];
    }
    std::vector<Asked> asked(const std::string& kind) {
        std::lock_guard guard(lock_);
        return asked_[kind];
    }
    void sells(std::string available_json) {
        std::lock_guard guard(lock_);
        for_sale_ = std::move(available_json);
    }
    /// Waits until so many of a kind have been asked and dealt with.
    void after(const std::string& kind, std::size_t count) {
        std::unique_lock guard(lock_);
        REQUIRE(changed_.wait_for(guard, std::chrono::seconds(30), [&] { return dealt_[kind] >= count; }));
    }

private:
    static std::string sid_of(const std::string& number) {
        return "PN" + std::string(32 - number.size() + 1, '0') + number.substr(1);
    }
    static std::string json_of(const std::string& number, const std::map<std::string, std::string>& settings) {
        std::string out =
            R"({"sid":")" + sid_of(number) + R"(","phone_number":")" + number + R"(","capabilities":{"voice":true,"sms":true})";
        for (const auto& [name, value] : settings) out += ",\"" + name + "\":\"" + value + "\"";
        return out + "}";
    }
    struct Answer {
        int status;
        std::string body;
    };
    static std::string kind_of(const std::string& method, const std::string& path) {
        if (path.find("/AvailablePhoneNumbers/") != std::string::npos) return "search";
        if (method == "GET") return "look";
        return path.ends_with("/IncomingPhoneNumbers.json") ? "buy" : "point";
    }
    Answer deal(const std::string& kind, const std::string& account, const std::string& path, const FormFields& fields) {
        auto& own = numbers_[account];
        auto value = [&](std::string_view name) {
            for (const auto& [n, v] : fields)
                if (n == name) return v;
            return std::string{};
        };
        auto set = [&](std::map<std::string, std::string>& settings) {
            for (auto [field, name] : {std::pair{"VoiceUrl", "voice_url"},
                                       {"VoiceMethod", "voice_method"},
                                       {"SmsUrl", "sms_url"},
                                       {"SmsMethod", "sms_method"},
                                       {"StatusCallback", "status_callback"},
                                       {"StatusCallbackMethod", "status_callback_method"},
                                       {"FriendlyName", "friendly_name"}})
                if (auto v = value(field); !v.empty()) settings[name] = v;
        };
        if (kind == "search") return {200, for_sale_};
        if (kind == "look") {
            auto found = own.find(value("PhoneNumber"));
            return {200, R"({"next_page_uri":null,"incoming_phone_numbers":[)" +
                             (found == own.end() ? "" : json_of(found->first, found->second)) + "]}"};
        }
        if (kind == "buy") {
            auto number = value("PhoneNumber");
            for (const auto& [_, theirs] : numbers_)
                if (theirs.count(number))
                    return {400,
                            R"({"code":21422,"message":"PhoneNumber is not available","more_info":"https://x","status":400})"};
            set(own[number]);
            ++sold_[number];
            return {201, json_of(number, own[number])};
        }
        for (auto& [number, settings] : own)
            if (path.ends_with("/" + sid_of(number) + ".json")) {
                set(settings);
                return {200, json_of(number, settings)};
            }
        return {404, R"({"code":20404,"status":404})"};
    }
    static std::optional<std::string> read_request(int c) {
        std::string got;
        for (char buffer[4096];;) {
            if (auto head = got.find("\r\n\r\n"); head != std::string::npos) {
                auto at = got.find("Content-Length: ");
                if (at == std::string::npos || at > head) at = got.find("content-length: ");
                std::size_t length = at < head ? std::stoul(got.substr(at + 16)) : 0;
                if (got.size() >= head + 4 + length) return got;
            }
            auto n = ::recv(c, buffer, sizeof buffer, 0);
            if (n <= 0) return std::nullopt;
            got.append(buffer, static_cast<std::size_t>(n));
        }
    }
    void serve(int c) {
        if (auto request = read_request(c)) answer(c, *request);
        ::close(c);
    }
    void answer(int c, const std::string& request) {
        auto space = request.find(' ');
        auto method = request.substr(0, space), target = request.substr(space + 1, request.find(' ', space + 1) - space - 1);
        auto body = request.substr(request.find("\r\n\r\n") + 4);
        auto path = target.substr(0, target.find('?'));
        auto account = path.substr(path.find("/Accounts/") + 10, 34);
        auto kind = kind_of(method, path);
        auto fields =
            method == "GET" ? parse_form(target.substr(std::min(target.find('?') + 1, target.size()))) : parse_form(body);
        Plan plan;
        Answer out{500, R"({"code":20500,"message":"Said by Twilio.","status":500})"};
        {
            std::lock_guard guard(lock_);
            asked_[kind].push_back({target, body});
            if (auto& next = plans_[kind]; !next.empty()) {
                plan = next.front();
                next.pop_front();
            }
            if (plan.status != 0)
                out = {plan.status, plan.body};
            else if (plan.does && !plan.late) {
                auto done = deal(kind, account, path, fields);
                if (plan.fault == Fault::none || plan.fault == Fault::cuts) out = done;
            }
        }
        if (plan.fault == Fault::hangs)
            for (char x; ::recv(c, &x, 1, 0) > 0;) {
            }
        if (plan.late) {
            std::lock_guard guard(lock_);
            deal(kind, account, path, fields);
        }
        if (plan.fault == Fault::resets) {
            linger at_once{1, 0};
            ::setsockopt(c, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        } else if (plan.fault != Fault::hangs) {
            auto text = "HTTP/1.1 " + std::to_string(out.status) +
                        " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(out.body.size()) +
                        "\r\nConnection: close\r\n\r\n" + out.body;
            if (plan.fault == Fault::cuts) text.resize(text.size() - 20);
            ::send(c, text.data(), text.size(), MSG_NOSIGNAL);
        }
        std::lock_guard guard(lock_);
        ++dealt_[kind];
        changed_.notify_all();
    }

    int fd_, port_ = 0;
    std::mutex lock_;
    std::condition_variable changed_;
    std::map<std::string, std::deque<Plan>> plans_;
    std::map<std::string, std::vector<Asked>> asked_;
    std::map<std::string, std::size_t> dealt_;
    std::map<std::string, std::map<std::string, std::map<std::string, std::string>>> numbers_;  ///< of accounts
    std::map<std::string, int> sold_;
    std::string for_sale_ = R"({"available_phone_numbers":[]})";
    std::vector<std::thread> serving_;
    std::thread accepting_;
};

}  // namespace otto::company_service
