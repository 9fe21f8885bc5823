// Shunya's client against a peer that writes down what it is sent.
#include "providers/shunya.hpp"

#include <deque>
#include <mutex>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "http/server.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers::shunya;

namespace {

class FixedClock final : public Clock {
public:
    Instant at = *parse_time("2026-11-21T12:00:00.123456Z");
    Instant now() const override { return at; }
};

/// Answers with what was laid out, in order; then with {}.
class Peer {
public:
    Peer() {
        auto router = std::make_shared<http::Router>();
        auto take = [this](const http::Request& r) {
            std::lock_guard guard(lock_);
            seen.push_back(r);
            if (answers.empty()) return http::Response::json(200, "{}");
            auto a = answers.front();
            answers.pop_front();
            return a;
        };
        for (auto path : {"/api/v1/transcription/transcribe", "/api/v1/analysis/start/{id}"})
            router->add(http::Method::post, path, take);
        for (auto path : {"/api/v1/transcription/status/{id}", "/api/v1/transcription/transcript/{id}",
                          "/api/v1/analysis/status/{id}", "/api/v1/analysis/complete/{id}"})
            router->add(http::Method::get, path, take);
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server_->start().value();
    }
    ~Peer() { server_->drain(Millis{1'000}); }
    std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }
    void answer(int status, std::string body, std::string retry_after = "") {
        auto r = http::Response::json(status, std::move(body));
        if (!retry_after.empty()) r.headers.add("Retry-After", retry_after);
        std::lock_guard guard(lock_);
        answers.push_back(std::move(r));
    }
    std::vector<http::Request> seen;

private:
    std::mutex lock_;
    std::deque<http::Response> answers;
    std::unique_ptr<http::Server> server_;
};

struct Rig {
    Peer peer;
    FixedClock clock;
    Client client{[&] {
                      Options o;
                      o.api = "http://" + peer.address() + "/";
                      o.token_secret = Secret("first_secret,second");
                      o.signing_secret = Secret("test_webhook_secret_key_12345");
                      o.private_addresses = {peer.address()};
                      o.timeout = Millis{5'000};
                      return o;
                  }(),
                  clock};
    Caller caller{CompanyId{"org_a"}, "customer_rep", {}};
};

JsonDocument part(const std::string& token, int n) {
    auto parts = split_list(token, '.');
    REQUIRE(parts.size() == 3);
    auto parsed = JsonDocument::parse(*base64url_decode(parts[static_cast<std::size_t>(n)]));
    REQUIRE(parsed.ok());
    return std::move(parsed).value();
}

}  // namespace

TEST_CASE("a transcription is asked for exactly as Shunya wants it") {
    Rig rig;
    rig.peer.answer(
        200,
        R"({"success": true, "message": "started", "transcript_id": null, "task_id": "call_7_company_org_a_transcription"})");
    auto reply = rig.client.transcribe(rig.caller, CallId{7}, "https://otto.example/media/a.b-c", "csr_call", "key-1");
    REQUIRE(std::holds_alternative<Accepted>(reply));
    CHECK(std::get<Accepted>(reply).job_id == "call_7_company_org_a_transcription");
    REQUIRE(rig.peer.seen.size() == 1);
    const auto& r = rig.peer.seen[0];
    CHECK(r.target == "/api/v1/transcription/transcribe");
    CHECK(r.body == R"({"audio_url": "https://otto.example/media/a.b-c", "call_id": 7, "call_type": "csr_call"})");
    CHECK(r.content_type() == "application/json");
    CHECK(r.headers.get("X-Company-ID") == "org_a");
    CHECK(r.headers.get("X-Request-ID") == "key-1");
    CHECK(r.headers.get("Idempotency-Key") == "key-1");
    CHECK(r.headers.get("X-UWC-Version") == "v1");
    CHECK(r.headers.get("X-UWC-Timestamp") == "2026-11-21T12:00:00Z");
    CHECK(r.headers.get("X-Target-Role") == "customer_rep");
    CHECK(r.headers.get("X-Signature") ==
          hex_encode(hmac_sha256("test_webhook_secret_key_12345", "2026-11-21T12:00:00Z:" + r.body)));

    auto bearer = r.headers.get("Authorization");
    REQUIRE(bearer.starts_with("Bearer "));
    std::string token(bearer.substr(7));
    auto head = part(token, 0), claims = part(token, 1);
    CHECK(head.root()["alg"].string() == "HS256");
    CHECK(claims.root()["company_id"].string() == "org_a");
    CHECK(claims.root()["type"].string() == "access");
    CHECK(claims.root()["role"].string() == "customer_rep");
    CHECK(claims.root()["iat"].integer() == 1795262400);
    CHECK(claims.root()["exp"].integer() == 1795262700);
    CHECK(base64url_encode(hmac_sha256("first_secret", token.substr(0, token.rfind('.')))) == token.substr(token.rfind('.') + 1));
}

TEST_CASE("an analysis is started without a body and without a signature") {
    Rig rig;
    rig.peer.answer(200, R"({"success": true, "data": {"job_id": 41}})");
    auto reply = rig.client.start_analysis(rig.caller, CallId{7}, "key-2");
    CHECK(std::get<Accepted>(reply).job_id == "41");
    const auto& r = rig.peer.seen.at(0);
    CHECK((r.target == "/api/v1/analysis/start/7" && r.body.empty() && !r.headers.has("X-Signature") &&
           r.headers.get("Idempotency-Key") == "key-2"));
}

TEST_CASE("questions carry no Idempotency-Key, and each an id of its own") {
    Rig rig;
    rig.peer.answer(
        200,
        R"({"success": true, "transcript_id": 12, "call_id": 7, "status": "completed", "created_at": "x", "processed_at": "y"})");
    rig.peer.answer(200, R"({"success": true, "transcript_id": null, "call_id": 7, "status": "processing"})");
    rig.peer.answer(200, R"({"success": true, "transcript_id": null, "call_id": 7, "status": null, "created_at": null})");
    rig.peer.answer(
        200,
        R"({"success": true, "status": "failed", "error": {"error_code": "TRANSCRIPTION_FAILED", "message": "no sound", "retryable": false}})");
    auto ask = [&] { return std::get<JobState>(rig.client.transcription_status(rig.caller, CallId{7})); };
    auto done = ask();
    CHECK((done.known && done.progress == Progress::done && done.job_id == "12"));
    CHECK(ask().progress == Progress::running);
    CHECK_FALSE(ask().known);
    auto failed = ask();
    CHECK((failed.progress == Progress::failed && failed.error && failed.error->retryable == false &&
           failed.error->why.find("no sound") != std::string::npos));
    CHECK_FALSE(rig.peer.seen[0].headers.has("Idempotency-Key"));
    CHECK(rig.peer.seen[0].headers.get("X-Request-ID") != rig.peer.seen[1].headers.get("X-Request-ID"));
}

TEST_CASE("job ids by any of their names") {
    for (auto [json, id] : {std::pair{R"({"job_id": "a", "task_id": "b"})", "a"},
                            {R"({"task_id": "b", "transcript_id": 3})", "b"},
                            {R"({"transcript_id": 3, "id": 4})", "3"},
                            {R"({"id": 4})", "4"},
                            {R"({"data": {"task_id": "c"}})", "c"},
                            {R"({"task_id": null, "job_id": ""})", ""},
                            {"{}", ""},
                            {"[]", ""}}) {
        INFO(json);
        auto parsed = JsonDocument::parse(json);
        CHECK(job_id_of(parsed->root()) == id);
    }
}

TEST_CASE("errors are what they mean for who must go on") {
    auto now = *parse_time("2026-11-21T12:00:00Z");
    using K = ApiError::Kind;
    auto envelope = [](const char* code, const char* retryable, const char* details = "{}") {
        return std::string(R"({"success": false, "error": {"error_code": ")") + code +
               R"(", "error_type": "x", "message": "it says", "retryable": )" + retryable + R"(, "details": )" + details +
               R"(}, "timestamp": "x"})";
    };
    auto t = error_of(429, envelope("RATE_LIMIT_EXCEEDED", "true", R"({"limit": 100, "retry_after": 17})"), "", now);
    CHECK((t.kind == K::busy && t.after == Millis{17'000} && t.retryable == true && t.not_taken()));
    CHECK(error_of(429, "", "30", now).after == Millis{30'000});
    CHECK(error_of(429, "", "Sat, 21 Nov 2026 12:01:30 GMT", now).after == Millis{90'000});
    CHECK(error_of(429, "", "Sat, 21 Nov 2026 11:00:00 GMT", now).after == Millis{0});
    CHECK_FALSE(error_of(429, "", "soon", now).after);
    CHECK(error_of(429, "", "99999999999999999999", now).after == Millis{86'400'000});
    CHECK(error_of(400, envelope("VALIDATION_ERROR", "false"), "", now).kind == K::refused);
    CHECK(error_of(401, "", "", now).kind == K::not_let_in);
    CHECK(error_of(403, envelope("PERMISSION_DENIED", "false"), "", now).kind == K::not_let_in);
    CHECK(error_of(404, envelope("ANALYSIS_NOT_AVAILABLE", "false"), "", now).kind == K::not_found);
    CHECK(error_of(500, envelope("INTERNAL_SERVER_ERROR", "true"), "", now).kind == K::broken);
    CHECK(error_of(503, "<html>", "", now).kind == K::broken);
    CHECK(error_of(408, "", "", now).kind == K::broken);
    CHECK_FALSE(error_of(503, "", "", now).not_taken());
    CHECK(error_of(500, envelope("TRANSCRIPTION_FAILED", "true"), "", now).kind == K::job_failed);
    auto form = error_of(422, R"({"detail": [{"loc": ["body", "call_id"], "msg": "field required", "type": "x"}]})", "", now);
    CHECK((form.kind == K::refused && form.why == "Shunya answered 422: body.call_id: field required"));
    CHECK(error_of(404, R"({"detail": "Not Found"})", "", now).why == "Shunya answered 404: Not Found");
    for (auto odd : {"", "[]", "7", R"({"error": 7})", R"({"error": {"error_code": {}}})", R"({"detail": [1, {}]})"})
        CHECK(error_of(400, odd, "", now).kind == K::refused);
}

TEST_CASE("an analysis that is not there, failed, or is") {
    Rig rig;
    rig.peer.answer(
        404, R"({"success": false, "error": {"error_code": "ANALYSIS_NOT_AVAILABLE", "message": "wait", "retryable": false}})");
    rig.peer.answer(200, R"({"call_id": 7, "status": "pending"})");
    rig.peer.answer(200, R"({"call_id": 7, "status": "failed", "error": {"error_code": "ANALYSIS_FAILED", "retryable": true}})");
    rig.peer.answer(500, R"({"success": false, "error": {"error_code": "ANALYSIS_FAILED", "retryable": true}})");
    rig.peer.answer(200, "<html>");
    rig.peer.answer(200, R"({"call_id": 7, "status": "completed", "compliance": {"compliance_score": NaN}})");
    rig.peer.answer(200, R"({"call_id": 7, "status": "completed", "qualification": {}, "summary": "cut \ud83d"})");
    using K = ApiError::Kind;
    for (auto kind : {K::not_found, K::not_found, K::job_failed, K::job_failed, K::no_answer, K::broken}) {
        auto reply = rig.client.analysis(rig.caller, CallId{7});
        REQUIRE(std::holds_alternative<ApiError>(reply));
        CHECK(std::get<ApiError>(reply).kind == kind);
    }
    CHECK(std::holds_alternative<Content>(rig.client.analysis(rig.caller, CallId{7})));
}

TEST_CASE("nobody there, and an answer that refuses though it is 200") {
    Rig rig;
    rig.peer.answer(200, R"({"success": false, "message": "no such recording"})");
    auto refused = rig.client.transcribe(rig.caller, CallId{7}, "https://a.example/x", "csr_call", "k");
    REQUIRE(std::holds_alternative<ApiError>(refused));
    CHECK((std::get<ApiError>(refused).kind == ApiError::Kind::refused &&
           std::get<ApiError>(refused).why.find("no such recording") != std::string::npos));

    Options nowhere;
    nowhere.api = "http://127.0.0.1:1";
    nowhere.private_addresses = {"127.0.0.1:1"};
    Client away(nowhere);
    auto reply = away.transcription_status(rig.caller, CallId{7});
    REQUIRE(std::holds_alternative<ApiError>(reply));
    CHECK(std::get<ApiError>(reply).kind == ApiError::Kind::no_answer);
    Options wrong;
    wrong.api = "shunya";
    CHECK_THROWS_AS(Client(wrong), Failure);
}

TEST_CASE("words for a job's state") {
    for (auto word : {"completed", "SUCCEEDED", " success ", "done"}) CHECK(progress_of(word) == Progress::done);
    for (auto word : {"failed", "error"}) CHECK(progress_of(word) == Progress::failed);
    for (auto word : {"processing", "pending", "queued", "something new"}) CHECK(progress_of(word) == Progress::running);
    CHECK(progress_of("") == Progress::unknown);
}
