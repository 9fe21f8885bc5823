#include "app/secrets.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>

#include "app/common.hpp"
#include "base/text.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::app {
namespace {

const tel::Gauges kAge{"otto_secret_age_seconds", "How long ago the file of a secret was written.", {"name"}};

constexpr std::chrono::seconds kFresh{1}, kLook{5};
constexpr std::size_t kLargest = 1u << 20;

/// The text of a file; the error in the system's words.
Result<std::string> text_of(const std::string& path) {
    struct Closed {
        int fd;
        ~Closed() {
            if (fd >= 0) ::close(fd);
        }
    } file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    auto failed = [] { return Error(std::string("cannot be read: ") + std::strerror(errno)); };
    if (file.fd < 0) return errno == ENOENT || errno == ENOTDIR ? Error("is missing") : failed();
    std::string out;
    char piece[4096];
    for (;;) {
        auto n = ::read(file.fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed();
        if (n == 0) return out;
        out.append(piece, static_cast<std::size_t>(n));
        if (out.size() > kLargest) return Error("is larger than 1 MiB");
    }
}

}  // namespace

SecretFile::SecretFile(const Row& row, std::string path)
    : name_(row.name),
      variable_(row.environment() + "_FILE"),
      path_(std::move(path)),
      holds_(row.holds.empty() ? row.help : row.holds),
      misfit_(row.misfit) {
    look();
}

std::optional<Error> SecretFile::take(std::string& content) const {
    auto error = [&](const std::string& what) {
        return Error(variable_ + " names '" + path_ + "', which " + what, "it should hold " + holds_);
    };
    auto text = text_of(path_);
    if (!text) return error(text.error().message);
    content = std::string(trim(*text));
    if (content.empty()) return error("is empty");
    if (auto why = misfit_ ? misfit_(content) : std::nullopt) return error("does not hold what it should: " + *why);
    return std::nullopt;
}

bool SecretFile::look_locked() {
    looked_ = std::chrono::steady_clock::now();
    std::string content;
    auto error = take(content);
    const auto former = std::exchange(trouble_, error ? error->message : "");
    if (error) {
        if (version_ > 0 && trouble_ != former)
            tel::warn("a secret's file cannot be used; what it held before goes on", {{"why", error->describe()}});
        if (version_ == 0) error_ = std::move(error);
        return false;
    }
    if (version_ > 0 && content == value_.reveal()) return false;
    error_.reset();
    value_ = Secret(std::move(content));
    if (++version_ > 1) tel::info("a secret has changed", {{"name", name_}});
    return true;
}

bool SecretFile::look() {
    std::lock_guard guard(lock_);
    return look_locked();
}

Secret SecretFile::now() {
    std::lock_guard guard(lock_);
    if (std::chrono::steady_clock::now() - looked_ > kFresh) look_locked();
    return value_;
}

std::uint64_t SecretFile::version() {
    std::lock_guard guard(lock_);
    if (std::chrono::steady_clock::now() - looked_ > kFresh) look_locked();
    return version_;
}

std::optional<Error> SecretFile::missing() {
    std::lock_guard guard(lock_);
    if (version_ == 0) look_locked();
    return error_;
}

std::optional<double> SecretFile::age_seconds() const {
    struct stat about {};
    if (::stat(path_.c_str(), &about) != 0) return std::nullopt;
    const auto written = static_cast<double>(about.st_mtim.tv_sec) + static_cast<double>(about.st_mtim.tv_nsec) / 1e9;
    return std::max(0.0, static_cast<double>(to_micros(system_clock().now())) / 1e6 - written);
}

Secret LiveSecret::now() const { return file_ ? file_->now() : fixed_; }
std::uint64_t LiveSecret::version() const { return file_ ? file_->version() : 0; }

void secret_is_unusable(const std::string& name, const Error& why) {
    tel::warn("a changed secret cannot be used; the one before goes on", {{"name", name}, {"why", why.describe()}});
}

LiveKeyRing::LiveKeyRing(const Settings& settings)
    : ring_(settings.live(kSecretKeys), [](const Secret& spec) { return KeyRing::parse(spec); }) {}

Live<std::vector<Secret>> live_list(LiveSecret secret) {
    return {std::move(secret), [](const Secret& text) -> Result<std::vector<Secret>> {
                std::vector<Secret> out;
                for (auto& one : split_list(text.reveal())) out.emplace_back(std::move(one));
                return out;
            }};
}

SecretWatch::SecretWatch(const Settings& settings, std::function<void()> changed) : changed_(std::move(changed)) {
    for (auto& file : settings.secret_files()) files_.push_back({file, file->version()});
    if (files_.empty()) return;
    look();
    // Signals are for the thread that waits for them.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] {
        std::unique_lock guard(lock_);
        while (!end_.wait_for(guard, kLook, [this] { return ending_; })) {
            guard.unlock();
            look();
            guard.lock();
        }
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

SecretWatch::~SecretWatch() {
    {
        std::lock_guard guard(lock_);
        ending_ = true;
    }
    end_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void SecretWatch::look() {
    bool any = false;
    for (auto& [file, seen] : files_) {
        file->look();
        any = std::exchange(seen, file->version()) != seen || any;
        if (auto age = file->age_seconds()) kAge({file->setting()}).set(*age);
    }
    if (any && changed_) changed_();
}

}  // namespace otto::app
