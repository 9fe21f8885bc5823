#pragma once
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

#include "asio_types.hpp"
#include "http/server.hpp"
#include "room.hpp"
#include "telemetry/log.hpp"
#include "telemetry/span.hpp"
#include "workers.hpp"

namespace otto::http {

namespace beast = boost::beast;

class Answer;

/// A client's connection. Only its loop's thread touches it.
struct Connection {
    Socket socket;
    beast::flat_buffer buffer;
    std::shared_ptr<Answer> answer;                           // of the request that a handler has now
    std::shared_ptr<Asker> asker;                             // likewise, if it wants to know when the client goes
    std::shared_ptr<StreamBody> stream;                       // its answer, if that goes on
    Steady::time_point farewell = Steady::time_point::max();  // when the stream says it
    Steady::time_point deadline = Steady::time_point::max();
    bool idle = true;
    bool heard = false;    // its first request has begun
    bool brief = false;    // its client has many others: one request, and soon
    bool probed = false;   // the client said that it sends no more, and was asked whether it is there
    bool gone = false;     // it is not
    bool chunks = true;    // it understands them: no HTTP/1.0
    std::string peer;      // the address at the other end
    tel::SpanId caller{};  // the step that the request follows from, where steps are told
    Connection(Socket s, std::size_t most, std::string from) : socket(std::move(s)), buffer(most), peer(std::move(from)) {}
    void within(Millis time) { deadline = Steady::now() + time; }
    bool late() const { return Steady::now() >= deadline; }
    bool client_is_gone();
};

/// One thread with its connections. Nothing of a connection is ever done by another, so nothing of it is locked. Deadlines are
/// looked at every so often: a timer for each would be set and taken back several times a request.
class Loop : public std::enable_shared_from_this<Loop> {
public:
    explicit Loop(Millis sweep) : io(std::make_unique<net::io_context>(1)), work_(io->get_executor()), sweep_(sweep) {}
    void start(Workers& w) {
        workers = &w;
        turned();
        thread_ = std::thread([this] {
            current = this;
            io->run();
        });
    }
    void stop() {
        work_.reset();
        io->stop();
        if (thread_.joinable()) thread_.join();
    }
    /// Destroys what waits here; whoever answers later does so in vain. Only after stop().
    void close();
    bool here() const { return current == this; }
    /// Any thread.
    Millis still_for() const {
        auto then = turned_.load();
        if (then == 0) return Millis{0};
        return std::chrono::duration_cast<Millis>(Steady::now() - Steady::time_point(Steady::duration(then)));
    }
    /// Runs it here, from any thread; not if the server has ended.
    template <class Job>
    void post(Job job) {
        std::lock_guard guard(gate_);
        if (io) net::post(*io, std::move(job));
    }
    Task<void> watch_deadlines();
    /// Gives it to the handler, with all others that come before this turn of the loop ends.
    void collect(const std::shared_ptr<const AsyncHandler>&, PendingRequest);
    /// Ends all streams within that time, one after another.
    void end_streams(Millis within);

    std::unique_ptr<net::io_context> io;   // null once it has ended
    std::unordered_set<Connection*> open;  // of the loop's thread, as all below
    std::deque<Room> bodies;               // for each entry of the route table
    std::optional<Room> answers;
    Workers* workers = nullptr;
    /// Whether a path that is none of ours may be compared with all that are: so many times a second.
    bool may_guess() {
        if (auto now = Steady::now(); now - guesses_since_ > std::chrono::seconds(1)) {
            guesses_since_ = now;
            guesses_ = 0;
        }
        return ++guesses_ <= 20;
    }

private:
    void hand_over();
    void turned() { turned_ = Steady::now().time_since_epoch().count(); }
    static thread_local const Loop* current;
    std::vector<std::pair<std::shared_ptr<const AsyncHandler>, std::vector<PendingRequest>>> gathered_;  // of the loop's thread
    std::mutex gate_;                                                                                    // of io's end
    net::executor_work_guard<Executor> work_;
    Millis sweep_;
    Steady::time_point guesses_since_{};
    int guesses_ = 0;
    std::atomic<Steady::rep> turned_{0};  // when; 0: it does not run yet
    std::thread thread_;
};
/// The answer to one request: it comes at once or later, from any thread, or too late.
class Answer : public Responder::Sink, public std::enable_shared_from_this<Answer> {
public:
    explicit Answer(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}
    void answer(Response response) override {
        if (loop_->here())
            arrive(std::move(response));
        else
            loop_->post([self = shared_from_this(), r = std::move(response)]() mutable { self->arrive(std::move(r)); });
    }
    void offload(std::function<void()> work, std::function<void()> then) override {
        loop_->workers->post([loop = loop_, work = std::move(work), then = std::move(then)]() mutable {
            try {
                work();
            } catch (const std::exception& e) {
                tel::error("handler failed", {{"why", e.what()}});
                return;
            }
            work = nullptr;
            loop->post(std::move(then));
        });
    }
    /// On the loop's thread, as all below: waits for the answer; nothing if none came in time.
    Task<std::optional<Response>> wait() {
        if (!response_)
            co_await net::async_initiate<const net::use_awaitable_t<Executor>, void()>(
                [this](auto handler) { resume_.emplace(std::move(handler)); }, use_task);
        co_return std::move(response_);
    }
    void give_up() { go_on(); }
    void drop() { resume_.reset(); }

private:
    void arrive(Response response) {
        response_ = std::move(response);
        go_on();
    }
    void go_on() {
        if (!resume_) return;
        auto resume = std::move(*resume_);
        resume_.reset();
        resume();
    }
    std::shared_ptr<Loop> loop_;
    std::optional<Response> response_;
    std::optional<Resume> resume_;
};

}  // namespace otto::http
