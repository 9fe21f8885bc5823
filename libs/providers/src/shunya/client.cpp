#include "providers/shunya.hpp"

#include <algorithm>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "base/uuid.hpp"

namespace otto::providers::shunya {
namespace {

constexpr std::size_t kShown = 300;          ///< bytes of a foreign message that are shown
constexpr Millis kLongestPause{86'400'000};  ///< what Shunya may ask for; more is taken for a mistake

Secret first_of(const Secret& list) {
    auto parts = split_list(list.reveal());
    return parts.empty() ? Secret() : Secret(parts.front());
}

std::string shown(std::string_view text) { return clip_utf8(mend_utf8(trim(text)), kShown); }

std::optional<Millis> seconds(std::optional<std::int64_t> n) {
    if (!n || *n < 0) return std::nullopt;
    return Millis{std::min<std::int64_t>(*n, kLongestPause.count() / 1000) * 1000};
}

ApiError::Kind kind_of(int status) {
    if (status == 401 || status == 403) return ApiError::Kind::not_let_in;
    if (status == 404) return ApiError::Kind::not_found;
    if (status == 429) return ApiError::Kind::busy;
    if (status == 408 || status >= 500) return ApiError::Kind::broken;
    return ApiError::Kind::refused;
}

/// FastAPI's list of what is wrong where: "body.call_id: field required".
std::string misfits(JsonView detail) {
    std::string out;
    for (std::size_t i = 0; i < detail.size() && i < 5; ++i) {
        auto entry = detail.at(i);
        std::string where;
        for (std::size_t k = 0; k < entry["loc"].size(); ++k)
            where += (k ? "." : "") + entry["loc"].at(k).loose_text().value_or("?");
        out += (out.empty() ? "" : "; ") + where + ": " + entry["msg"].loose_text().value_or("?");
    }
    return out;
}

/// An error object fills in what it says.
void read_error(JsonView error, ApiError& t) {
    if (auto text = error.string()) {
        t.why = shown(*text);
        return;
    }
    if (auto code = error["error_code"].loose_text())
        t.code = *code;
    else if (auto other = error["code"].loose_text())
        t.code = *other;
    auto message = error["message"].loose_text();
    if (!message) message = error["detail"].loose_text();
    if (!message) message = error["error"].loose_text();
    if (message)
        t.why = shown(*message) + (t.code.empty() ? "" : " (" + t.code + ")");
    else if (!t.code.empty())
        t.why = t.code;
    t.retryable = error["retryable"].boolean();
    if (auto after = seconds(error["details"]["retry_after"].loose_integer())) t.after = after;
}

/// Shunya's words for how a job stands, in answers and in webhooks alike.
std::optional<Progress> meaning_of(std::string_view status) {
    static constexpr std::pair<std::string_view, Progress> words[] = {
        {"", Progress::unknown},          {"not_found", Progress::unknown},   {"none", Progress::unknown},
        {"unknown", Progress::unknown},   {"not_started", Progress::unknown}, {"processing", Progress::running},
        {"pending", Progress::running},   {"queued", Progress::running},      {"running", Progress::running},
        {"started", Progress::running},   {"in_progress", Progress::running}, {"accepted", Progress::running},
        {"submitted", Progress::running}, {"completed", Progress::done},      {"complete", Progress::done},
        {"succeeded", Progress::done},    {"success", Progress::done},        {"done", Progress::done},
        {"finished", Progress::done},     {"failed", Progress::failed},       {"failure", Progress::failed},
        {"error", Progress::failed},      {"timeout", Progress::failed},      {"timed_out", Progress::failed},
        {"cancelled", Progress::failed},  {"canceled", Progress::failed}};
    auto found =
        std::find_if(std::begin(words), std::end(words), [word = lower(trim(status))](const auto& w) { return w.first == word; });
    return found == std::end(words) ? std::nullopt : std::optional(found->second);
}

bool job_over(std::string_view code) { return code == "TRANSCRIPTION_FAILED" || code == "ANALYSIS_FAILED"; }

JobState state_of(JsonView root) {
    auto data = root["data"].is_object() ? root["data"] : root;
    JobState s{false, progress_of(data["status"].loose_text().value_or("")), job_id_of(data), std::nullopt};
    // A finished transcription is told by its number, whatever the word.
    if (s.progress == Progress::unknown && !s.job_id.empty()) s.progress = Progress::done;
    s.known = s.progress != Progress::unknown || data["created_at"].loose_text().has_value();
    if (s.progress == Progress::failed) s.error = error_of(data["error"]);
    return s;
}

}  // namespace

Progress progress_of(std::string_view status) { return meaning_of(status).value_or(Progress::running); }

std::optional<Progress> progress_of(std::string_view status, std::string_view event_type) {
    if (!trim(status).empty()) {
        auto said = meaning_of(status);
        return said == Progress::unknown ? std::nullopt : said;
    }
    auto event = lower(trim(event_type));
    if (event.ends_with(".complete") || event.ends_with(".completed")) return Progress::done;
    if (event.ends_with(".failed")) return Progress::failed;
    return Progress::unknown;
}

std::string job_id_of(JsonView answer) {
    for (auto name : {"job_id", "task_id", "transcript_id", "id"})
        if (auto id = answer[name].loose_text()) return *id;
    return answer["data"].is_object() ? job_id_of(answer["data"]) : "";
}

ApiError error_of(JsonView error) {
    ApiError t{ApiError::Kind::job_failed, "", "", {}, {}, 0};
    read_error(error, t);
    if (t.why.empty()) t.why = "Shunya gave no reason";
    return t;
}

ApiError error_of(int status, std::string_view body, std::string_view retry_after, Instant now) {
    auto asked = http::retry_after(retry_after, now);
    ApiError t{kind_of(status), "", "", {}, asked ? std::optional(std::min(*asked, kLongestPause)) : std::nullopt, status};
    if (auto parsed = JsonDocument::parse(body)) {
        auto root = parsed->root();
        auto after = t.after;
        if (root["detail"].is_array())
            t.why = shown(misfits(root["detail"]));
        else if (root["error"].exists())
            read_error(root["error"], t);
        else
            read_error(root["detail"].exists() ? root["detail"] : root, t);
        if (after) t.after = after;
    }
    // Codes that stand for a job's end come under a status that would else mean trouble of Shunya's own.
    if (status >= 500 && job_over(t.code)) t.kind = ApiError::Kind::job_failed;
    t.why = "Shunya answered " + std::to_string(status) + (t.why.empty() ? "" : ": " + t.why);
    return t;
}

Client::Client(Options options, const Clock& clock)
    : options_(std::move(options)),
      api_(options_.api),
      token_secret_(first_of(options_.token_secret)),
      signing_secret_(first_of(options_.signing_secret)),
      clock_(clock),
      asking_([&] {
          http::ClientOptions o;
          o.total_timeout = options_.timeout;
          o.body_limit = options_.body_limit;
          o.retries = 0;
          o.private_addresses = options_.private_addresses;
          o.ca_file = options_.ca_file;
          o.metrics_name = "shunya";
          return o;
      }()),
      posting_([&] {
          http::ClientOptions o;
          o.total_timeout = options_.timeout;
          o.body_limit = options_.body_limit;
          o.retries = 0;
          o.pool_per_host = 0;
          o.private_addresses = options_.private_addresses;
          o.ca_file = options_.ca_file;
          o.metrics_name = "shunya";
          return o;
      }()) {
    while (api_.ends_with('/')) api_.pop_back();
    if (auto url = Url::parse(api_); !url)
        throw Failure(Error("OTTO_SHUNYA_API is no address: " + url.error().message, "write it as https://host"));
}

std::string Client::token(const CompanyId& company, std::string_view role, Instant now) const {
    auto at = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    JsonWriter claims;
    claims.begin_object()
        .member("company_id", company.value())
        .member("iat", static_cast<std::int64_t>(at))
        .member("exp", static_cast<std::int64_t>(at + 300));
    claims.member("type", "access").member("role", role).end_object();
    auto text = base64url_encode(R"({"alg":"HS256","typ":"JWT"})") + "." + base64url_encode(claims.text());
    return text + "." + base64url_encode(hmac_sha256(token_secret_.reveal(), text));
}

Reply<Content> Client::send(http::Method method, const Caller& caller, const std::string& path, std::string body,
                            std::string_view key) {
    auto now = clock_.now();
    auto stamp = to_rfc3339(std::chrono::floor<std::chrono::seconds>(now));
    http::ClientRequest request{method, api_ + "/api/v1/" + path, {}, {}, caller.trace};
    auto& h = request.headers;
    h.add("Authorization", "Bearer " + token(caller.company, caller.target_role, now));
    h.add("X-Company-ID", caller.company.value());
    h.add("X-Request-ID", key.empty() ? Uuid::v7(now).to_string() : std::string(key));
    h.add("X-UWC-Version", "v1");
    h.add("X-UWC-Timestamp", stamp);
    h.add("X-Target-Role", std::string(caller.target_role));
    h.add("Accept", "application/json");
    if (method == http::Method::post) {
        h.add("Content-Type", "application/json");
        h.add("Idempotency-Key", std::string(key));
    }
    if (!body.empty() && !signing_secret_.empty())
        h.add("X-Signature", hex_encode(hmac_sha256(signing_secret_.reveal(), stamp + ":" + body)));
    request.body = std::move(body);
    auto answer = (method == http::Method::post ? posting_ : asking_).send(request);
    if (!answer) return ApiError{ApiError::Kind::no_answer, "Shunya cannot be reached: " + answer.error().message, "", {}, {}, 0};
    if (answer->status / 100 != 2) return error_of(answer->status, answer->body, answer->headers.get("retry-after"), now);
    return Content{std::move(answer->body)};
}

namespace {

/// A web page or half an answer is no word of Shunya's. What begins as JSON and is none (NaN) is Shunya's own for this job:
/// asking for it does not go on for ever.
ApiError unreadable(const Error& e, std::string_view got = {}) {
    return {trim(got).starts_with("{") ? ApiError::Kind::broken : ApiError::Kind::no_answer,
            "Shunya's answer cannot be read: " + e.message,
            "",
            {},
            {},
            200};
}

Reply<Accepted> accepted(Reply<Content> reply) {
    if (auto* t = std::get_if<ApiError>(&reply)) return std::move(*t);
    auto parsed = JsonDocument::parse(std::get<Content>(reply).json);
    if (!parsed) return unreadable(parsed.error());
    auto root = parsed->root();
    if (root["success"].boolean() == false) {
        auto t = error_of(root["error"].exists() ? root["error"] : root);
        t.kind = ApiError::Kind::refused;
        return t;
    }
    return Accepted{job_id_of(root)};
}

Reply<JobState> state(Reply<Content> reply) {
    if (auto* t = std::get_if<ApiError>(&reply)) return std::move(*t);
    const auto& json = std::get<Content>(reply).json;
    auto parsed = JsonDocument::parse(json);
    if (!parsed) return unreadable(parsed.error(), json);
    return state_of(parsed->root());
}

std::string number(CallId call) { return std::to_string(call.value()); }

}  // namespace

Reply<Accepted> Client::transcribe(const Caller& caller, CallId call, std::string_view audio_url, std::string_view call_type,
                                   std::string_view key) {
    // Exactly as Python's json.dumps(…, sort_keys=True) would write it, for that is what X-Signature is made over. Addresses are
    // ASCII.
    JsonWriter url, type;
    url.value(audio_url);
    type.value(call_type);
    return accepted(
        send(http::Method::post, caller, "transcription/transcribe",
             "{\"audio_url\": " + url.text() + ", \"call_id\": " + number(call) + ", \"call_type\": " + type.text() + "}", key));
}

Reply<JobState> Client::transcription_status(const Caller& caller, CallId call) {
    return state(send(http::Method::get, caller, "transcription/status/" + number(call), "", ""));
}

Reply<Content> Client::transcript(const Caller& caller, CallId call) {
    return send(http::Method::get, caller, "transcription/transcript/" + number(call), "", "");
}

Reply<Accepted> Client::start_analysis(const Caller& caller, CallId call, std::string_view key) {
    return accepted(send(http::Method::post, caller, "analysis/start/" + number(call), "", key));
}

Reply<JobState> Client::analysis_status(const Caller& caller, CallId call) {
    return state(send(http::Method::get, caller, "analysis/status/" + number(call), "", ""));
}

Reply<Content> Client::analysis(const Caller& caller, CallId call) {
    auto reply = send(http::Method::get, caller, "analysis/complete/" + number(call), "", "");
    if (std::holds_alternative<ApiError>(reply)) return reply;
    const auto& json = std::get<Content>(reply).json;
    auto parsed = JsonDocument::parse(json);
    if (!parsed) return unreadable(parsed.error(), json);
    auto root = parsed->root();
    auto data = root["data"].is_object() ? root["data"] : root;
    auto progress = progress_of(data["status"].loose_text().value_or(""));
    if (progress == Progress::failed || (root["success"].boolean() == false && root["error"].exists())) {
        auto t = error_of(data["error"].exists() ? data["error"] : root["error"]);
        if (t.code == "ANALYSIS_NOT_AVAILABLE") t.kind = ApiError::Kind::not_found;
        return t;
    }
    if (progress == Progress::running)
        return ApiError{ApiError::Kind::not_found, "Shunya is not done yet", "ANALYSIS_NOT_AVAILABLE", {}, {}, 200};
    return reply;
}

}  // namespace otto::providers::shunya
