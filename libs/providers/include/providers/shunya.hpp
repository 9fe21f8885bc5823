#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "telemetry/trace.hpp"

/// Shunya's API, which transcribes recordings and says what calls meant (providers.md §6.1, §6.2, §6.5).
namespace otto::providers::shunya {

/// Why there is no answer of the wished kind.
struct ApiError {
    enum class Kind {
        no_answer,   ///< nothing came, or nothing that can be read: what was posted may have arrived
        broken,      ///< 5xx: what was posted may have been taken; or a result that is no JSON
        busy,        ///< 429: not taken
        not_let_in,  ///< 401, 403: our token or secret, or the company, is not known there
        not_found,   ///< 404: no such call, or its result is not there (yet)
        job_failed,  ///< Shunya tried and could not: the job is over
        refused      ///< any other 4xx: the request itself is wrong; not taken
    };
    Kind kind;
    std::string why;                ///< for people; holds nothing secret
    std::string code;               ///< Shunya's error_code, "" if it gave none
    std::optional<bool> retryable;  ///< as Shunya says, if it does
    std::optional<Millis> after;    ///< how long it asks to be left alone
    int status = 0;                 ///< 0: no answer
    /// Nothing was begun by the request, for certain.
    bool not_taken() const {
        return kind == Kind::busy || kind == Kind::not_let_in || kind == Kind::not_found || kind == Kind::refused;
    }
};

template <class T>
using Reply = std::variant<T, ApiError>;

/// What a word for a job's state means; Shunya has several for each. `unknown`: it knows no such job, or says nothing.
enum class Progress { unknown, running, done, failed };
/// Whatever else the word is, something is under way.
Progress progress_of(std::string_view status);
/// Of a webhook: by its status, else by the name of its event ("call.analysis.complete"). nullopt: a word that nobody has said
/// yet.
std::optional<Progress> progress_of(std::string_view status, std::string_view event_type);

/// A job was begun; the id that it goes by, "" if Shunya gave none.
struct Accepted {
    std::string job_id;
};
/// `known` is false if Shunya answers but says nothing: it has no such job.
struct JobState {
    bool known;
    Progress progress;
    std::string job_id;
    std::optional<ApiError> error;
};
/// An untyped answer: the JSON as it came.
struct Content {
    std::string json;
};

/// The first of job_id, task_id, transcript_id, id that is there, as text; also within `data`. "" if none is.
std::string job_id_of(JsonView answer);
/// Shunya's error envelope, or FastAPI's 422, as what it means. `retry_after` is that header's value.
ApiError error_of(int status, std::string_view body, std::string_view retry_after, Instant now);
/// The error object of an envelope or webhook, or a bare text.
ApiError error_of(JsonView error);

struct Options {
    std::string api = "https://otto.shunyalabs.ai";
    Secret token_secret;    ///< OTTO_SHUNYA_TOKEN_SECRET: the first of a comma list signs
    Secret signing_secret;  ///< OTTO_SHUNYA_WEBHOOK_SECRET: likewise, for X-Signature; empty = no such header
    Millis timeout{30'000};
    std::size_t body_limit = 36u << 20;
    std::vector<std::string> private_addresses;
    std::string ca_file;
};

/// For whom is asked, and in which role's light: a CSR's call without it would be scored against the salesmen's rules.
struct Caller {
    CompanyId company;
    std::string_view target_role = "customer_rep";
    tel::TraceContext trace;
};

/// Each call blocks for one request, at most `timeout`; nothing is repeated here, for only the caller knows what is safe.
/// Thread-safe; one is made and kept.
class Client {
public:
    explicit Client(Options, const Clock& = system_clock());

    /// `key` names the intent: the same key with the same arguments is begun once. A post goes over a connection of its own, so
    /// that none is lost to one that was closed while it was kept.
    Reply<Accepted> transcribe(const Caller&, CallId, std::string_view audio_url, std::string_view call_type,
                               std::string_view key);
    Reply<JobState> transcription_status(const Caller&, CallId);
    Reply<Content> transcript(const Caller&, CallId);
    Reply<Accepted> start_analysis(const Caller&, CallId, std::string_view key);
    Reply<JobState> analysis_status(const Caller&, CallId);
    /// The complete-analysis object; `ApiError::not_found` while it is not there, `job_failed` if it says so itself.
    Reply<Content> analysis(const Caller&, CallId);

    /// The bearer token that requests for this company carry now.
    std::string token(const CompanyId&, std::string_view role, Instant now) const;

private:
    Reply<Content> send(http::Method, const Caller&, const std::string& path, std::string body, std::string_view key);

    Options options_;
    std::string api_;
    Secret token_secret_, signing_secret_;
    const Clock& clock_;
    http::Client asking_, posting_;
};

}  // namespace otto::providers::shunya
