#include <algorithm>

#include "scratch.hpp"
#include "shiftvae/assembly.hpp"
#include "shiftvae/thread_pool.hpp"

namespace shiftvae {
namespace {

struct Weighted {
    double sum, weight;
};

// A frame with a border of one pixel all round: a motif between the frame's edge and the border needs no case of its
// own.
struct Bordered {
    Weighted* pixels;
    std::size_t height, width, pitch;

    Bordered(Arena& arena, const Grid& grid) noexcept
        : pixels(arena.take<Weighted>((grid.frame_height + 2) * (grid.frame_width + 2))),
          height(grid.frame_height),
          width(grid.frame_width),
          pitch(grid.frame_width + 2) {}

    void place(double y, double x, double value, double precision) noexcept {
        // Written so that NaN fails, and before any conversion to an integer.
        if (!(y > -1 && y < static_cast<double>(height) && x > -1 && x < static_cast<double>(width))) return;
        const std::size_t row = static_cast<std::size_t>(y + 1), col = static_cast<std::size_t>(x + 1);
        const double below = y + 1 - static_cast<double>(row), right = x + 1 - static_cast<double>(col);
        Weighted *here = pixels + row * pitch + col, *next = here + pitch;
        add(here[0], value, precision * (1 - below) * (1 - right));
        add(here[1], value, precision * (1 - below) * right);
        add(next[0], value, precision * below * (1 - right));
        add(next[1], value, precision * below * right);
    }

private:
    static void add(Weighted& pixel, double value, double weight) noexcept {
        pixel.sum += value * weight;
        pixel.weight += weight;
    }
};

}  // namespace

bool place_at_motifs(const float* values, const float* precision, const float* shift_y, const float* shift_x,
                     std::size_t latents, const Grid& grid, float* map, unsigned threads) {
    const std::size_t rows = grid.rows(), cols = grid.cols(), windows = rows * cols;
    if (!kernels().weights_are_sound(values, precision, latents * windows)) return false;
    Arena layout;
    Bordered(layout, grid);
    const Scratch scratch(layout.used(), threads);
    auto body = [&](std::size_t latent, unsigned worker) noexcept {
        Arena arena(scratch.of(worker));
        Bordered frame(arena, grid);
        std::fill_n(frame.pixels, (frame.height + 2) * frame.pitch, Weighted{0, 0});
        const double middle_y = static_cast<double>(grid.window_height - 1) / 2;
        const double middle_x = static_cast<double>(grid.window_width - 1) / 2;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < cols; ++c) {
                const std::size_t at = r * cols + c;
                const float weight = precision[latent * windows + at];
                if (!(weight > 0)) continue;
                frame.place(static_cast<double>(r * grid.stride) + middle_y + static_cast<double>(shift_y[at]),
                            static_cast<double>(c * grid.stride) + middle_x + static_cast<double>(shift_x[at]),
                            static_cast<double>(values[latent * windows + at]), static_cast<double>(weight));
            }
        for (std::size_t y = 0; y < frame.height; ++y) {
            const Weighted* from = frame.pixels + (y + 1) * frame.pitch + 1;
            float* to = map + (latent * frame.height + y) * frame.width;
            for (std::size_t x = 0; x < frame.width; ++x) to[x] = static_cast<float>(from[x].sum / from[x].weight);
        }
    };
    parallel_for(latents, threads, body);
    return true;
}

}  // namespace shiftvae
