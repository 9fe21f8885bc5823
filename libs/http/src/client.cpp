#include "http/client.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
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
#include "telemetry/metrics.hpp"

namespace otto::http {
namespace {

namespace net = boost::asio;
namespace ssl = net::ssl;
namespace beast = boost::beast;
namespace wire = beast::http;
using tcp = net::ip::tcp;
using boost::system::error_code;
using Steady = std::chrono::steady_clock;

bool in_v4(const net::ip::address_v4& a, std::uint32_t network, int bits) { return (a.to_uint() >> (32 - bits)) == (network >> (32 - bits)); }

bool is_public(const net::ip::address_v4& a) {
    static constexpr std::pair<std::uint32_t, int> closed[] = {
        {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16}, {0xAC100000, 12}, {0xC0000000, 24},
        {0xC0000200, 24}, {0xC0586300, 24}, {0xC0A80000, 16}, {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 4}, {0xF0000000, 4}};
    return std::none_of(std::begin(closed), std::end(closed), [&](const auto& net) { return in_v4(a, net.first, net.second); });
}

bool is_public(const net::ip::address& address) {
    if (address.is_v4()) return is_public(address.to_v4());
    auto b = address.to_v6().to_bytes();
    auto v4_at = [&](std::size_t i) { return net::ip::address_v4({b[i], b[i + 1], b[i + 2], b[i + 3]}); };
    bool zeros10 = std::all_of(b.begin(), b.begin() + 10, [](auto x) { return x == 0; });
    if (zeros10 && b[10] == 0xff && b[11] == 0xff) return is_public(v4_at(12));                              // v4-mapped
    if (b[0] == 0x20 && b[1] == 0x02) return is_public(v4_at(2));                                            // 6to4
    if (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b) return is_public(v4_at(12));           // NAT64
    if (b[0] == 0x20 && b[1] == 0x01 && (b[2] == 0x00 || (b[2] == 0x0d && b[3] == 0xb8))) return false;      // Teredo, documentation
    return (b[0] & 0xe0) == 0x20;  // global unicast and nothing else
}

/// One connection and the loop that drives it; used by one call at a time. Every operation has a deadline; a late one closes the socket.
class Peer {
public:
    Peer(const Url& url, ssl::context* tls) {
        if (tls) {
            secure_.emplace(io_, *tls);
            SSL_set_tlsext_host_name(secure_->native_handle(), url.host.c_str());
            secure_->set_verify_mode(ssl::verify_peer);
            secure_->set_verify_callback(ssl::host_name_verification(url.host));
        } else {
            plain_.emplace(io_);
        }
    }
    ~Peer() { close(); }

    tcp::socket& socket() { return secure_ ? secure_->next_layer() : *plain_; }

    /// Whether an idle connection can still be used: nothing may wait on it, neither its end nor words that nobody asked for.
    bool quiet() {
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
        return secure_ ? run(deadline, [&](auto done) { wire::async_write(*secure_, m, done); }) : run(deadline, [&](auto done) { wire::async_write(*plain_, m, done); });
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
    void close() {
        error_code ignored;
        socket().close(ignored);
    }

private:
    net::io_context io_;
    std::optional<tcp::socket> plain_;
    std::optional<ssl::stream<tcp::socket>> secure_;
    beast::flat_buffer buffer_{1u << 20};
};

bool idempotent(Method m) { return m == Method::get || m == Method::head || m == Method::put || m == Method::del || m == Method::options; }

bool clean(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

/// Seconds or an HTTP date.
std::optional<Millis> retry_after(const Response& r) {
    auto text = r.headers.get("retry-after");
    if (text.empty()) return std::nullopt;
    if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) && text.size() < 7) return Millis{std::stoll(std::string(text)) * 1000};
    std::tm tm{};
    if (!::strptime(std::string(text).c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm)) return std::nullopt;
    auto at = std::chrono::system_clock::from_time_t(::timegm(&tm));
    return std::max(Millis{0}, std::chrono::duration_cast<Millis>(at - std::chrono::system_clock::now()));
}

}  // namespace

struct Client::Impl {
    explicit Impl(ClientOptions o) : options(std::move(o)) {
        tls.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
        if (options.ca_file.empty()) {
            tls.set_default_verify_paths();
        } else {
            error_code error;
            tls.load_verify_file(options.ca_file, error);
            if (error) throw Failure(Error("'" + options.ca_file + "' holds no certificates: " + error.message(), "give a PEM file"));
        }
    }

    struct Failed { Error error; bool before_answer; };  ///< before_answer: not one byte of an answer came
    using Attempt = std::variant<Response, Failed>;

    Attempt once(const ClientRequest&, const Url&, Steady::time_point deadline);
    Attempt exchange(Peer&, const ClientRequest&, const Url&, Steady::time_point deadline, bool& keep);
    std::variant<std::unique_ptr<Peer>, Failed> connect(const Url&, Steady::time_point deadline);
    std::unique_ptr<Peer> pooled(const std::string& place);
    void give_back(const std::string& place, std::unique_ptr<Peer>);
    bool take_budget();
    void count(const ClientRequest&, const std::string& outcome);

    ClientOptions options;
    ssl::context tls{ssl::context::tls_client};
    std::mutex lock;
    struct Idle { std::unique_ptr<Peer> peer; Steady::time_point since; };
    std::map<std::string, std::deque<Idle>> idle;
    double budget = 10;  ///< retries that may be made; a request adds a share, a retry takes one
};

bool Client::Impl::take_budget() {
    std::lock_guard guard(lock);
    if (budget < 1) return false;
    budget -= 1;
    return true;
}

void Client::Impl::count(const ClientRequest& r, const std::string& outcome) {
    tel::Metrics::counter(options.metrics_name + "_requests_total", "Requests to the outside by what came of them.", {{"method", std::string(to_text(r.method))}, {"outcome", outcome}}).inc();
}

std::unique_ptr<Peer> Client::Impl::pooled(const std::string& place) {
    std::lock_guard guard(lock);
    auto& peers = idle[place];
    while (!peers.empty()) {
        auto entry = std::move(peers.back());
        peers.pop_back();
        if (Steady::now() - entry.since < std::chrono::seconds(30) && entry.peer->quiet()) return std::move(entry.peer);
    }
    return nullptr;
}

void Client::Impl::give_back(const std::string& place, std::unique_ptr<Peer> peer) {
    std::lock_guard guard(lock);
    auto& peers = idle[place];
    peers.push_back({std::move(peer), Steady::now()});
    while (peers.size() > options.pool_per_host) peers.pop_front();
}

std::variant<std::unique_ptr<Peer>, Client::Impl::Failed> Client::Impl::connect(const Url& url, Steady::time_point deadline) {
    auto place = url.host + ":" + url.port;
    bool allowed = std::find(options.private_addresses.begin(), options.private_addresses.end(), place) != options.private_addresses.end();
    net::io_context io;
    tcp::resolver resolver(io);
    error_code error;
    auto host = url.host;
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    auto found = resolver.resolve(host, url.port, error);
    if (error) return Failed{Error("'" + url.host + "' has no address: " + error.message(), "check the host name and the machine's DNS"), true};
    bool refused = false;
    error_code last = net::error::host_not_found;
    auto until = std::min(deadline, Steady::now() + options.connect_timeout);
    for (const auto& entry : found) {
        // The very address that is checked is connected to: a second look at the name could give another.
        if (!allowed && !is_public(entry.endpoint().address())) {
            refused = true;
            continue;
        }
        auto peer = std::make_unique<Peer>(url, url.scheme == "https" ? &tls : nullptr);
        last = peer->connect(entry.endpoint(), until);
        if (!last) return peer;
    }
    if (refused && last == net::error::host_not_found)
        return Failed{Error("'" + place + "' is a private address", "addresses inside are refused; a peer that shall be reached is named in OTTO_PRIVATE_ADDRESSES as host:port"), true};
    if (last.category() == net::error::get_ssl_category() || last.category() == ssl::error::get_stream_category())
        return Failed{Error("no TLS connection to " + place + ": " + last.message(), "its certificate must be valid for '" + url.host + "' and come from an authority that is trusted"), true};
    return Failed{Error("no connection to " + place + ": " + last.message(), "is the peer up and reachable from here?"), true};
}

Client::Impl::Attempt Client::Impl::exchange(Peer& peer, const ClientRequest& r, const Url& url, Steady::time_point deadline, bool& keep) {
    static const std::map<Method, wire::verb> verbs{{Method::get, wire::verb::get}, {Method::head, wire::verb::head}, {Method::post, wire::verb::post}, {Method::put, wire::verb::put},
                                                    {Method::patch, wire::verb::patch}, {Method::del, wire::verb::delete_}, {Method::options, wire::verb::options}};
    wire::request<wire::string_body> out(verbs.at(r.method), url.target, 11);
    bool standard_port = (url.scheme == "https" && url.port == "443") || (url.scheme == "http" && url.port == "80");
    out.set(wire::field::host, standard_port ? url.host : url.host + ":" + url.port);
    out.set(wire::field::user_agent, "otto");
    out.set("traceparent", r.trace.traceparent());
    for (const auto& [name, value] : r.headers.items()) out.set(name, value);
    out.body() = r.body;
    if (!r.body.empty() || r.method == Method::post || r.method == Method::put || r.method == Method::patch) out.content_length(r.body.size());
    auto place = url.host + ":" + url.port;
    if (auto error = peer.write(out, deadline)) return Failed{Error("the request to " + place + " did not get through: " + error.message(), "try again"), true};
    wire::response_parser<wire::string_body> in;
    in.body_limit(options.body_limit);
    in.header_limit(64u << 10);
    if (r.method == Method::head) in.skip(true);
    auto too_large = [&] { return Failed{Error("the answer of " + place + " is larger than " + std::to_string(options.body_limit) + " bytes", "the limit is ours; ask for less"), false}; };
    if (auto error = peer.read_header(in, deadline)) {
        if (error == wire::error::body_limit) return too_large();
        bool none = !in.got_some();
        return Failed{Error(place + (error == net::error::timed_out ? " did not answer in time" : " broke off before its answer: " + error.message()), "try again"), none && error != net::error::timed_out};
    }
    if (!in.is_done())
        if (auto error = peer.read(in, deadline)) {
            if (error == wire::error::body_limit) return too_large();
            return Failed{Error(place + " broke off within its answer: " + error.message(), "try again"), false};
        }
    Response response;
    auto message = in.release();
    response.status = static_cast<int>(message.result_int());
    for (const auto& f : message.base()) response.headers.add(std::string(f.name_string()), std::string(f.value()));
    response.body = std::move(message.body());
    keep = message.keep_alive();
    return response;
}

Client::Impl::Attempt Client::Impl::once(const ClientRequest& r, const Url& url, Steady::time_point deadline) {
    auto place = url.scheme + "://" + url.host + ":" + url.port;
    if (auto peer = pooled(place)) {
        bool keep = false;
        auto answer = exchange(*peer, r, url, deadline, keep);
        if (keep) give_back(place, std::move(peer));
        auto* failed = std::get_if<Failed>(&answer);
        // A kept connection may have died while it was idle; nobody has seen the request then, as far as we can tell.
        if (!failed || !failed->before_answer || !idempotent(r.method)) return answer;
    }
    auto made = connect(url, deadline);
    if (auto* failed = std::get_if<Failed>(&made)) return std::move(*failed);
    auto peer = std::move(std::get<std::unique_ptr<Peer>>(made));
    bool keep = false;
    auto answer = exchange(*peer, r, url, deadline, keep);
    if (keep) give_back(place, std::move(peer));
    return answer;
}

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;

Result<Response> Client::send(const ClientRequest& request) {
    auto& self = *impl_;
    auto url = Url::parse(request.url);
    if (!url) return url.error();
    if (!clean(request.url)) return Error("the URL holds a line break", "percent-encode it");
    for (const auto& [name, value] : request.headers.items())
        if (!clean(name) || !clean(value) || name.empty()) return Error("the header '" + name + "' holds a line break", "remove it");
    auto deadline = Steady::now() + self.options.total_timeout;
    {
        std::lock_guard guard(self.lock);
        self.budget = std::min(10.0, self.budget + self.options.retry_budget);
    }
    Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    for (int attempt = 0;; ++attempt) {
        auto answer = self.once(request, *url, deadline);
        auto* response = std::get_if<Response>(&answer);
        auto* failed = std::get_if<Impl::Failed>(&answer);
        bool sick = response && (response->status == 429 || (response->status >= 502 && response->status <= 504));
        auto wait = pause.pause(attempt, std::hash<std::string>{}(request.url));
        if (sick) wait = retry_after(*response).value_or(wait);
        bool again = attempt < self.options.retries && idempotent(request.method) && (sick || failed) && Steady::now() + wait < deadline && self.take_budget();
        if (!again) {
            self.count(request, failed ? "failed" : std::to_string(response->status / 100) + "xx");
            if (failed) return failed->error;
            return std::move(*response);
        }
        std::this_thread::sleep_for(wait);
    }
}

}  // namespace otto::http
