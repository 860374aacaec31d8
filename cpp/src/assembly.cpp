#include "shiftvae/assembly.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "scratch.hpp"
#include "shiftvae/thread_pool.hpp"

namespace shiftvae {
namespace {

// The windows that cover a pixel, along one axis: pixel p = q * stride + phase lies in the windows q - k + 1 ... q,
// with k = ceil((window - phase) / stride). The first phases have the larger k, the others one less.
struct Cover {
    std::size_t stride, most, first_phases;

    Cover(std::size_t window, std::size_t step) noexcept
        : stride(step), most((window + step - 1) / step), first_phases(window - (most - 1) * step) {}

    std::size_t windows(bool first) const noexcept { return first ? most : most - 1; }
    std::size_t begin(bool first) const noexcept { return first ? 0 : first_phases; }
    std::size_t end(bool first) const noexcept { return first ? std::min(first_phases, stride) : stride; }
};

// Makes rows of the map of one latent. Each line of memory holds the weighted values, then the weights.
class Assembler {
public:
    Assembler(Arena& arena, const Grid& grid) noexcept
        : grid_(grid),
          down_(grid.window_height, grid.stride),
          across_(grid.window_width, grid.stride),
          cols_(grid.cols()),
          wide_(grid.cols() + 2 * across_.most),
          row_(arena.take<double>(2 * cols_)),
          prefix_(arena.take<double>(2 * cols_)),
          suffix_(arena.take<double>(2 * cols_ * down_.most)),
          padded_(arena.take<double>(2 * wide_)),
          windows_(arena.take<double>(2 * wide_)),
          scratch_(arena.take<double>(2 * wide_)),
          means_(arena.take<float>(2 * wide_)) {}

    // Makes the map rows of a block of k consecutive q. Each window sum is the sum to the end of the previous block
    // (suffix) plus the sum from the start of this block (prefix): two additions a value whatever the size of the
    // window, and nothing is ever subtracted.
    void block(const Kernels& kernels, const float* values, const float* precision, std::size_t block, bool first,
               float* map) noexcept {
        const std::size_t k = down_.windows(first), start = block * k;
        for (std::size_t i = k; block > 0 && i-- > 1;) {
            double* suffix = suffix_ + 2 * i * cols_;
            weigh(values, precision, start - k + i, suffix);
            if (i + 1 < k) kernels.accumulate(suffix + 2 * cols_, 2 * cols_, suffix);
        }
        std::fill_n(prefix_, 2 * cols_, 0.0);
        std::fill_n(padded_, 2 * wide_, 0.0);
        const std::size_t end = std::min(start + k, (grid_.frame_height - 1) / grid_.stride + 1);
        for (std::size_t q = start; q < end; ++q) {
            weigh(values, precision, q, row_);
            kernels.accumulate(row_, 2 * cols_, prefix_);
            const std::size_t reached = q - start + 1;  // rows reached ... k - 1 of the previous block
            const double* more = block > 0 && reached < k ? suffix_ + 2 * reached * cols_ : nullptr;
            for (std::size_t part = 0; part < 2; ++part) {
                double* line = padded_ + part * wide_ + across_.most;
                std::copy_n(prefix_ + part * cols_, cols_, line);
                if (more) kernels.accumulate(more + part * cols_, cols_, line);
            }
            write(kernels, q, first, map);
        }
    }

private:
    void weigh(const float* values, const float* precision, std::size_t row, double* line) noexcept {
        if (row < grid_.rows())
            window_kernels().weigh(values + row * cols_, precision + row * cols_, cols_, line, line + cols_);
        else
            std::fill_n(line, 2 * cols_, 0.0);
    }

    // Sums padded_, the column sums of a line of windows, along the line, divides, and writes the pixels of one q.
    void write(const Kernels& kernels, std::size_t q, bool first_down, float* map) noexcept {
        const std::size_t width = grid_.frame_width, stride = grid_.stride;
        for (const bool first : {true, false}) {
            const std::size_t k = across_.windows(first), places = cols_ + k - 1;
            if (k == 0 || across_.begin(first) == across_.end(first)) continue;
            for (std::size_t part = 0; part < 2; ++part)
                kernels.sliding_sum(padded_ + part * wide_ + across_.most + 1 - k, places, k, windows_ + part * wide_,
                                    scratch_, scratch_ + wide_);
            window_kernels().divide(windows_, windows_ + wide_, places, means_ + (first ? 0 : wide_));
        }
        const std::size_t begin = q * stride + down_.begin(first_down);
        const std::size_t end = std::min(q * stride + down_.end(first_down), grid_.frame_height);
        if (begin >= end) return;
        float* line = map + begin * width;
        for (const bool first : {true, false}) {
            const std::size_t k = across_.windows(first);
            const float* means = means_ + (first ? 0 : wide_);
            for (std::size_t phase = across_.begin(first); phase < across_.end(first); ++phase) {
                std::size_t at = 0, x = phase;
                for (; k > 0 && at < cols_ + k - 1 && x < width; ++at, x += stride) line[x] = means[at];
                for (; x < width; x += stride) line[x] = std::numeric_limits<float>::quiet_NaN();
            }
        }
        for (std::size_t y = begin + 1; y < end; ++y) std::memcpy(map + y * width, line, width * sizeof(float));
    }

    Grid grid_;
    Cover down_, across_;
    std::size_t cols_, wide_;
    double *row_, *prefix_, *suffix_, *padded_, *windows_, *scratch_;
    float* means_;
};

}  // namespace

bool assemble_latent_map(const float* values, const float* precision, std::size_t latents, const Grid& grid, float* map,
                         unsigned threads) {
    const Kernels& kernel = kernels();
    const std::size_t windows = grid.rows() * grid.cols(), pixels = grid.frame_height * grid.frame_width;
    if (!window_kernels().weights_are_sound(values, precision, latents * windows)) return false;
    const Cover down(grid.window_height, grid.stride);
    const std::size_t lines = (grid.frame_height - 1) / grid.stride + 1;
    // Phases without a window (stride > window) have k = 0 and no blocks: they stay NaN.
    const auto blocks_of = [&](bool first) -> std::size_t {
        const std::size_t k = down.windows(first);
        return k == 0 || down.begin(first) == down.end(first) ? 0 : (lines + k - 1) / k;
    };
    if (down.most == 1 && down.first_phases < grid.stride)
        std::fill_n(map, latents * pixels, std::numeric_limits<float>::quiet_NaN());
    const std::size_t first_blocks = blocks_of(true), blocks = first_blocks + blocks_of(false);
    Arena layout;
    Assembler(layout, grid);
    const Scratch scratch(layout.used(), threads);
    auto body = [&](std::size_t i, unsigned worker) noexcept {
        const std::size_t latent = i / blocks, block = i % blocks;
        const bool first = block < first_blocks;
        Arena arena(scratch.of(worker));
        Assembler assembler(arena, grid);
        assembler.block(kernel, values + latent * windows, precision + latent * windows,
                        first ? block : block - first_blocks, first, map + latent * pixels);
    };
    parallel_for(latents * blocks, threads, body);
    return true;
}

}  // namespace shiftvae
