#pragma once
#include <mutex>
#include <vector>

#include "loop.hpp"

namespace otto::http {

/// What lies between those who write to a stream, on any thread, and its connection, on its loop's.
struct StreamBody::Impl : std::enable_shared_from_this<StreamBody::Impl> {
    explicit Impl(Options o) : options(std::move(o)) {}

    // Any thread.
    bool write(Piece);
    bool replace(Piece);
    void end(Piece last);
    void say_farewell();

    // The loop's thread.
    /// From now on what is written wakes it.
    void taken_by(std::shared_ptr<Loop>);
    /// What leaves next; what was before has left. Nothing: there is nothing yet, or `ending`, and then it is the end.
    std::vector<Piece> next(bool& ending);
    /// Sees the client go, whether anything leaves or not.
    void watch();
    /// Until there is something to do.
    Task<void> wait();
    void go_on();
    void drop() { resume_.reset(); }
    /// The connection has ended: nothing is taken any more.
    void close();

    const Options options;
    mutable std::mutex lock;
    std::vector<Piece> pieces;  ///< under lock, as those below
    std::size_t waits = 0, leaving = 0;
    bool ending = false;
    bool gone = false;              ///< of the loop's thread, as what follows: the client is
    Connection* watched = nullptr;  ///< while the server has it

private:
    void wake();  ///< under lock
    void look();
    std::size_t said_ = 0;
    bool woken_ = false;
    std::shared_ptr<Loop> loop_;
    std::optional<Resume> resume_;
};

}  // namespace otto::http
