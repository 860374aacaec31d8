#include "shiftvae/windows.hpp"

#include <algorithm>
#include <vector>

#include "shiftvae/thread_pool.hpp"
#include "window_parts.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t streamed_bytes = 8U << 20U;  // larger outputs leave the caches before they are read

// The state of a worker that extracts the windows of a tile.
class Extractor {
public:
    Extractor(Arena& arena, const Tile& tile)
        : ring_(arena, tile), scaling_(arena, tile), stage_(arena.take<float>(stage_size(row_of(tile)))) {}

    void start() noexcept {
        ring_.start();
        scaling_.start();
    }

    void row(const WindowKernels& kernels, const Tile& tile, std::size_t y, Scaling scaling, const double* centres,
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

std::size_t extractor_bytes(const Tile& tile) {
    Arena count;
    const Extractor layout(count, tile);
    return count.used();
}

}  // namespace

void extract_windows(const FrameView& frame, const Grid& grid, Scaling scaling, const double* centre, float* out,
                     unsigned threads) {
    const WindowKernels& kernel = window_kernels();
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
    const WindowKernels& kernel = window_kernels();
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

}  // namespace shiftvae
