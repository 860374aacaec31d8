#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"
#include "shiftvae/thread_pool.hpp"

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

using shiftvae::parallel_for;

namespace {

// Every part exactly once; no worker index is used by two threads at a time.
bool complete(std::size_t parts, unsigned threads) {
    std::vector<std::atomic<int>> done(parts);
    std::vector<std::atomic<int>> inside(threads);
    std::atomic<bool> alone{true};
    auto body = [&](std::size_t part, unsigned worker) noexcept {
        if (inside[worker].fetch_add(1) != 0) alone = false;
        done[part].fetch_add(1);
        inside[worker].fetch_sub(1);
    };
    parallel_for(parts, threads, body);
    for (const std::atomic<int>& count : done)
        if (count != 1) return false;
    return alone;
}

}  // namespace

CASE("every part runs once, whatever the numbers of parts and threads") {
    for (const unsigned threads : {1u, 2u, 3u, 8u})
        for (const std::size_t parts : {0u, 1u, 2u, 7u, 500u})
            for (int repeat = 0; repeat < 50; ++repeat) CHECK(complete(parts, threads));
}

CASE("several callers at once all get their work done") {
    std::atomic<int> good{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] {
            for (int repeat = 0; repeat < 200; ++repeat) good += complete(20, 3);
        });
    for (std::thread& caller : callers) caller.join();
    CHECK(good == 800);
}

#if !defined(_WIN32) && !defined(__SANITIZE_THREAD__)
CASE("a forked child gets a pool of its own") {
    CHECK(complete(10, 3));
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(complete(100, 3) ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(complete(10, 3));
}
#endif
