#include "http/client.hpp"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/backoff.hpp"
#include "resolve.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/span.hpp"

namespace otto::http {
namespace {

const tel::Counters kRequests{"otto_http_client_requests_total",
                              "Requests to the outside by what came of them; `outcome` is 2xx to 5xx, or failed.",
                              {"client", "method", "outcome"}};

namespace net = boost::asio;
namespace ssl = net::ssl;
namespace beast = boost::beast;
namespace wire = beast::http;
using tcp = net::ip::tcp;
using boost::system::error_code;
using Steady = std::chrono::steady_clock;

constexpr auto kIdleLife = std::chrono::seconds(30);  ///< shorter than what servers commonly grant
constexpr double kBudgetMost = 10;                    ///< what a client may spend at once
constexpr std::size_t kPiece = 64u << 10;             ///< of a body that is handed on while it comes

/// One connection and the loop that drives it; used by one call at a time. Every operation has a deadline; a late one closes the
/// socket.
class Peer {
public:
    Peer(const Url& url, ssl::context* tls) {
        if (tls) {
            secure_.emplace(io_, *tls);
            secure_->set_verify_mode(ssl::verify_peer);
            // OpenSSL compares the name itself, and so can say that it was the name. An address is compared as one and has no
            // SNI.
            auto* handle = secure_->native_handle();
            if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), url.host.c_str()) != 1) {
                SSL_set_hostflags(handle, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
                if (SSL_set1_host(handle, url.host.c_str()) != 1 || SSL_set_tlsext_host_name(handle, url.host.c_str()) != 1)
                    throw Failure(Error("'" + url.host + "' cannot be checked against a certificate", "use its registered name"));
            }
        } else {
            plain_.emplace(io_);
        }
    }
    ~Peer() { close(); }

    tcp::socket& socket() { return secure_ ? secure_->next_layer() : *plain_; }

    /// Whether an idle connection can still be used: nothing may wait on it, neither its end nor words that nobody asked for,
    /// which would be taken for the answer to the next request.
    bool quiet() {
        if (buffer_.size() > 0) return false;
        // What came with the last answer may stand inside OpenSSL: in a record of which a part was taken, or behind it as it
        // came.
        if (secure_ &&
            (SSL_has_pending(secure_->native_handle()) || BIO_ctrl_pending(SSL_get_rbio(secure_->native_handle())) > 0))
            return false;
        char byte;
        auto got = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }

    /// Runs one operation to its end or to the deadline.
    template <class Start>
    error_code run(Steady::time_point deadline, Start&& start) {
        std::optional<error_code> result;
        start([&](error_code e, auto&&...) { result = e; });
        io_.restart();
        io_.run_until(deadline);
        if (!result) {
            close();
            io_.restart();
            io_.run();  // the handler still refers to this frame
            return net::error::timed_out;
        }
        return *result;
    }

    error_code connect(const tcp::endpoint& endpoint, Steady::time_point deadline) {
        auto error = run(deadline, [&](auto done) { socket().async_connect(endpoint, done); });
        if (error) return error;
        error_code ignored;
        socket().set_option(tcp::no_delay(true), ignored);
        if (secure_) return run(deadline, [&](auto done) { secure_->async_handshake(ssl::stream_base::client, done); });
        return {};
    }
    template <class Message>
    error_code write(Message& m, Steady::time_point deadline) {
        return secure_ ? run(deadline, [&](auto done) { wire::async_write(*secure_, m, done); })
                       : run(deadline, [&](auto done) { wire::async_write(*plain_, m, done); });
    }
    template <class Parser>
    error_code read_header(Parser& p, Steady::time_point deadline) {
        return secure_ ? run(deadline, [&](auto done) { wire::async_read_header(*secure_, buffer_, p, done); })
                       : run(deadline, [&](auto done) { wire::async_read_header(*plain_, buffer_, p, done); });
    }
    template <class Parser>
    error_code read(Parser& p, Steady::time_point deadline) {
        return secure_ ? run(deadline, [&](auto done) { wire::async_read(*secure_, buffer_, p, done); })
                       : run(deadline, [&](auto done) { wire::async_read(*plain_, buffer_, p, done); });
    }
    /// What has come already, or what comes next: part of a body.
    template <class Parser>
    error_code read_some(Parser& p, Steady::time_point deadline) {
        return secure_ ? run(deadline, [&](auto done) { wire::async_read_some(*secure_, buffer_, p, done); })
                       : run(deadline, [&](auto done) { wire::async_read_some(*plain_, buffer_, p, done); });
    }
    void close() {
        error_code ignored;
        socket().close(ignored);
    }
    /// What is wrong with the peer's certificate; "" if nothing is known to be.
    std::string certificate_fault() {
        auto code = secure_ ? SSL_get_verify_result(secure_->native_handle()) : X509_V_OK;
        return code == X509_V_OK ? "" : X509_verify_cert_error_string(code);
    }

private:
    net::io_context io_;
    std::optional<tcp::socket> plain_;
    std::optional<ssl::stream<tcp::socket>> secure_;
    beast::flat_buffer buffer_{1u << 20};
};

bool idempotent(Method m) {
    return m == Method::get || m == Method::head || m == Method::put || m == Method::del || m == Method::options;
}

/// "host:port" as it is written in OTTO_PRIVATE_ADDRESSES and in messages.
std::string place_of(const Url& url) {
    return (url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]") + ":" + url.port;
}

std::string milliseconds(Millis t) { return std::to_string(t.count()) + " ms"; }

/// Refuses what would end a line, or say a second time how long the request is.
std::optional<Error> fault_of(const Headers& headers) {
    for (const auto& [name, value] : headers.items()) {
        auto letter = [](unsigned char c) {
            return std::isalnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
        };
        if (name.empty() || !std::all_of(name.begin(), name.end(), letter))
            return Error("a header's name holds what no name may hold", "letters, digits and - only");
        auto control = [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; };
        if (std::any_of(value.begin(), value.end(), control))
            return Error("the header '" + name + "' holds a line break or another control character", "remove it");
        for (auto ours : {"Host", "Content-Length", "Transfer-Encoding"})
            if (iequals(name, ours))
                return Error("the header '" + name + "' is the client's own to set",
                             "leave it out; it follows from the URL and the body");
    }
    return std::nullopt;
}

/// Why an attempt brought no answer.
struct Failed {
    Error error;
    bool again;                  ///< another attempt may fare better
    bool before_answer = false;  ///< the connection ended without one byte of an answer
    bool refused = false;        ///< by this client: it does not go there
};

/// The context that a request goes out with.
tel::TraceContext outgoing(const ClientRequest& r) {
    if (r.trace.trace_id == tel::TraceContext{}.trace_id) return tel::TraceContext::fresh();
    return tel::tracing() ? r.trace.child() : r.trace;
}

/// How long a peer is waited for, and as which step.
struct Patience {
    Steady::time_point end;
    Millis total;
    std::optional<Millis> idle;  ///< without a sign of life
    tel::TraceContext trace;

    Steady::time_point next() const { return idle ? std::min(end, Steady::now() + *idle) : end; }
    Failed late(const std::string& place, const char* what) const {
        if (idle && Steady::now() < end)
            return {Error(place + " did not " + what + ": nothing came for " + milliseconds(*idle),
                          "is the peer slow, or is that too little for this request?"),
                    false};
        return {Error(place + " did not " + what + " in time; " + milliseconds(total) + " are granted",
                      "is the peer slow, or is that too little for this request?"),
                false};
    }
};

}  // namespace

struct Client::Impl {
    explicit Impl(ClientOptions o) : options(std::move(o)) {
        tls.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                        ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
        error_code error;
        if (options.ca_file.empty()) {
            tls.set_default_verify_paths(error);
            if (error)
                throw Failure(Error("the system's store of certificate authorities cannot be read: " + error.message(),
                                    "install ca-certificates"));
        } else {
            tls.load_verify_file(options.ca_file, error);
            if (error)
                throw Failure(Error("'" + options.ca_file + "' holds no certificates: " + error.message(), "give a PEM file"));
        }
    }

    using PeerPtr = std::unique_ptr<Peer>;
    using Attempt = std::variant<Response, Failed>;

    /// A request and the head of its answer, on one connection; a body over `limit` is a failure. An answer's parser stays in
    /// `in`; `keep` says whether the connection may serve again.
    template <class Body>
    std::optional<Failed> ask(Peer&, const ClientRequest&, const Url&, const Patience&, boost::optional<std::uint64_t> limit,
                              std::optional<wire::response_parser<Body>>& in, bool& keep);
    template <class Body>
    Failed fault(error_code, const Url&, const Patience&, const wire::response_parser<Body>& in, error_code unwritten = {}) const;
    Attempt exchange(Peer&, const ClientRequest&, const Url&, const Patience&, bool& keep);
    /// `left` becomes true before a byte of the request may leave.
    Attempt once(const ClientRequest&, const Url&, const Patience&, bool& left);
    /// As exchange(), of an answer whose body goes to the sink. What it failed of is in `failed`.
    Download receive(Peer&, const ClientRequest&, const Url&, const Patience&, const Sink&, std::uint64_t byte_limit,
                     std::optional<Failed>& failed, bool& keep);
    std::variant<PeerPtr, Failed> connect(const Url&, Steady::time_point deadline);
    PeerPtr pooled(const std::string& place);
    void give_back(const std::string& place, PeerPtr);
    void earn_budget();
    bool take_budget();
    void count(const ClientRequest&, const std::string& outcome);
    void tell(const ClientRequest&, const tel::TraceContext&, Instant began, int status) const;

    const ClientOptions options;
    ssl::context tls{ssl::context::tls_client};
    struct Idle {
        PeerPtr peer;
        Steady::time_point since;
    };
    std::mutex lock;                               ///< guards what follows; never held across I/O
    std::map<std::string, std::deque<Idle>> idle;  ///< by scheme, host and port; the last given back is taken first
    double budget = kBudgetMost;                   ///< retries that may be made: a request adds a share, a retry takes one
};

void Client::Impl::earn_budget() {
    std::lock_guard guard(lock);
    budget = std::min(kBudgetMost, budget + options.retry_budget);
}

bool Client::Impl::take_budget() {
    std::lock_guard guard(lock);
    if (budget < 1) return false;
    budget -= 1;
    return true;
}

/// The peer is named as metrics name it: its host may be of others' making, and its path hold whatever is nobody's business.
void Client::Impl::tell(const ClientRequest& r, const tel::TraceContext& mine, Instant began, int status) const {
    if (!tel::tracing()) return;
    constexpr std::chrono::seconds slow(5);
    const auto ended = system_clock().now();
    const bool failed = status == 0 || status >= 500;
    if (!tel::told(mine, ended - began, failed, slow)) return;
    const bool follows = r.trace.trace_id == mine.trace_id;
    std::string method(to_text(r.method));
    tel::tell({mine,
               follows ? r.trace.span_id : tel::SpanId{},
               tel::SpanKind::client,
               method + " " + options.metrics_name,
               began,
               ended,
               failed,
               {{"http.request.method", method},
                {"peer.service", options.metrics_name},
                {"http.response.status_code", std::int64_t{status}}}},
              slow);
}

void Client::Impl::count(const ClientRequest& r, const std::string& outcome) {
    kRequests({options.metrics_name, std::string(to_text(r.method)), outcome}).inc();
}

Client::Impl::PeerPtr Client::Impl::pooled(const std::string& place) {
    std::vector<PeerPtr> spent;  // closed after the lock is released
    std::lock_guard guard(lock);
    auto found = idle.find(place);
    if (found == idle.end()) return nullptr;
    auto& peers = found->second;
    PeerPtr chosen;
    while (!peers.empty() && !chosen) {
        auto entry = std::move(peers.back());
        peers.pop_back();
        if (Steady::now() - entry.since < kIdleLife && entry.peer->quiet())
            chosen = std::move(entry.peer);
        else
            spent.push_back(std::move(entry.peer));
    }
    if (peers.empty()) idle.erase(found);
    return chosen;
}

void Client::Impl::give_back(const std::string& place, PeerPtr peer) {
    std::vector<PeerPtr> spent;
    std::lock_guard guard(lock);
    auto now = Steady::now();
    idle[place].push_back({std::move(peer), now});
    // All hosts are looked through, not this one alone: one that is never asked again would keep its connections for ever.
    for (auto host = idle.begin(); host != idle.end();) {
        auto& peers = host->second;
        while (!peers.empty() && (peers.size() > options.pool_per_host || now - peers.front().since >= kIdleLife)) {
            spent.push_back(std::move(peers.front().peer));
            peers.pop_front();
        }
        host = peers.empty() ? idle.erase(host) : std::next(host);
    }
}

std::variant<Client::Impl::PeerPtr, Failed> Client::Impl::connect(const Url& url, Steady::time_point deadline) {
    auto place = place_of(url);
    bool allowed =
        std::find(options.private_addresses.begin(), options.private_addresses.end(), place) != options.private_addresses.end();
    auto until = std::min(deadline, Steady::now() + options.connect_timeout);
    auto resolved = resolve(url.host, until);
    if (auto* none = std::get_if<NoAddress>(&resolved)) return Failed{none->error, none->passing};

    // The very addresses that are judged are connected to: a second look at the name could give others.
    auto addresses = std::get<std::vector<std::string>>(std::move(resolved));
    auto found = addresses.size();
    if (!allowed) std::erase_if(addresses, [](const auto& a) { return !is_public(a); });
    if (addresses.empty()) {
        if (found == 0) return Failed{Error("'" + url.host + "' has no address", "check the host name"), false};
        return Failed{
            Error("'" + place + "' is a private address",
                  "addresses inside are refused; a peer that shall be reached is named in OTTO_PRIVATE_ADDRESSES as host:port"),
            false, false, true};
    }
    std::optional<Failed> last;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        auto now = Steady::now();
        if (last && now >= until) break;
        auto peer = std::make_unique<Peer>(url, url.scheme == "https" ? &tls : nullptr);
        // Each gets its share of the time, so that one that swallows packets does not hide the next.
        auto share = now + (until - now) / static_cast<long>(addresses.size() - i);
        tcp::endpoint endpoint(net::ip::make_address(addresses[i]), static_cast<unsigned short>(std::stoi(url.port)));
        auto error = peer->connect(endpoint, share);
        if (!error) return peer;
        if (auto fault = peer->certificate_fault(); !fault.empty())
            return Failed{Error("no TLS connection to " + place + ": its certificate is refused: " + fault,
                                "it must be valid for '" + url.host + "' and come from an authority that is trusted"),
                          false};
        if (error.category() == net::error::get_ssl_category() || error.category() == ssl::error::get_stream_category())
            last = Failed{Error("no TLS connection to " + place + ": " + error.message(),
                                "the peer must speak TLS 1.2 or later on this port"),
                          false};
        else if (error == net::error::timed_out)
            last = Failed{Error("no connection to " + place + " within " + milliseconds(options.connect_timeout),
                                "is the peer up and reachable from here?"),
                          true};
        else
            last = Failed{Error("no connection to " + place + ": " + error.message(), "is the peer up and reachable from here?"),
                          true};
    }
    return *last;
}

template <class Body>
Failed Client::Impl::fault(error_code error, const Url& url, const Patience& patience, const wire::response_parser<Body>& in,
                           error_code unwritten) const {
    auto place = place_of(url);
    if (error == net::error::timed_out) return patience.late(place, in.got_some() ? "finish its answer" : "answer");
    if (error == wire::error::body_limit)
        return {Error("the answer of " + place + " is larger than " + std::to_string(options.body_limit) + " bytes",
                      "that is this client's limit (body_limit); ask for less"),
                false};
    if (error == wire::error::header_limit)
        return {Error("the headers of the answer of " + place + " are larger than 64 KiB", "the peer is not as it should be"),
                false};
    bool over = error == wire::error::end_of_stream || error == wire::error::partial_message;
    if (error.category() == make_error_code(wire::error::bad_version).category() && !over)
        return {Error("the answer of " + place + " is no HTTP: " + error.message(),
                      "is the port that of an HTTP server, and the scheme right?"),
                false};
    if (in.is_header_done())
        return {Error(place + " broke off within its answer: " + error.message(), "see the peer's log"), true};
    return {Error(place + " broke off before its answer: " + (unwritten ? unwritten : error).message(), "see the peer's log"),
            true, !in.got_some()};
}

template <class Body>
std::optional<Failed> Client::Impl::ask(Peer& peer, const ClientRequest& r, const Url& url, const Patience& patience,
                                        boost::optional<std::uint64_t> limit, std::optional<wire::response_parser<Body>>& in,
                                        bool& keep) {
    static const std::map<Method, wire::verb> verbs{{Method::get, wire::verb::get},        {Method::head, wire::verb::head},
                                                    {Method::post, wire::verb::post},      {Method::put, wire::verb::put},
                                                    {Method::patch, wire::verb::patch},    {Method::del, wire::verb::delete_},
                                                    {Method::options, wire::verb::options}};
    auto place = place_of(url);
    wire::request<wire::string_body> out(verbs.at(r.method), url.target, 11);
    bool standard_port = url.port == (url.scheme == "https" ? "443" : "80");
    out.set(wire::field::host, standard_port ? place.substr(0, place.rfind(':')) : place);
    for (const auto& [name, value] : r.headers.items()) out.insert(name, value);
    if (!r.headers.has("User-Agent")) out.set(wire::field::user_agent, "otto");
    out.set("traceparent", patience.trace.traceparent());
    out.body() = r.body;
    if (!r.body.empty() || r.method == Method::post || r.method == Method::put || r.method == Method::patch)
        out.content_length(r.body.size());

    auto unwritten = peer.write(out, patience.next());
    if (unwritten == net::error::timed_out) return patience.late(place, "take the request");
    // A peer that refuses a large body may answer and hang up before it has it all: its answer is looked for all the same.

    // Interim answers (100, 103) come before the one that counts; to take one for it would pair every later answer with the wrong
    // request.
    for (int interim = 0;; ++interim) {
        in.emplace();
        in->body_limit(limit);
        in->header_limit(64u << 10);
        if (r.method == Method::head) in->skip(true);
        if (auto error = peer.read_header(*in, patience.next())) {
            auto failed = fault(error, url, patience, *in, unwritten);
            failed.before_answer = failed.before_answer && interim == 0;
            return failed;
        }
        auto status = in->get().result_int();
        if (status >= 200) break;
        if (status == 101 || interim == 8)
            return Failed{Error(place + " answers with status " + std::to_string(status) + " and no end",
                                "the peer is not as it should be"),
                          false};
    }
    keep = in->get().keep_alive() && out.keep_alive() && !unwritten;
    return std::nullopt;
}

namespace {

Response head_of(const wire::response_header<>& message) {
    Response response;
    response.status = static_cast<int>(message.result_int());
    for (const auto& f : message) response.headers.add(std::string(f.name_string()), std::string(f.value()));
    return response;
}

}  // namespace

Client::Impl::Attempt Client::Impl::exchange(Peer& peer, const ClientRequest& r, const Url& url, const Patience& patience,
                                             bool& keep) {
    std::optional<wire::response_parser<wire::string_body>> in;
    bool reusable = false;
    if (auto failed = ask(peer, r, url, patience, options.body_limit, in, reusable)) return std::move(*failed);
    if (!in->is_done())
        if (auto error = peer.read(*in, patience.next())) return fault(error, url, patience, *in);
    keep = reusable;
    auto message = in->release();
    auto response = head_of(message.base());
    response.body = std::move(message.body());
    return response;
}

Client::Impl::Attempt Client::Impl::once(const ClientRequest& r, const Url& url, const Patience& patience, bool& left) {
    auto place = url.scheme + "://" + place_of(url);
    if (auto peer = pooled(place)) {
        bool keep = false;
        left = true;
        auto answer = exchange(*peer, r, url, patience, keep);
        if (keep) give_back(place, std::move(peer));
        auto* failed = std::get_if<Failed>(&answer);
        // A kept connection may end at the very moment it is used again. The peer may have seen the request even so: only what
        // may be done twice is.
        if (!failed || !failed->before_answer || !idempotent(r.method)) return answer;
    }
    auto made = connect(url, patience.end);
    if (auto* failed = std::get_if<Failed>(&made)) return std::move(*failed);
    auto peer = std::move(std::get<PeerPtr>(made));
    bool keep = false;
    left = true;
    auto answer = exchange(*peer, r, url, patience, keep);
    if (keep) give_back(place, std::move(peer));
    return answer;
}

Download Client::Impl::receive(Peer& peer, const ClientRequest& r, const Url& url, const Patience& patience, const Sink& sink,
                               std::uint64_t byte_limit, std::optional<Failed>& failed, bool& keep) {
    std::optional<wire::response_parser<wire::buffer_body>> in;
    bool reusable = false;
    Download out;
    failed = ask(peer, r, url, patience, boost::none, in, reusable);
    if (failed) return out;
    out.response = head_of(in->get().base());
    auto place = place_of(url);
    bool wanted = out.response.status < 300;
    auto too_large = [&] {
        out.end = Download::End::too_large;
        out.error = Error("the answer of " + place + " is larger than " + std::to_string(byte_limit) + " bytes",
                          "that is the limit of this download (byte_limit)");
        return std::move(out);
    };
    if (wanted && r.method != Method::head && in->content_length().value_or(0) > byte_limit) return too_large();
    std::vector<char> piece(kPiece);
    while (!in->is_done()) {
        auto& body = in->get().body();
        body.data = piece.data();
        body.size = piece.size();
        auto error = peer.read_some(*in, patience.next());
        if (error && error != wire::error::need_buffer) {
            failed = fault(error, url, patience, *in);
            return out;
        }
        std::string_view got(piece.data(), piece.size() - body.size);
        if (got.empty()) {
            // A peer that sends what is no content (a chunk's length, digit by digit) for ever comes to the end of the total time
            // all the same.
            if (Steady::now() < patience.end) continue;
            failed = patience.late(place, "finish its answer");
            return out;
        }
        if (!wanted) {
            auto room = options.body_limit - out.response.body.size();
            out.response.body.append(got.substr(0, room));
            if (got.size() <= room) continue;
            out.end = Download::End::answered;  // the rest is left, and the connection with it
            return out;
        }
        if (got.size() > byte_limit - out.bytes) return too_large();
        out.bytes += got.size();
        if (!sink(got)) {
            out.end = Download::End::stopped;
            out.error =
                Error("the answer of " + place + " was not wanted beyond its first " + std::to_string(out.bytes) + " bytes",
                      "see why the caller stopped");
            return out;
        }
    }
    keep = reusable;
    out.end = Download::End::answered;
    return out;
}

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;

Sent Client::send(const ClientRequest& request) {
    auto& self = *impl_;
    auto url = Url::parse(request.url);  // refuses line breaks, white space and control characters
    if (!url) return {url.error(), true};
    if (auto fault = fault_of(request.headers)) return {*fault, true};
    bool left = false;
    Patience patience{Steady::now() + self.options.total_timeout, self.options.total_timeout, std::nullopt, outgoing(request)};
    const auto began = system_clock().now();
    self.earn_budget();
    Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    for (int attempt = 0;; ++attempt) {
        auto answer = self.once(request, *url, patience, left);
        auto* response = std::get_if<Response>(&answer);
        auto* failed = std::get_if<Failed>(&answer);
        bool sick = response && (response->status == 429 || (response->status >= 502 && response->status <= 504));
        auto wait = pause.pause(attempt, std::hash<std::string>{}(request.url));
        if (sick) wait = retry_after(response->headers.get("Retry-After"), system_clock().now()).value_or(wait);
        bool in_time = wait < patience.end - Steady::now();
        bool again = attempt < self.options.retries && idempotent(request.method) && (sick || (failed && failed->again)) &&
                     in_time && self.take_budget();
        if (!again) {
            self.count(request, failed ? "failed" : std::to_string(response->status / 100) + "xx");
            self.tell(request, patience.trace, began, failed ? 0 : response->status);
            if (failed) return {std::move(failed->error), !left};
            return std::move(*response);
        }
        std::this_thread::sleep_for(wait);
    }
}

Download Client::download(const ClientRequest& request, const Sink& sink, const DownloadOptions& options) {
    auto& self = *impl_;
    auto refuse = [](const Error& error) {
        Download out;
        out.end = Download::End::refused;
        out.error = error;
        return out;
    };
    auto url = Url::parse(request.url);
    if (!url) return refuse(url.error());
    if (auto fault = fault_of(request.headers)) return refuse(*fault);
    Patience patience{Steady::now() + options.total_timeout, options.total_timeout, options.idle_timeout, outgoing(request)};
    const auto began = system_clock().now();
    auto place = url->scheme + "://" + place_of(*url);
    std::optional<Failed> failed;
    Download out;
    auto attempt = [&](Impl::PeerPtr peer) {
        bool keep = false;
        out = self.receive(*peer, request, *url, patience, sink, options.byte_limit, failed, keep);
        if (keep) self.give_back(place, std::move(peer));
    };
    auto kept = self.pooled(place);
    bool fresh = !kept;
    if (kept) {
        attempt(std::move(kept));
        fresh = failed && failed->before_answer && idempotent(request.method);  // as once() has it
    }
    if (fresh) {
        auto made = self.connect(*url, patience.end);
        if (auto* none = std::get_if<Failed>(&made))
            failed = std::move(*none);
        else
            attempt(std::move(std::get<Impl::PeerPtr>(made)));
    }
    self.count(request, failed || out.response.status == 0 ? "failed" : std::to_string(out.response.status / 100) + "xx");
    self.tell(request, patience.trace, began, failed ? 0 : out.response.status);
    if (failed) {
        out.end = failed->refused ? Download::End::refused : Download::End::broken;
        out.error = failed->error;
    }
    return out;
}

}  // namespace otto::http
