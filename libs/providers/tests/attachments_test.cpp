// What came with texts, from a Twilio of the test's own, over real sockets.
#include "providers/attachments.hpp"

#include <filesystem>
#include <mutex>

#include "base/crypto.hpp"
#include "http/server.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

const std::string kSid = "AC0123456789abcdef0123456789abcdef";
const std::string kPath = "/2010-04-01/Accounts/" + kSid + "/Messages/MM1/Media/ME1";
const std::string kJpeg = "\xff\xd8\xff\xe0"s + std::string(2'000, 'x');

/// A server whose answers a test gives; it notes who came with which credentials.
class Peer {
public:
    using Answer = std::function<http::Response(const http::Request&)>;
    Peer() {
        for (auto path : {"/2010-04-01/Accounts/{account}/Messages/{message}/Media/{media}", "/media/{name}"})
            router_->add(http::Method::get, path, [this](const http::Request& r) {
                std::lock_guard guard(lock_);
                seen_.emplace_back(r.headers.get("authorization"));
                return answer_(r);
            });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router_);
        REQUIRE(server_->start());
    }
    std::string place() const { return "127.0.0.1:" + std::to_string(server_->port()); }
    std::string url(const std::string& path = "") const { return "http://" + place() + path; }
    void gives(const std::string& body) {
        answer_ = [=](const http::Request&) { return http::Response::text(200, body, "image/jpeg"); };
    }
    void leads(const std::string& to) {
        answer_ = [=](const http::Request&) {
            auto r = http::Response::empty(307);
            r.headers.add("Location", to);
            return r;
        };
    }
    void says(int status, const std::string& retry_after = "") {
        answer_ = [=](const http::Request&) {
            auto r = http::Response::text(status, "{}", "application/json");
            if (!retry_after.empty()) r.headers.add("Retry-After", retry_after);
            return r;
        };
    }
    /// The credentials of each request so far, in order.
    std::vector<std::string> seen() const {
        std::lock_guard guard(lock_);
        return seen_;
    }

private:
    mutable std::mutex lock_;
    Answer answer_ = [](const http::Request&) { return http::Response::empty(404); };
    std::vector<std::string> seen_;
    std::shared_ptr<http::Router> router_ = std::make_shared<http::Router>();
    std::unique_ptr<http::Server> server_;
};

struct Fixture {
    fs::path folder;
    Peer twilio, elsewhere;
    std::unique_ptr<ObjectStore> store;
    AttachmentOptions options;
    std::optional<twilio::Account> account = twilio::Account::with_token(kSid, Secret("token"));
    const std::string basic = "Basic " + base64_encode(kSid + ":token");

    Fixture() {
        char text[] = "/tmp/otto-attachments-XXXXXX";
        REQUIRE(::mkdtemp(text));
        folder = text;
        store = make_object_store("file:" + folder.string()).value();
        options.twilio_api = twilio.url();
        options.private_addresses = {twilio.place(), elsewhere.place()};
        options.byte_limit = 1u << 20;
    }
    ~Fixture() { fs::remove_all(folder); }
    AttachmentOutcome fetch(const std::string& url, const std::function<bool()>& stopping = {}) {
        return Attachments(options, *store).fetch({url, account}, {}, stopping);
    }
    std::size_t files() const {
        std::size_t n = 0;
        for (const auto& entry : fs::recursive_directory_iterator(folder)) n += entry.is_regular_file();
        return n;
    }
};

/// Outcome in words.
std::string told(const AttachmentOutcome& o) {
    if (auto* x = std::get_if<TooLarge>(&o)) return "too large: " + x->why;
    if (auto* x = std::get_if<NotYet>(&o)) return "not yet: " + x->why;
    if (auto* x = std::get_if<Again>(&o)) return "again: " + x->why + (x->cure.empty() ? "" : "; " + x->cure);
    if (auto* x = std::get_if<Never>(&o)) return "never: " + x->why;
    return std::string(std::get<Attachment>(o).kind.type);
}

}  // namespace

TEST_CASE("attachment: Twilio's is asked for with the account's credentials, and whoever it leads to without") {
    Fixture f;
    f.elsewhere.gives(kJpeg);
    f.twilio.leads(f.elsewhere.url("/media/1"));
    auto outcome = f.fetch(f.twilio.url(kPath));
    CHECK(told(outcome) == "image/jpeg");
    CHECK(std::get<Attachment>(outcome).file.bytes() == kJpeg.size());
    CHECK(f.twilio.seen() == std::vector{f.basic});
    CHECK(f.elsewhere.seen() == std::vector{""s});
    f.twilio.gives(kJpeg);  // or it gives it itself
    CHECK(told(f.fetch(f.twilio.url(kPath))) == "image/jpeg");
}

TEST_CASE("attachment: credentials go nowhere but below their own account") {
    Fixture f;
    f.twilio.gives(kJpeg);
    f.elsewhere.gives(kJpeg);
    CHECK(told(f.fetch(f.elsewhere.url(kPath))) == "image/jpeg");  // another host
    auto other = kPath;
    other.replace(other.find(kSid), kSid.size(), "ACffffffffffffffffffffffffffffffff");
    for (const auto& path : {other, "/2010-04-01/Accounts/" + kSid + "%2f..%2fAC2/Messages/MM1/Media/ME1", "/media/1"s})
        f.fetch(f.twilio.url(path));
    f.twilio.leads(f.twilio.url(kPath + "x"));  // not even along a redirect to itself
    f.fetch(f.twilio.url(kPath));
    int with = 0;
    for (const auto& credentials : f.twilio.seen()) with += credentials == f.basic;
    CHECK(with == 1);
    for (const auto& credentials : f.elsewhere.seen()) CHECK(credentials == "");
    f.account.reset();
    f.twilio.gives(kJpeg);
    CHECK(told(f.fetch(f.twilio.url(kPath))) == "image/jpeg");
    CHECK(f.twilio.seen().back() == "");
}

TEST_CASE("attachment: private addresses are refused, also behind a redirect") {
    Fixture f;
    f.options.private_addresses = {f.twilio.place()};
    f.elsewhere.gives(kJpeg);
    CHECK(told(f.fetch(f.elsewhere.url("/media/1"))) == "never: its address cannot be reached by Otto");
    f.twilio.leads(f.elsewhere.url("/media/1"));
    CHECK(told(f.fetch(f.twilio.url(kPath))) == "never: its address cannot be reached by Otto");
    f.twilio.leads("file:///etc/passwd");
    CHECK(told(f.fetch(f.twilio.url(kPath))).starts_with("never: http://127.0.0.1"));
    CHECK(told(f.fetch("file:///etc/passwd")) == "never: its address is no usable URL");
    CHECK(told(f.fetch("")) == "never: its address is no usable URL");
    CHECK(f.elsewhere.seen().empty());
    CHECK(f.files() == 0);
}

TEST_CASE("attachment: one that is too large, also without an end, is left where it is") {
    Fixture f;
    f.elsewhere.gives(std::string(1u << 20, 'x'));
    CHECK(told(f.fetch(f.elsewhere.url("/media/1"))) == "application/octet-stream");
    f.elsewhere.gives(std::string((1u << 20) + 1, 'x'));
    CHECK(told(f.fetch(f.elsewhere.url("/media/1"))) == "too large: it is larger than 1 MiB");
    CHECK(f.files() == 0);
}

TEST_CASE("attachment: what an answer means that gives none") {
    Fixture f;
    auto answer = [&](int status) {
        f.twilio.says(status);
        auto said = told(f.fetch(f.twilio.url(kPath)));
        return said.substr(0, said.find(':'));
    };
    for (int status : {404, 410, 202, 204}) CHECK(answer(status) == "not yet");
    for (int status : {401, 403, 429, 500, 503}) CHECK(answer(status) == "again");
    for (int status : {400, 451, 304}) CHECK(answer(status) == "never");
    f.twilio.says(401);
    CHECK(told(f.fetch(f.twilio.url(kPath))).find("give the Twilio account's present auth token") != std::string::npos);
    f.twilio.says(503, "7");
    CHECK(std::get<Again>(f.fetch(f.twilio.url(kPath))).after == Millis{7'000});
    f.elsewhere.says(403);  // a link that is over
    CHECK(told(f.fetch(f.elsewhere.url("/media/1"))).starts_with("not yet: "));
    f.elsewhere.gives("");
    CHECK(told(f.fetch(f.elsewhere.url("/media/1"))).starts_with("not yet: "));
    f.elsewhere.gives("\n<!DOCTYPE HTML><html>Log in</html>");
    CHECK(told(f.fetch(f.elsewhere.url("/media/1"))).find("gives a web page instead") != std::string::npos);
    auto gone = Fixture().elsewhere.url("/media/1");
    f.options.private_addresses.push_back(gone.substr(7, gone.find('/', 7) - 7));
    CHECK(told(f.fetch(gone)) == "again: its address cannot be reached by Otto");
    f.elsewhere.gives(kJpeg);
    CHECK(told(f.fetch(f.elsewhere.url("/media/1"), [] { return true; })).starts_with("again: the service was stopped"));
    CHECK(f.files() == 0);
}

TEST_CASE("attachment: a file is what its first bytes are") {
    for (auto [first, type, ending] : {std::tuple{"\x89PNG\r\n\x1a\nx"s, "image/png", "png"},
                                       {"GIF89a"s, "image/gif", "gif"},
                                       {"RIFF\1\2\3\4WEBPVP8 "s, "image/webp", "webp"},
                                       {"RIFF\1\2\3\4WAVEfmt "s, "audio/wav", "wav"},
                                       {"\0\0\0\x18"
                                        "ftypheic...."s,
                                        "image/heic", "heic"},
                                       {"\0\0\0\x18"
                                        "ftyp3gp5...."s,
                                        "video/3gpp", "3gp"},
                                       {"\0\0\0\x18"
                                        "ftypisom...."s,
                                        "video/mp4", "mp4"},
                                       {"ID3\4"s, "audio/mpeg", "mp3"},
                                       {"\xff\xfb\x90\x44"s, "audio/mpeg", "mp3"},
                                       {"\xff\xf1\x50\x80"s, "audio/aac", "aac"},
                                       {"BEGIN:VCARD\r\n"s, "text/vcard", "vcf"},
                                       {"%PDF-1.4"s, "application/pdf", "pdf"}}) {
        CHECK(file_kind(first).type == type);
        CHECK(file_kind(first).ending == ending);
        CHECK(file_kind(first).shown() == (std::string(type).find("/") == 5));
    }
    for (const auto& other :
         {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"s, "<html>"s, "xxxxxxxxWEBP"s, "\xff\xfe<\0h\0"s, "\xff"s, ""s, "text"s})
        CHECK(file_kind(other).type == "application/octet-stream");
}
