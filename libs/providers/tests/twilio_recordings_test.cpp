// Fetching recordings from a Twilio of the test's own, over real sockets.
#include "base/crypto.hpp"
#include "recording_rig.hpp"

using namespace otto;
using namespace otto::providers;
using namespace otto::providers::tests;
using namespace std::string_literals;

namespace {

const std::string kSid = "AC0123456789abcdef0123456789abcdef", kOther = "ACffffffffffffffffffffffffffffffff";
const std::string kToken = "the account's token";

std::string path_of(const std::string& account, const std::string& recording = "RE0123456789abcdef0123456789abcdef") {
    return "/2010-04-01/Accounts/" + account + "/Recordings/" + recording;
}
const std::string kPath = path_of(kSid), kSound = kPath + ".mp3";

struct Fixture {
    Folder folder;
    Peer twilio, storage;
    std::unique_ptr<ObjectStore> store = make_object_store("file:" + folder.path.string()).value();
    FetchOptions options;

    Fixture() {
        options.twilio_api = twilio.url() + "/";
        options.private_addresses = {twilio.place(), storage.place()};
        options.idle_timeout = Millis{5'000};
    }
    /// The company's own account asks.
    RecordingSource source(const std::string& url) const { return {Secret(kToken), kSid, "CA1", url, "twilio"}; }
    FetchOutcome fetch(const RecordingSource& s, const std::function<bool()>& stopping = {}) {
        return Recordings(options, *store).fetch(s, {}, stopping);
    }
    std::string fetch(const std::string& url) { return told(fetch(source(url))); }
    std::string basic(const std::string& user = kSid) const { return "Basic " + base64_encode(user + ":" + kToken); }
};

}  // namespace

TEST_CASE("Twilio's recording: the address with .mp3, by its own account; where that leads is shown no credentials") {
    Fixture f;
    f.twilio.redirects(kSound, f.storage.url("/audio/1.mp3?signed=1%2F2"));
    f.storage.on("/audio/1.mp3", mp3(100), "application/octet-stream");
    auto outcome = f.fetch(f.source(f.twilio.url(kPath)));
    INFO(told(outcome));
    REQUIRE(std::holds_alternative<Fetched>(outcome));
    CHECK(std::get<Fetched>(outcome).format == "mp3");
    CHECK(*std::get<Fetched>(outcome).seconds == Approx(7.2));
    REQUIRE(f.twilio.seen().size() == 1);
    CHECK(f.twilio.seen()[0].path == kSound);
    CHECK(f.twilio.seen()[0].authorization == f.basic());
    REQUIRE(f.storage.seen().size() == 1);
    CHECK(f.storage.seen()[0].authorization == "");
    CHECK(f.storage.seen()[0].path == "/audio/1.mp3?signed=1%2F2");

    f.twilio.on(kSound, mp3(50));  // or it gives it itself, whatever ending the address had
    for (const auto& url : {kPath, kSound, kPath + ".wav", kPath + "?x=1"}) CHECK(f.fetch(f.twilio.url(url)) == "fetched");
    f.twilio.redirects(kSound, f.twilio.url("/audio/2.mp3"));  // not even within one host
    f.twilio.on("/audio/2.mp3", mp3(50));
    CHECK(f.fetch(f.twilio.url(kPath)) == "fetched");
    CHECK(f.twilio.seen().back().authorization == "");

    f.twilio.on(kSound, mp3(50));
    auto by_key = f.source(f.twilio.url(kPath));
    by_key.user = "SK1";
    CHECK(told(f.fetch(by_key)) == "fetched");
    CHECK(f.twilio.seen().back().authorization == f.basic("SK1"));
}

TEST_CASE("Twilio's recording: an account asks for its own recordings alone, the deployment's too") {
    Fixture f;
    f.twilio.on(path_of(kOther) + ".mp3", mp3(50));
    f.twilio.on("/audio/1.mp3", mp3(50));
    for (bool of_deployment : {false, true}) {
        auto of_another = f.source(f.twilio.url(path_of(kOther)));
        of_another.of_deployment = of_deployment;
        auto outcome = f.fetch(of_another);
        CHECK(has(told(outcome), "never: the recording is of the Twilio account " + kOther + ", which is not " +
                                     (of_deployment ? "the deployment's" : "the company's")));
        CHECK(std::get<Never>(outcome).another_key);
        auto nobody = of_another;
        nobody.api_key = Secret();
        nobody.account_id.clear();
        outcome = f.fetch(nobody);
        CHECK(has(told(outcome), "never: Otto has no credentials of the Twilio account that has the recording, " + kOther));
        CHECK(has(told(outcome), of_deployment ? "OTTO_TWILIO_AUTH_TOKEN" : "/api/v1/onboarding/twilio/connect"));
        CHECK(std::get<Never>(outcome).another_key);
    }
    for (const auto& path : {"/audio/1.mp3"s, "/2010-04-01/Accounts/" + kSid + "/Messages.json", kPath + "/AddOnResults",
                             kPath + ".json", "/2010-04-01/Accounts/" + kSid + "/../" + kOther + "/Recordings/RE1",
                             "/2010-04-01/Accounts/" + kSid + "%2f..%2fx/Recordings/RE1", path_of(kSid, "RE1%2e"),
                             path_of(kSid, "RE1 "), path_of(kSid, ".."), "/" + kPath, kPath + "/", path_of("AC1"), "/"s}) {
        INFO(path);
        CHECK(f.fetch(f.twilio.url(path)).starts_with("never: the address of the recording is no"));
    }
    CHECK(f.fetch("").starts_with("never: the address of the recording is no usable URL"));
    CHECK(f.fetch("file:///etc/passwd").starts_with("never: the address of the recording is no usable URL"));
    CHECK(f.twilio.seen().empty());
    // Another place may have it, and is shown nothing.
    f.storage.on(kSound, mp3(50));
    f.storage.on("/audio/1.mp3", mp3(50));
    CHECK(f.fetch(f.storage.url("/audio/1.mp3")) == "fetched");
    f.fetch(f.storage.url(kPath));
    f.fetch("http://" + f.twilio.place() + ":x@" + f.storage.place() + kSound);
    for (const auto& s : f.storage.seen()) CHECK(s.authorization == "");
    CHECK(f.twilio.seen().empty());
}

TEST_CASE("Twilio's recording: what is not there yet, and what may pass") {
    Fixture f;
    for (int status : {404, 202, 204}) {
        f.twilio.says(kSound, status);
        CHECK(has(f.fetch(f.twilio.url(kPath)), "not yet: the recording is not there yet: "));
    }
    f.twilio.on(kSound, "");
    CHECK(has(f.fetch(f.twilio.url(kPath)), "not yet: "));
    f.twilio.redirects(kSound, f.storage.url("/audio/late.mp3"));
    CHECK(has(f.fetch(f.twilio.url(kPath)), "not yet: "));
    f.storage.says("/audio/late.mp3", 403);  // a link that is over: the next attempt gets another
    CHECK(has(f.fetch(f.twilio.url(kPath)), "again: "));
    for (int status : {408, 429, 500, 503}) {
        f.twilio.says(kSound, status, "7");
        auto outcome = f.fetch(f.source(f.twilio.url(kPath)));
        REQUIRE(std::holds_alternative<Again>(outcome));
        CHECK(std::get<Again>(outcome).after == Millis{7'000});
    }
    f.twilio.on(kSound, mp3(5'000));
    int asked = 0;
    auto stopped = f.fetch(f.source(f.twilio.url(kPath)), [&] { return ++asked > 2; });
    CHECK(has(told(stopped), "again: the service was stopped"));
    CHECK(f.folder.files() == 0);
}

TEST_CASE("Twilio's recording: refused credentials are the account's matter, in whatever way Twilio says so") {
    Fixture f;
    auto says = [&](int status, const std::string& code) {
        f.twilio.on(kSound, [=](const http::Request&) {
            return http::Response::json(status, R"({"code": )" + code + R"(, "message": "Authenticate", "status": 401})");
        });
        return f.fetch(f.twilio.url(kPath));
    };
    CHECK(says(401, "20003") == "not let in: Twilio answered 401, error 20003: it refuses the account " + kSid);
    CHECK(says(403, "20003").starts_with("not let in: "));
    CHECK(says(400, "20003").starts_with("not let in: "));
    CHECK(says(403, "20005").starts_with("not let in: "));
    CHECK(says(401, "null").starts_with("not let in: "));
    CHECK(says(400, "21200").starts_with("never: "));
    CHECK(says(410, "null").starts_with("never: "));
    f.storage.says("/audio/1.mp3", 401);  // another place, which was shown nothing
    CHECK(has(f.fetch(f.storage.url("/audio/1.mp3")), "never: "));
}

TEST_CASE("Twilio's recording: pages are no sound, and private addresses are refused wherever they come from") {
    Fixture f;
    f.twilio.on(kSound, "<!doctype html><title>Log in</title>", "audio/mpeg");
    CHECK(has(f.fetch(f.twilio.url(kPath)),
              "never: " + f.twilio.url() + " gives a web page instead of a recording, as audio/mpeg"));
    f.twilio.on(kSound, R"({"url": "http://127.0.0.1/"})", "application/json");
    CHECK(has(f.fetch(f.twilio.url(kPath)), "gives JSON instead of a recording"));
    Peer inside;
    inside.on("/audio/1.mp3", mp3(50));
    const std::string in_a_word = "again: the recording's address cannot be reached by Otto";
    f.twilio.redirects(kSound, inside.url("/audio/1.mp3"));
    auto refused = f.fetch(f.source(f.twilio.url(kPath)));
    CHECK(told(refused) == in_a_word);
    CHECK(has(std::get<Again>(refused).detail, "'" + inside.place() + "' is a private address"));
    CHECK(f.fetch(inside.url("/audio/1.mp3")) == in_a_word);
    f.twilio.redirects(kSound, "http://169.254.169.254/latest/meta-data");
    CHECK(f.fetch(f.twilio.url(kPath)) == in_a_word);
    f.twilio.redirects(kSound,
                       "http://nowhere.invalid/audio/1.mp3");  // told alike: nobody learns which addresses there are inside
    auto unknown = f.fetch(f.source(f.twilio.url(kPath)));
    CHECK(told(unknown) == in_a_word);
    CHECK(std::get<Again>(unknown).cure == std::get<Again>(refused).cure);
    CHECK(has(std::get<Again>(unknown).cure, "Twilio's console"));
    CHECK(inside.seen().empty());
    CHECK(f.folder.files() == 0);
}

TEST_CASE("recordings: what people are told is of the provider that has it") {
    CHECK(has(refusal_words("callrail", false, "org_1").cure, "/api/v1/company/set-callrail-api-key/org_1"));
    CHECK(has(refusal_words("twilio", false, "org_1").cure, "/api/v1/onboarding/twilio/connect"));
    CHECK(has(refusal_words("twilio", true, "org_1").cure, "OTTO_TWILIO_AUTH_TOKEN"));
    CHECK(has(no_recording("twilio", "absent").why, "absent"));
    CHECK(has(no_recording("twilio", "failed").why, "failed"));
    CHECK_FALSE(no_recording("twilio", "\xff").why.empty());
}
