// Only with the thread sanitizer, which knows pthreads and nothing of C11's threads: librdkafka's would crash in it, and whatever
// its mutexes keep apart would be reported as a race. Linked into every executable, these stand before those of the C library,
// whose types are the same.
#include <pthread.h>
#include <threads.h>
#include <cerrno>
#include <memory>

namespace {

pthread_mutex_t* of(mtx_t* m) { return reinterpret_cast<pthread_mutex_t*>(m); }
pthread_cond_t* of(cnd_t* c) { return reinterpret_cast<pthread_cond_t*>(c); }
static_assert(sizeof(mtx_t) <= sizeof(pthread_mutex_t) && sizeof(cnd_t) <= sizeof(pthread_cond_t) &&
              sizeof(thrd_t) == sizeof(pthread_t));

int told(int error) {
    return error == 0           ? thrd_success
           : error == ETIMEDOUT ? thrd_timedout
           : error == EBUSY     ? thrd_busy
           : error == ENOMEM    ? thrd_nomem
                                : thrd_error;
}

struct Start {
    thrd_start_t run;
    void* with;
};
void* begin(void* given) {
    std::unique_ptr<Start> start(static_cast<Start*>(given));
    auto [run, with] = *start;
    start.reset();
    return reinterpret_cast<void*>(static_cast<long>(run(with)));
}

}  // namespace

extern "C" {

/// librdkafka counts who holds a thing by atomics, which the sanitizer does not see in code that it has not compiled: whoever
/// lets go last destroys the lock, and frees the memory that others have read. (Leaving out all that is called from librdkafka
/// would leave out its locks for readers and writers, which keep order.)
const char* __tsan_default_suppressions() { return "race:interceptor_pthread_rwlock_destroy\nrace:interceptor_free\n"; }

int thrd_create(thrd_t* thread, thrd_start_t run, void* with) {
    auto start = std::make_unique<Start>(Start{run, with});
    int error = pthread_create(thread, nullptr, begin, start.get());
    if (error == 0) (void)start.release();
    return told(error == EAGAIN ? ENOMEM : error);
}
int thrd_join(thrd_t thread, int* result) {
    void* value = nullptr;
    int error = pthread_join(thread, &value);
    if (error == 0 && result) *result = static_cast<int>(reinterpret_cast<long>(value));
    return told(error);
}

int mtx_init(mtx_t* mutex, int type) noexcept {
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, (type & mtx_recursive) != 0 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    int error = pthread_mutex_init(of(mutex), &kind);
    pthread_mutexattr_destroy(&kind);
    return told(error);
}
int mtx_lock(mtx_t* mutex) { return told(pthread_mutex_lock(of(mutex))); }
int mtx_trylock(mtx_t* mutex) noexcept { return told(pthread_mutex_trylock(of(mutex))); }
int mtx_unlock(mtx_t* mutex) noexcept { return told(pthread_mutex_unlock(of(mutex))); }
void mtx_destroy(mtx_t* mutex) noexcept { pthread_mutex_destroy(of(mutex)); }

int cnd_init(cnd_t* cond) noexcept { return told(pthread_cond_init(of(cond), nullptr)); }
int cnd_signal(cnd_t* cond) noexcept { return told(pthread_cond_signal(of(cond))); }
int cnd_broadcast(cnd_t* cond) noexcept { return told(pthread_cond_broadcast(of(cond))); }
int cnd_wait(cnd_t* cond, mtx_t* mutex) { return told(pthread_cond_wait(of(cond), of(mutex))); }
int cnd_timedwait(cnd_t* cond, mtx_t* mutex, const timespec* until) {
    return told(pthread_cond_timedwait(of(cond), of(mutex), until));
}
void cnd_destroy(cnd_t* cond) noexcept { pthread_cond_destroy(of(cond)); }
}
