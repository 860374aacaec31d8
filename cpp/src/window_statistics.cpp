#include <algorithm>
#include <vector>

#include "shiftvae/thread_pool.hpp"
#include "shiftvae/windows.hpp"
#include "window_parts.hpp"

namespace shiftvae {
namespace {

// The state of a worker that computes the statistics of one channel.
struct StatisticsRow {
    SlidingMoments moments;
    SlidingMoments::Work work;
    double *mean, *variance;

    StatisticsRow(Arena& arena, const Tile& tile) noexcept
        : moments(arena, tile.width()),
          work(arena, tile.width()),
          mean(arena.take<double>(tile.cols)),
          variance(arena.take<double>(tile.cols)) {}
};

}  // namespace

void window_statistics(const FrameView& frame, const Grid& grid, const double* centre, float* mean, float* sd,
                       unsigned threads) {
    const Kernels& kernel = kernels();
    const std::size_t rows = grid.rows(), cols = grid.cols();
    threads = worth(threads, frame.channels * rows * cols * sizeof(float));
    const Parts parts(grid, 16 * sizeof(double), threads);
    Arena layout;
    StatisticsRow(layout, tile_of(frame, grid, 0, parts.widest()));
    const Scratch scratch(layout.used(), threads);
    const std::vector<double> centres = centres_of(frame, grid.window_height * grid.window_width, centre);
    auto body = [&](std::size_t i, unsigned worker) noexcept {
        const std::size_t channel = i / parts.count();
        const Parts::Part part = parts.at(i % parts.count());
        const Tile tile = tile_of(frame, grid, part.first_col, part.end_col - part.first_col);
        Arena arena(scratch.of(worker));
        StatisticsRow row(arena, tile);
        for (std::size_t r = part.first_row; r < part.end_row; ++r) {
            row.moments.row(kernel, tile, channel, r * grid.stride, centres[channel], row.work, row.mean, row.variance);
            const std::size_t at = (channel * rows + r) * cols + part.first_col;
            kernel.store_statistics(row.mean, row.variance, tile.cols, mean + at, sd + at);
        }
    };
    parallel_for(frame.channels * parts.count(), threads, body);
}

}  // namespace shiftvae
