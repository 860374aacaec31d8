#include "shiftvae/windows.hpp"

#include <algorithm>
#include <vector>

#include "shiftvae/thread_pool.hpp"
#include "window_tile.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t tile_bytes = 512 * 1024;      // of converted lines, half of a usual L2
constexpr std::size_t least_tile = 64;              // windows
constexpr std::size_t most_tile = 2048;             // windows
constexpr std::size_t streamed_bytes = 8U << 20U;   // larger outputs leave the caches before they are read
constexpr std::size_t worth_a_thread = 256 * 1024;  // bytes: below, waking a thread costs more than it saves

// Division of the grid of windows among threads: tiles of columns, each in chunks of rows.
struct Parts {
    std::size_t rows, cols, chunks, tiles;

    Parts(const Grid& grid, std::size_t bytes_a_column, unsigned threads) noexcept
        : rows(grid.rows()), cols(grid.cols()) {
        const std::size_t width = tile_bytes / bytes_a_column;
        std::size_t tile = width > grid.window_width ? (width - grid.window_width) / grid.stride + 1 : 1;
        tile = std::min(std::max(tile, least_tile), most_tile);
        tiles = (cols + tile - 1) / tile;
        chunks = threads < 2 ? 1 : std::min(rows, (4 * threads + tiles - 1) / tiles);
        if (chunks * tiles < threads) tiles = std::max(tiles, std::min<std::size_t>(threads, cols / least_tile));
    }
    std::size_t count() const noexcept { return chunks * tiles; }
    std::size_t widest() const noexcept { return (cols + tiles - 1) / tiles; }

    struct Part {
        std::size_t first_row, end_row, first_col, end_col;
    };
    Part at(std::size_t i) const noexcept {
        const std::size_t chunk = i / tiles, tile = i % tiles;
        return {rows * chunk / chunks, rows * (chunk + 1) / chunks, cols * tile / tiles, cols * (tile + 1) / tiles};
    }
};

Tile tile_of(const FrameView& frame, const Grid& grid, std::size_t first_col, std::size_t cols) noexcept {
    return {frame, grid.window_height, grid.window_width, grid.stride, first_col * grid.stride, cols};
}

unsigned worth(unsigned threads, std::size_t bytes) noexcept { return bytes < worth_a_thread ? 1 : threads; }

// The state of a worker that extracts the windows of a tile.
class Extractor {
public:
    Extractor(Arena& arena, const Tile& tile)
        : ring_(arena, tile), scaling_(arena, tile), stage_(arena.take<float>(stage_size(row_of(tile)))) {}

    void start() noexcept {
        ring_.start();
        scaling_.start();
    }

    void row(const Kernels& kernels, const Tile& tile, std::size_t y, Scaling scaling, const double* centres,
             float* out, bool stream) noexcept {
        scaling_.row(kernels, tile, y, scaling, centres);
        const void* const* lines = ring_.row(kernels, tile, y);
        if (held_as_double(tile.frame.type))
            kernels.write_windows_double(reinterpret_cast<const double* const*>(lines), row_of(tile), scaling_.mean(),
                                         scaling_.scale(), tile.cols, out, stage_, stream);
        else
            kernels.write_windows_float(reinterpret_cast<const float* const*>(lines), row_of(tile), scaling_.mean(),
                                        scaling_.scale(), tile.cols, out, stage_, stream);
    }

private:
    static WindowRow row_of(const Tile& tile) noexcept {
        return {tile.frame.channels, tile.window_height, tile.window_width, tile.cols, tile.stride};
    }

    LineRing ring_;
    WindowScaling scaling_;
    float* stage_;
};

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

std::size_t extractor_bytes(const Tile& tile) {
    Arena count;
    const Extractor layout(count, tile);
    return count.used();
}

}  // namespace

void extract_windows(const FrameView& frame, const Grid& grid, Scaling scaling, const double* centre, float* out,
                     unsigned threads) {
    const Kernels& kernel = kernels();
    const std::size_t pixels = grid.window_height * grid.window_width, size = frame.channels * pixels;
    const std::size_t bytes = grid.rows() * grid.cols() * size * sizeof(float);
    threads = worth(threads, bytes);
    const std::size_t element = held_as_double(frame.type) ? sizeof(double) : sizeof(float);
    const Parts parts(grid, frame.channels * grid.window_height * element, threads);
    const Scratch scratch(extractor_bytes(tile_of(frame, grid, 0, parts.widest())), threads);
    const std::vector<double> centres = centres_of(frame, pixels, centre);
    auto body = [&](std::size_t i, unsigned worker) noexcept {
        const Parts::Part part = parts.at(i);
        const Tile tile = tile_of(frame, grid, part.first_col, part.end_col - part.first_col);
        Arena arena(scratch.of(worker));
        Extractor extractor(arena, tile);
        extractor.start();
        for (std::size_t r = part.first_row; r < part.end_row; ++r)
            extractor.row(kernel, tile, r * grid.stride, scaling, centres.data(),
                          out + (r * grid.cols() + part.first_col) * size, bytes > streamed_bytes);
    };
    parallel_for(parts.count(), threads, body);
}

void extract_windows_at(const FrameView& frame, const std::int64_t* origins, std::size_t count,
                        std::size_t window_height, std::size_t window_width, Scaling scaling, float* out,
                        unsigned threads) {
    constexpr std::size_t together = 16;
    const Kernels& kernel = kernels();
    const std::size_t pixels = window_height * window_width, size = frame.channels * pixels;
    const std::size_t bytes = count * size * sizeof(float);
    threads = worth(threads, bytes);
    const Scratch scratch(extractor_bytes({frame, window_height, window_width, 1, 0, 1}), threads);
    const std::vector<double> centres = centres_of(frame, pixels, nullptr);
    auto body = [&](std::size_t i, unsigned worker) noexcept {
        Tile tile{frame, window_height, window_width, 1, 0, 1};
        Arena arena(scratch.of(worker));
        Extractor extractor(arena, tile);
        for (std::size_t k = i * together; k < std::min(count, (i + 1) * together); ++k) {
            tile.x = static_cast<std::size_t>(origins[2 * k + 1]);
            extractor.start();
            extractor.row(kernel, tile, static_cast<std::size_t>(origins[2 * k]), scaling, centres.data(),
                          out + k * size, bytes > streamed_bytes);
        }
    };
    parallel_for((count + together - 1) / together, threads, body);
}

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
