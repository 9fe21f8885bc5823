// Preloaded beside libfaketime, which knows nothing of C11's waits: by a clock that is an hour ahead, librdkafka's would last an hour longer, and by one that is
// behind they would not wait at all. Here they end when the (false) wall clock says so, also if it steps meanwhile: as on a machine whose clock is set.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

int cnd_timedwait(cnd_t* cond, mtx_t* mutex, const struct timespec* until) {
    for (;;) {
        struct timespec wall, slice;
        clock_gettime(CLOCK_REALTIME, &wall);
        long long left = (until->tv_sec - wall.tv_sec) * 1000000000LL + until->tv_nsec - wall.tv_nsec;
        if (left <= 0) return thrd_timedout;
        if (left > 20000000) left = 20000000;
        clock_gettime(CLOCK_MONOTONIC, &slice);
        slice.tv_sec += (slice.tv_nsec + left) / 1000000000LL;
        slice.tv_nsec = (slice.tv_nsec + left) % 1000000000LL;
        int error = pthread_cond_clockwait((pthread_cond_t*)cond, (pthread_mutex_t*)mutex, CLOCK_MONOTONIC, &slice);
        if (error != ETIMEDOUT) return error == 0 ? thrd_success : thrd_error;
    }
}
