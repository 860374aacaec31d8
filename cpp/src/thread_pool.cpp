#include "shiftvae/thread_pool.hpp"

#include <system_error>
#include <thread>

#ifndef _WIN32
#include <unistd.h>
#endif

namespace shiftvae {

ThreadPool& ThreadPool::of_process() {
#ifdef _WIN32
    static ThreadPool* pool = new ThreadPool;
    return *pool;
#else
    // fork() copies the pool but not its threads, and perhaps a locked mutex: the child leaves that copy alone.
    struct Owned {
        pid_t process;
        ThreadPool pool;
    };
    static std::atomic<Owned*> current{nullptr};
    const pid_t process = getpid();
    Owned* owned = current.load(std::memory_order_acquire);
    if (owned != nullptr && owned->process == process) return owned->pool;
    Owned* fresh = new Owned;
    fresh->process = process;
    if (current.compare_exchange_strong(owned, fresh, std::memory_order_acq_rel)) return fresh->pool;
    delete fresh;  // another thread of this process was first
    return owned->pool;
#endif
}

void ThreadPool::run(std::size_t parts, unsigned threads, Task task, void* context) noexcept {
    const std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    const unsigned useful = parts < threads ? static_cast<unsigned>(parts) : threads;
    if (!owner.owns_lock() || useful < 2) {
        for (std::size_t part = 0; part < parts; ++part) task(context, part, 0);
        return;
    }
    grow(useful - 1);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        task_ = task;
        context_ = context;
        parts_ = parts;
        next_.store(0, std::memory_order_relaxed);
        wanted_ = helpers_ < useful - 1 ? helpers_ : useful - 1;
    }
    wake_.notify_all();
    take_parts(0);
    std::unique_lock<std::mutex> lock(mutex_);
    wanted_ = 0;  // a helper that has not woken by now finds nothing left to do
    done_.wait(lock, [this] { return busy_ == 0; });
}

void ThreadPool::grow(unsigned helpers) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
        for (; helpers_ < helpers; ++helpers_) std::thread([this] { help(); }).detach();
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): the existing threads do the work
    }
}

void ThreadPool::help() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return wanted_ > 0; });
        const unsigned worker = wanted_--;  // unique among the helpers of a job; 0 is the caller
        ++busy_;
        lock.unlock();
        take_parts(worker);
        lock.lock();
        if (--busy_ == 0) done_.notify_one();
    }
}

void ThreadPool::take_parts(unsigned worker) noexcept {
    for (;;) {
        const std::size_t part = next_.fetch_add(1, std::memory_order_relaxed);
        if (part >= parts_) return;
        task_(context_, part, worker);
    }
}

}  // namespace shiftvae
