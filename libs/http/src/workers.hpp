#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "http/message.hpp"

namespace otto::http {

/// Threads for handlers that block, shared fairly by those whose work it is (see Server). It knows only who has work at the
/// moment.
class Workers {
public:
    using Job = std::function<void()>;
    static constexpr std::size_t kMostWaiting = 64;  ///< of a company; a user half of it

    explicit Workers(int count);
    ~Workers();
    /// Nobody's in particular; such jobs and the others take turns.
    void post(Job);
    /// False if too much of this user's, or of the company's, waits already.
    bool post(const Share&, Job);

private:
    struct User;
    struct Company;
    using Users = std::map<std::string, User, std::less<>>;
    using Companies = std::map<std::string, Company, std::less<>>;
    struct User {
        std::size_t running = 0;
        std::deque<Job> waiting;
        bool listed = false;
    };
    struct Company {
        std::size_t running = 0, waiting = 0;
        Users users;
        std::deque<Users::iterator> turn;  ///< who has a job that may run
        bool listed = false;
    };
    struct Next {
        Job job;
        std::optional<Companies::iterator> company = {};  ///< none: nobody's in particular
        Users::iterator user = {};
    };

    // All below under lock_.
    void work();
    std::optional<Next> next();
    std::optional<Next> next_shared();
    void ended(Companies::iterator, Users::iterator);
    bool list(Companies::iterator, Users::iterator);
    std::size_t most_of(Companies::iterator) const;
    std::size_t most_of_a_user(Companies::iterator c) const { return std::max<std::size_t>(1, most_of(c) / 2); }

    const std::size_t count_;
    std::mutex lock_;
    std::condition_variable came_;
    std::deque<Job> jobs_;
    Companies companies_;                   ///< "" = the users who belong to none
    std::deque<Companies::iterator> turn_;  ///< who has a job that may run
    std::string first_;                     ///< the first company that asked
    bool several_ = false;                  ///< another one has asked too
    bool shared_next_ = false;
    bool stop_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace otto::http
