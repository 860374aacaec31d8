// A few sleeping threads that share one job at a time. A browser gives none (SHIFTVAE_ONE_THREAD).
#pragma once

#include <cstddef>
#ifndef SHIFTVAE_ONE_THREAD
#include <atomic>
#include <condition_variable>
#include <mutex>
#endif

namespace shiftvae {

#ifndef SHIFTVAE_ONE_THREAD
class ThreadPool {
public:
    using Task = void (*)(void* context, std::size_t part, unsigned worker) noexcept;

    // Calls task(context, part, worker) for every part in [0, parts) on up to `threads` threads, the caller's among
    // them, and returns when all have ended. `worker` < threads is never in two calls at once: it selects the scratch
    // memory. Runs everything in the caller's thread while another caller uses the pool.
    void run(std::size_t parts, unsigned threads, Task task, void* context) noexcept;

    // The pool of this process; a forked child gets its own. Never destroyed: its threads sleep until the process ends.
    static ThreadPool& of_process();

private:
    void grow(unsigned helpers) noexcept;
    void help() noexcept;
    void take_parts(unsigned worker) noexcept;

    std::mutex owner_;  // held by the caller whose job runs
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    unsigned helpers_ = 0, wanted_ = 0, busy_ = 0;  // guarded by mutex_
    Task task_ = nullptr;                           // the job: written under mutex_ while nobody is busy
    void* context_ = nullptr;
    std::size_t parts_ = 0;
    std::atomic<std::size_t> next_{0};
};
#endif

// body(part, worker) for every part in [0, parts); body must not throw.
template <class Body>
void parallel_for(std::size_t parts, [[maybe_unused]] unsigned threads, Body& body) {
#ifndef SHIFTVAE_ONE_THREAD
    if (threads > 1 && parts > 1) {
        const ThreadPool::Task task = [](void* context, std::size_t part, unsigned worker) noexcept {
            (*static_cast<Body*>(context))(part, worker);
        };
        ThreadPool::of_process().run(parts, threads, task, &body);
        return;
    }
#endif
    for (std::size_t part = 0; part < parts; ++part) body(part, 0u);
}

}  // namespace shiftvae
