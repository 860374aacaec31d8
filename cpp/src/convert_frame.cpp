#include "shiftvae/convert_frame.hpp"

#include <algorithm>
#include <atomic>

#include "kernels/kernels.hpp"
#include "shiftvae/thread_pool.hpp"

namespace shiftvae {

bool convert_frame(const FrameView& frame, const double* centre, float* out, unsigned threads) {
    constexpr std::size_t together = 32;  // lines of a part
    const auto convert = window_kernels().convert_line[static_cast<int>(frame.type)];
    const std::size_t lines = frame.channels * frame.height;
    std::atomic<bool> finite{true};
    auto body = [&](std::size_t part, unsigned) noexcept {
        bool all = true;
        for (std::size_t i = part * together; i < std::min(lines, (part + 1) * together); ++i) {
            const std::size_t c = i / frame.height, y = i % frame.height;
            all &= convert(frame.line(c, y), frame.width, centre[c], out + i * frame.width);
        }
        if (!all) finite.store(false, std::memory_order_relaxed);
    };
    parallel_for((lines + together - 1) / together, threads, body);
    return finite.load(std::memory_order_relaxed);
}

bool difference_frame(const FrameView& frame, float* out, unsigned threads) {
    constexpr std::size_t together = 32;  // lines of a part
    const auto difference = kernels().difference_line[static_cast<int>(frame.type)];
    const std::size_t height = frame.height, lines = frame.channels * height, width = frame.width - 1;
    std::atomic<bool> finite{true};
    auto body = [&](std::size_t part, unsigned) noexcept {
        bool all = true;
        for (std::size_t i = part * together; i < std::min(lines, (part + 1) * together); ++i) {
            const std::size_t c = i / height, y = i % height;
            const void* line = frame.line(c, y);
            float* along = out + (2 * c * height + y) * width;
            all &= difference(line, y ? frame.line(c, y - 1) : line, frame.width, along, along + height * width);
        }
        if (!all) finite.store(false, std::memory_order_relaxed);
    };
    parallel_for((lines + together - 1) / together, threads, body);
    return finite.load(std::memory_order_relaxed);
}

}  // namespace shiftvae
