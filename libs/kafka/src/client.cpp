#include "client.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/spare_memory.hpp"
#include "telemetry/log.hpp"

namespace otto::kafka {
namespace {

/// Clients that are ending. The process waits for them at its own end, but not long.
class Graveyard {
public:
    ~Graveyard() {
        std::unique_lock guard(state_->lock);
        state_->gone.wait_for(guard, Millis{2'000}, [&] { return state_->ending == 0; });
    }
    void take(rd_kafka_t* client) {
        {
            std::unique_lock guard(state_->lock);
            state_->gone.wait(guard, [&] { return state_->ending < kMost; });  // each has threads and buffers
            ++state_->ending;
        }
        auto end = [state = state_, client] {
            rd_kafka_destroy(client);
            std::lock_guard guard(state->lock);
            --state->ending;
            state->gone.notify_all();
        };
        try {
            std::thread(end).detach();
        } catch (const std::system_error&) {  // no thread is to be had
            end();
        }
    }

private:
    static constexpr int kMost = 64;
    struct State {
        std::mutex lock;
        std::condition_variable gone;
        int ending = 0;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();  // of the threads too
};

/// On the client's thread of a broker, which makes room for what it fetches, while others free that: after a load its heap is all
/// that it ever fetched at a time, up to 5 MB each. An answer of this size brings no records.
rd_kafka_resp_err_t on_response(rd_kafka_t*, int, const char*, std::int32_t, std::int16_t, std::int16_t, std::int32_t,
                                std::size_t size, std::int64_t, rd_kafka_resp_err_t, void*) {
    constexpr std::size_t kEmpty = 4096;
    static thread_local SpareMemory spare;
    size > kEmpty ? spare.works() : spare.rests();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
rd_kafka_resp_err_t on_new(rd_kafka_t* client, const rd_kafka_conf_t*, void*, char*, std::size_t) {
    return rd_kafka_interceptor_add_on_response_received(client, "spare-memory", &on_response, nullptr);
}

/// A configuration with interceptors whose client could not be made: librdkafka 2.0 has freed parts of it, and would again.
void keep(rd_kafka_conf_t* conf) {
    static std::mutex lock;
    static auto* all = new std::vector<rd_kafka_conf_t*>;
    std::lock_guard guard(lock);
    all->push_back(conf);
}

}  // namespace

void log_line(const rd_kafka_t* client, int level, const char* facility, const char* text) {
    tel::log(level <= 3   ? tel::Level::error
             : level <= 5 ? tel::Level::warn
                          : tel::Level::debug,
             "Kafka client", {{"client", client ? rd_kafka_name(client) : ""}, {"facility", facility}, {"text", text}});
}

void end_client(rd_kafka_t* client) {
    static Graveyard graveyard;
    graveyard.take(client);
}

std::string_view Record::header(std::string_view name) const {
    for (const auto& [field, text] : headers)
        if (field == name) return text;
    return {};
}

void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK)
        throw Failure(Error(std::string("Kafka setting ") + name + "=" + value + ": " + why));
}

ConfPtr make_conf(const std::string& brokers, const std::string& client_id, std::size_t max_message_bytes) {
    ConfPtr conf(rd_kafka_conf_new());
    set(conf.get(), "bootstrap.servers", brokers);
    set(conf.get(), "client.id", client_id);
    set(conf.get(), "message.max.bytes", std::to_string(max_message_bytes));
    set(conf.get(), "socket.nagle.disable", "true");
    set(conf.get(), "reconnect.backoff.max.ms", "1000");  // a broker that is back is found within a second
    set(conf.get(), "log.connection.close", "false");
    set(conf.get(), "allow.auto.create.topics", "false");
    apply_access(conf.get());
    rd_kafka_conf_set_log_cb(conf.get(), log_line);
    rd_kafka_conf_interceptor_add_on_new(conf.get(), "spare-memory", &on_new, nullptr);
    return conf;
}

rd_kafka_t* make_client(rd_kafka_type_t type, ConfPtr conf) {
    char why[512];
    auto* its = conf.release();
    rd_kafka_t* client = rd_kafka_new(type, its, why, sizeof why);
    if (!client) {
        keep(its);
        throw Failure(
            Error(std::string("the Kafka client cannot start: ") + why, "check OTTO_KAFKA_BROKERS and the other OTTO_KAFKA_…"));
    }
    note_client(client);
    return client;
}

Result<void> answers(rd_kafka_t* client, Millis within) {
    const rd_kafka_metadata_t* metadata = nullptr;
    auto error = rd_kafka_metadata(client, 0, nullptr, &metadata, static_cast<int>(within.count()));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_metadata_destroy(metadata);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    return Error(std::string("Kafka does not answer: ") + rd_kafka_err2str(error),
                 "is it running, and does OTTO_KAFKA_BROKERS name it?");
}

Record to_record(rd_kafka_message_t& m) {
    Record r;
    r.topic = rd_kafka_topic_name(m.rkt);
    r.partition = m.partition;
    r.offset = m.offset;
    if (m.key) r.key.assign(static_cast<const char*>(m.key), m.key_len);
    if (m.payload)
        r.value.assign(static_cast<const char*>(m.payload), m.len);
    else
        r.tombstone = true;
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
            r.headers.emplace_back(name, std::string(static_cast<const char*>(value), value ? size : 0));
    }
    return r;
}

Doorbell::Doorbell() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), own_(true) {}
Doorbell::Doorbell(int fd) : fd_(fd), own_(false) {}
Doorbell::~Doorbell() {
    detach();
    if (own_) ::close(fd_);
}

void Doorbell::attach(rd_kafka_queue_t* queue) {
    detach();
    queue_ = queue;
    static constexpr std::uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue_, fd_, &one, sizeof one);
}

void Doorbell::detach() {
    if (!queue_) return;
    rd_kafka_queue_io_event_enable(queue_, -1, nullptr, 0);
    rd_kafka_queue_destroy(queue_);
    queue_ = nullptr;
}

void Doorbell::ring() const {
    std::uint64_t one = 1;
    [[maybe_unused]] auto rung = ::write(fd_, &one, sizeof one);  // a full eventfd rings already
}

void Doorbell::hush() const {
    std::uint64_t count = 0;
    [[maybe_unused]] auto any = ::read(fd_, &count, sizeof count);  // one read empties an eventfd; there may have been nothing
}

void Doorbell::listen(Millis most) const {
    pollfd one{fd_, POLLIN, 0};
    ::poll(&one, 1, static_cast<int>(most.count()));
}

}  // namespace otto::kafka
