#include "shiftvae/readout.hpp"

#include <algorithm>

#include "kernels/kernels.hpp"
#include "shiftvae/thread_pool.hpp"

namespace shiftvae {

void read_latents(const Readout& readout, const float* code, std::size_t count, float* mean, float* sd,
                  unsigned threads) {
    constexpr std::size_t together = 16 * readout_block;
    const auto read = kernels().read_latents;
    const float* moved = code + (readout.planes() - readout.moved()) * count;
    auto body = [&](std::size_t part, unsigned) noexcept {
        const std::size_t first = part * together, last = std::min(count, first + together);
        for (std::size_t at = first; at < last; at += readout_block)
            read(readout, code + at, moved + at, count, std::min(readout_block, last - at), mean + at, sd + at);
    };
    parallel_for((count + together - 1) / together, threads, body);
}

}  // namespace shiftvae
