// The whole service without Kafka and without a database: what Twilio is answered, how soon, and what is kept. The test runs
// itself as the program.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "app/process.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "http/client.hpp"
#include "ingress/spool_report.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "providers/call_flow.hpp"
#include "testing/catch.hpp"

namespace otto::twilio_ingress {
app::Definition definition();
}

using namespace otto;

namespace {

const std::string kAccount = "AC0123456789abcdef0123456789abcdef", kOwn = "ACffffffffffffffffffffffffffffffff",
                  kPublic = "https://otto.example/front", kRing = "k1:" + base64_encode(std::string(32, 'k'));

/// A company with a number and an account at Twilio, as the directory's snapshot has it.
std::string snapshot() {
    directory::v1::CompanyProfile m;
    m.set_company_id("org_a");
    m.set_version(1);
    m.set_status("active");
    auto& number = *m.add_numbers();
    number.set_e164("+15205232772");
    number.set_provider("twilio");
    number.add_purposes("text");
    number.add_purposes("voice");
    auto& account = *m.add_accounts();
    account.set_provider("twilio");
    account.set_account_id(kAccount);
    auto& key = *account.add_signing_keys();
    key.set_column("twilio_auth_token");
    key.set_sealed(KeyRing::parse(Secret(kRing))->seal(Secret("token of a"), seal_place("org_a", "twilio_auth_token")));
    JsonWriter w;
    w.begin_object().member("id", "org_a").member("value", base64_encode(m.SerializeAsString())).end_object();
    return w.take() + "\n";
}

class Running {
public:
    explicit Running(std::vector<std::string> more = {}) {
        char name[] = "/tmp/otto-twilio-XXXXXX";
        folder_ = ::mkdtemp(name);
        std::filesystem::create_directories(spool());
        std::ofstream(spool() + "/directory.snapshot") << snapshot();
        std::vector<std::string> all{"twilio-ingress",         "--port=0",
                                     "--admin-port=0",         "--kafka-brokers=127.0.0.1:1",
                                     "--spool-dir=" + folder_, "--public-url=" + kPublic + "/",
                                     "--secret-keys=" + kRing, "--log-hash-key=a key of hashes"};
        all.insert(all.end(), more.begin(), more.end());
        pid_ = ::fork();
        if (pid_ == 0) {
            if (!std::freopen(log_file().c_str(), "w", stdout) || !std::freopen("/dev/null", "w", stderr)) ::_exit(99);
            std::vector<char*> argv;
            for (auto& a : all) argv.push_back(a.data());
            int code = app::run(static_cast<int>(argv.size()), argv.data(), "twilio-ingress", {twilio_ingress::definition()});
            std::fflush(nullptr);
            std::_Exit(code);
        }
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (port_ == 0) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            std::this_thread::sleep_for(Millis{10});
            auto lines = log();
            auto started = lines.find("\"message\":\"started\"");
            auto at = started == std::string::npos ? started : lines.find("\"port\":", started);
            if (at != std::string::npos) port_ = std::atoi(lines.c_str() + at + 7);
        }
    }
    ~Running() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        std::filesystem::remove_all(folder_);
    }
    Running(const Running&) = delete;

    std::string log() const {
        std::ifstream in(log_file());
        std::stringstream s;
        s << in.rdbuf();
        return s.str();
    }
    /// Webhooks; beside them it tells company-service what was refused.
    std::size_t spooled() const {
        auto report = ingress::read_spool(spool());
        REQUIRE(report.ok());
        for (const auto& topic : report->topics)
            if (topic.name == "otto.inbound") return topic.rows;
        return 0;
    }
    http::Response post(const std::string& target, const std::string& body, const std::string& signature) const {
        http::ClientOptions o;
        o.private_addresses = {"127.0.0.1:" + std::to_string(port_)};
        o.retries = 0;
        http::Headers headers;
        headers.add("Content-Type", "application/x-www-form-urlencoded");
        headers.add("X-Twilio-Signature", signature);
        auto answer =
            http::Client(o).send({http::Method::post, "http://127.0.0.1:" + std::to_string(port_) + target, headers, body, {}});
        REQUIRE(answer.ok());
        return *answer;
    }
    /// Signed as Twilio would for the public address.
    http::Response post_signed(const std::string& target, const std::string& body, const std::string& token) const {
        auto fields = parse_form(body);
        std::sort(fields.begin(), fields.end());
        auto message = kPublic + target;
        for (const auto& [name, value] : fields) message += name + value;
        return post(target, body, base64_encode(hmac_sha1(token, message)));
    }

private:
    std::string spool() const { return folder_ + "/twilio-ingress"; }
    std::string log_file() const { return folder_ + "/log"; }
    std::string folder_;
    pid_t pid_ = -1;
    int port_ = 0;
};

std::string text(const std::string& account, const std::string& sid = "SM1") {
    return "MessageSid=" + sid + "&AccountSid=" + account +
           "&From=%2B16025550123&To=%2B15205232772&Body=How+much+is+a+roof%3F&SmsStatus=received&NumMedia=0";
}

}  // namespace

TEST_CASE("Twilio is answered in its own type within a second though Kafka is away, and nothing that is forged is kept") {
    Running service({"--twilio-account-sid=" + kOwn, "--twilio-auth-token=the new one,the old one"});
    auto began = std::chrono::steady_clock::now();
    for (std::string path : {"/sms/twilio-webhook", "/api/v1/twilio-webhook", "/api/aloha/webhooks/message-status",
                             "/sms/twilio-webhook/", "/sms/twilio-webhook?a=It's+1&a=2"}) {
        INFO(path);
        auto answer = service.post_signed(path, text(kAccount), "token of a");
        CHECK(answer.status == 200);
        CHECK(answer.headers.get("content-type") == "text/xml");
        CHECK(answer.body == "<Response/>");
    }
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));  // each within one
    auto status = service.post_signed("/sms/twilio-webhook", text(kAccount) + "&MessageStatus=delivered", "token of a");
    CHECK(status.status == 204);
    CHECK(status.body.empty());
    CHECK(service.post_signed("/sms/twilio-webhook", text(kOwn), "the old one").status == 200);
    CHECK(service.spooled() == 7);

    for (const auto& forged : {service.post_signed("/sms/twilio-webhook", text(kAccount), "another token"),
                               service.post_signed("/sms/twilio-webhook", text(kOwn), "another token"),
                               service.post("/sms/twilio-webhook", text(kAccount), "")}) {
        CHECK(forged.status == 401);
        CHECK(forged.headers.get("content-type") == "application/problem+json");
        CHECK(forged.body.find("OTTO_") == std::string::npos);
    }
    CHECK(service.spooled() == 7);
    auto log = service.log();
    CHECK(log.find("Twilio SMS webhook received from ") != std::string::npos);
    CHECK(log.find("6025550123") == std::string::npos);
    CHECK(log.find("How much") == std::string::npos);
    CHECK(log.find("compare OTTO_PUBLIC_URL with the address that Twilio is given") != std::string::npos);
    CHECK(log.find("OTTO_TWILIO_AUTH_TOKEN is not set") == std::string::npos);
}

TEST_CASE("a text of 2 MiB is taken, a byte more is not; an account without a key is taken and held") {
    Running service({"--twilio-account-sid=" + kOwn});
    CHECK(service.log().find("OTTO_TWILIO_AUTH_TOKEN is not set") != std::string::npos);
    auto body = text(kAccount) + "&AddOns=";
    body += std::string((2u << 20) - body.size(), 'x');
    CHECK(service.post_signed("/sms/twilio-webhook", body, "token of a").status == 200);
    CHECK(service.post_signed("/sms/twilio-webhook", body + "x", "token of a").status == 413);
    CHECK(service.post("/sms/twilio-webhook", "MessageSid=SM2&AccountSid=AC9&To=%2B15205550199", "AAAA").status == 200);
    CHECK(service.spooled() == 2);
}

TEST_CASE("a call is answered from its company's flow within a second though Kafka is away; one that is nobody's hears so") {
    Running service({"--twilio-account-sid=" + kOwn, "--twilio-auth-token=token of ours"});
    const std::string hooks = "/api/aloha/webhooks/", nobodys = std::string(providers::nobody_answers());
    auto call = [](const std::string& account, const std::string& to, const std::string& more = "") {
        return "CallSid=CA1&AccountSid=" + account + "&From=%2B16025550123&To=" + to + "&Direction=inbound&CallStatus=ringing" +
               more;
    };
    const std::string ours = "%2B15205232772", unknown = "%2B15205550199";
    auto began = std::chrono::steady_clock::now();
    for (const std::string& path : {hooks + "incoming-call", hooks + "incoming-call/", std::string("/api/v1/twilio-webhook"),
                                    hooks + "next-step?flow=x&step=y"}) {
        INFO(path);
        auto answer = service.post_signed(path, call(kAccount, ours), "token of a");
        CHECK(answer.status == 200);
        CHECK(answer.headers.get("content-type") == "text/xml");
        CHECK(answer.body.starts_with("<"));
        // Of the account that sends for all: the number's company is meant.
        auto for_all = service.post_signed(path, call(kOwn, ours), "token of ours");
        CHECK(for_all.body == answer.body);
        auto nobody = service.post_signed(path, call(kAccount, unknown), "token of a");
        CHECK(nobody.status == 200);
        CHECK(nobody.body == nobodys);
        CHECK(service.post_signed(path, call(kAccount, ours), "another token").status == 401);
    }
    CHECK(service.post("" + hooks + "incoming-call", call("AC9", unknown), "AAAA").body == nobodys);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(17));  // each within one
    for (const auto& body : {call(kAccount, ours, "&SequenceNumber=3"),
                             std::string("CallSid=CA1&AccountSid=" + kAccount + "&RecordingSid=RE1&RecordingStatus=completed")})
        for (const auto& path : {hooks + "call-status", hooks + "voicemail-recorded"}) {
            auto answer = service.post_signed(path, body, "token of a");
            CHECK(answer.status == 204);
            CHECK(answer.body.empty());
        }
    CHECK(service.spooled() == 4 * 3 + 1 + 4);
    auto log = service.log();
    CHECK(log.find("Twilio call webhook received from ") != std::string::npos);
    CHECK(log.find("6025550123") == std::string::npos);
}

TEST_CASE("a call that cannot be kept is not answered as if it were") {
    Running service({"--spool-megabytes=1"});
    const std::string body =
        "CallSid=CA1&AccountSid=" + kAccount + "&From=%2B16025550123&To=%2B15205232772&AddOns=" + std::string(400'000, 'x');
    int refused = 0;
    for (int i = 0; i < 6; ++i) {
        auto answer = service.post_signed("/api/aloha/webhooks/incoming-call", body + std::to_string(i), "token of a");
        if (answer.status == 200) continue;
        CHECK(answer.status == 503);
        ++refused;
    }
    CHECK(refused > 0);
}
