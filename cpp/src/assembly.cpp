#include "shiftvae/assembly.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "shiftvae/thread_pool.hpp"

namespace shiftvae {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

struct Weighted {
    double sum = 0, weight = 0;
    float mean() const noexcept { return weight > 0 ? static_cast<float>(sum / weight) : nan; }
};

}  // namespace

void assemble_latent_map(const float* values, const float* precision, std::size_t latents, const Grid& grid, float* map,
                         unsigned threads) {
    const std::size_t rows = grid.rows(), cols = grid.cols(), height = grid.frame_height, width = grid.frame_width;
    auto line = [&](std::size_t i) {
        const std::size_t latent = i / height, y = i % height;
        const auto first = [&](std::size_t at, std::size_t window) {
            return at + 1 > window ? (at - window) / grid.stride + 1 : 0;
        };
        for (std::size_t x = 0; x < width; ++x) {
            Weighted pixel;
            for (std::size_t r = first(y, grid.window_height); r < std::min(rows, y / grid.stride + 1); ++r)
                for (std::size_t c = first(x, grid.window_width); c < std::min(cols, x / grid.stride + 1); ++c) {
                    const std::size_t at = (latent * rows + r) * cols + c;
                    if (!(precision[at] > 0)) continue;
                    pixel.sum += static_cast<double>(precision[at]) * values[at];
                    pixel.weight += precision[at];
                }
            map[i * width + x] = pixel.mean();
        }
    };
    parallel_for(latents * height, threads, line);
}

void place_at_motifs(const float* values, const float* precision, const float* shift_y, const float* shift_x,
                     std::size_t latents, const Grid& grid, float* map, unsigned threads) {
    const std::size_t rows = grid.rows(), cols = grid.cols(), height = grid.frame_height, width = grid.frame_width;
    std::vector<Weighted> sums(latents * height * width);
    auto place = [&](std::size_t latent) {
        Weighted* sum = sums.data() + latent * height * width;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < cols; ++c) {
                const std::size_t at = r * cols + c, from = latent * rows * cols + at;
                const double y = static_cast<double>(r * grid.stride) + (grid.window_height - 1) / 2.0 + shift_y[at];
                const double x = static_cast<double>(c * grid.stride) + (grid.window_width - 1) / 2.0 + shift_x[at];
                // Written so that NaN fails, and before any conversion to an integer.
                if (!(precision[from] > 0) || !(y > -1 && y < static_cast<double>(height)) ||
                    !(x > -1 && x < static_cast<double>(width)))
                    continue;
                const double y0 = std::floor(y), x0 = std::floor(x);
                for (int dy = 0; dy < 2; ++dy)
                    for (int dx = 0; dx < 2; ++dx) {
                        const double py = y0 + dy, px = x0 + dx;
                        if (py < 0 || px < 0 || py >= static_cast<double>(height) || px >= static_cast<double>(width))
                            continue;
                        const double share = (1 - std::abs(y - py)) * (1 - std::abs(x - px)) * precision[from];
                        Weighted& pixel = sum[static_cast<std::size_t>(py) * width + static_cast<std::size_t>(px)];
                        pixel.sum += share * values[from];
                        pixel.weight += share;
                    }
            }
        for (std::size_t i = 0; i < height * width; ++i) map[latent * height * width + i] = sum[i].mean();
    };
    parallel_for(latents, threads, place);
}

}  // namespace shiftvae
