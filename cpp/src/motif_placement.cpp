#include <algorithm>
#include <limits>
#include <vector>

#include "scratch.hpp"
#include "shiftvae/assembly.hpp"
#include "shiftvae/thread_pool.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t band_lines = 64;  // lines of the map computed at a time: their sums stay in L2 or L3

struct Weighted {
    double sum, weight;
};

// Sums of some lines of the map, with a border of one pixel on each side: a motif that reaches beyond the lines or the
// frame needs no special case.
class Band {
public:
    Band(Arena& arena, const Grid& grid) noexcept
        : width_(grid.frame_width),
          pitch_(grid.frame_width + 2),
          pixels_(arena.take<Weighted>((band_lines + 2) * pitch_)) {}

    void start(std::size_t first, std::size_t end) noexcept {
        first_ = first;
        lines_ = end - first;
        std::fill_n(pixels_, (lines_ + 2) * pitch_, Weighted{0, 0});
    }

    void place(double y, double x, double value, double precision) noexcept {
        // Written so that NaN fails, and before any conversion to an integer.
        if (!(y >= static_cast<double>(first_) - 1 && y < static_cast<double>(first_ + lines_))) return;
        if (!(x > -1 && x < static_cast<double>(width_))) return;
        const std::size_t row = static_cast<std::size_t>(y + 1), col = static_cast<std::size_t>(x + 1);
        const double below = y + 1 - static_cast<double>(row), right = x + 1 - static_cast<double>(col);
        Weighted *here = pixels_ + (row - first_) * pitch_ + col, *next = here + pitch_;
        add(here[0], value, precision * (1 - below) * (1 - right));
        add(here[1], value, precision * (1 - below) * right);
        add(next[0], value, precision * below * (1 - right));
        add(next[1], value, precision * below * right);
    }

    void write(float* map) const noexcept {
        for (std::size_t y = 0; y < lines_; ++y) {
            const Weighted* from = pixels_ + (y + 1) * pitch_ + 1;
            float* to = map + (first_ + y) * width_;
            for (std::size_t x = 0; x < width_; ++x) to[x] = static_cast<float>(from[x].sum / from[x].weight);
        }
    }

private:
    static void add(Weighted& pixel, double value, double weight) noexcept {
        pixel.sum += value * weight;
        pixel.weight += weight;
    }

    std::size_t width_, pitch_, first_ = 0, lines_ = 0;
    Weighted* pixels_;
};

// The lowest and highest y of the motifs in a row of windows, to skip rows that do not reach a band.
struct Reach {
    double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
};

}  // namespace

bool place_at_motifs(const float* values, const float* precision, const float* shift_y, const float* shift_x,
                     std::size_t latents, const Grid& grid, float* map, unsigned threads) {
    const std::size_t rows = grid.rows(), cols = grid.cols(), windows = rows * cols;
    if (!window_kernels().weights_are_sound(values, precision, latents * windows)) return false;
    const double middle_y = static_cast<double>(grid.window_height - 1) / 2;
    const double middle_x = static_cast<double>(grid.window_width - 1) / 2;
    std::vector<Reach> reach(rows);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c) {
            const double y =
                static_cast<double>(r * grid.stride) + middle_y + static_cast<double>(shift_y[r * cols + c]);
            reach[r].low = y < reach[r].low ? y : reach[r].low;
            reach[r].high = y > reach[r].high ? y : reach[r].high;
        }
    Arena layout;
    Band(layout, grid);
    const Scratch scratch(layout.used(), threads);
    const std::size_t bands = (grid.frame_height + band_lines - 1) / band_lines;
    auto body = [&](std::size_t part, unsigned worker) noexcept {
        const std::size_t latent = part / bands, first = part % bands * band_lines;
        const std::size_t end = std::min(first + band_lines, grid.frame_height);
        const float *value = values + latent * windows, *weight = precision + latent * windows;
        Arena arena(scratch.of(worker));
        Band band(arena, grid);
        band.start(first, end);
        for (std::size_t r = 0; r < rows; ++r) {
            if (reach[r].high < static_cast<double>(first) - 1 || reach[r].low >= static_cast<double>(end)) continue;
            for (std::size_t at = r * cols; at < (r + 1) * cols; ++at) {
                if (!(weight[at] > 0)) continue;
                band.place(
                    static_cast<double>(r * grid.stride) + middle_y + static_cast<double>(shift_y[at]),
                    static_cast<double>((at - r * cols) * grid.stride) + middle_x + static_cast<double>(shift_x[at]),
                    static_cast<double>(value[at]), static_cast<double>(weight[at]));
            }
        }
        band.write(map + latent * grid.frame_height * grid.frame_width);
    };
    parallel_for(latents * bands, threads, body);
    return true;
}

}  // namespace shiftvae
