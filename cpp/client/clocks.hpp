// Clocks as the protocol means them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace shiftvae::client {

// Monotonic clock of the machine, ns.
inline std::int64_t monotonic_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// UTC since 1970, ns.
inline std::int64_t utc_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

// A time that a condition variable can wait for, at most a year away.
std::chrono::steady_clock::time_point deadline(double timeout_s) noexcept;

// Name of the monotonic clock: the same in two processes that read the same clock; empty where we cannot tell.
std::string clock_name();

}  // namespace shiftvae::client
