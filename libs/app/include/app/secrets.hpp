#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/settings.hpp"
#include "base/crypto.hpp"

/// Secrets that lie in files (OTTO_…_FILE) and change while the process runs. Kubernetes swaps the folder under a mounted Secret
/// by a symbolic link, so a file's content is compared, by its path: nothing is told of a file that is watched itself.
namespace otto::app {

/// One such file. Any thread.
class SecretFile {
public:
    SecretFile(const Row&, std::string path);
    SecretFile(const SecretFile&) = delete;

    /// The present content, without white space around it; read again if that was more than a second ago. What is missing, empty
    /// or of the wrong form leaves what was there before.
    Secret now();
    /// Goes up with each change.
    std::uint64_t version();
    /// Why there is nothing to go by: which file, and what it should hold. nullopt once there has been something.
    std::optional<Error> missing();
    /// Reads it again; true if it changed.
    bool look();
    const std::string& setting() const { return name_; }
    /// How long ago the file was written; nullopt if it cannot be asked.
    std::optional<double> age_seconds() const;

private:
    bool look_locked();
    std::optional<Error> take(std::string& content) const;
    const std::string name_, variable_, path_, holds_;
    const std::function<std::optional<std::string>(const std::string&)> misfit_;
    std::mutex lock_;
    std::chrono::steady_clock::time_point looked_{};
    Secret value_;
    std::uint64_t version_ = 0;
    std::string trouble_;  ///< of the last look, told once
    std::optional<Error> error_;
};

void secret_is_unusable(const std::string& name, const Error&);

/// A thing that is made of a secret (a key ring, a list of keys) and made anew when the secret changes. What cannot be made of a
/// new secret leaves the one before; of the first, the constructor throws Failure. Any thread.
template <class T>
class Live {
public:
    using Make = std::function<Result<T>(const Secret&)>;
    Live(LiveSecret secret, Make make) : state_(std::make_shared<State>(std::move(secret), std::move(make))) {
        state_->version = state_->secret.version();
        state_->value = std::make_shared<const T>(state_->make(state_->secret.now()).value());
    }
    std::shared_ptr<const T> now() const {
        const auto version = state_->secret.version();
        std::lock_guard guard(state_->lock);
        if (version != state_->version) {
            if (auto made = state_->make(state_->secret.now()); made)
                state_->value = std::make_shared<const T>(std::move(*made));
            else
                secret_is_unusable(state_->secret.name(), made.error());
            state_->version = version;
        }
        return state_->value;
    }

private:
    struct State {
        State(LiveSecret s, Make m) : secret(std::move(s)), make(std::move(m)) {}
        LiveSecret secret;
        Make make;
        std::mutex lock;
        std::uint64_t version = 0;
        std::shared_ptr<const T> value;
    };
    std::shared_ptr<State> state_;
};
/// OTTO_SECRET_KEYS, as it stands at each use.
class LiveKeyRing {
public:
    explicit LiveKeyRing(const Settings&);
    std::string seal(const Secret& plain, std::string_view associated) const { return ring_.now()->seal(plain, associated); }
    Result<Secret> open(std::string_view sealed, std::string_view associated) const {
        return ring_.now()->open(sealed, associated);
    }

private:
    Live<KeyRing> ring_;
};

/// A comma list of secrets, the newest first, as it stands at each use.
Live<std::vector<Secret>> live_list(LiveSecret);

/// While it lives, looks every few seconds at all files of secrets, tells of each how old it is (otto_secret_age_seconds), and
/// calls `changed` after a change.
class SecretWatch {
public:
    explicit SecretWatch(const Settings&, std::function<void()> changed = {});
    ~SecretWatch();
    SecretWatch(const SecretWatch&) = delete;

private:
    void look();
    struct Seen {
        std::shared_ptr<SecretFile> file;
        std::uint64_t version = 0;
    };
    std::vector<Seen> files_;
    std::function<void()> changed_;
    std::mutex lock_;
    std::condition_variable end_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace otto::app
