#include "window_tile.hpp"

#include <algorithm>

namespace shiftvae {

void window_bounds(const WindowKernels& kernels, const Tile& tile, std::size_t channel, std::size_t y,
                   const SlidingMoments::Work& work, double* low, double* high) noexcept {
    double *column_low = work.window_sum, *column_high = work.window_square;
    kernels.bound_lines[static_cast<int>(tile.frame.type)](tile.lines(channel, y, tile.window_height), column_low,
                                                           column_high);
    const std::size_t places = (tile.cols - 1) * tile.stride + 1;
    // The input is last read in the first doubling, so it serves as scratch for the second.
    kernels.sliding_min(column_low, places, tile.window_width, work.scratch_a, work.scratch_b, column_low);
    for (std::size_t col = 0; col < tile.cols; ++col) low[col] = work.scratch_a[col * tile.stride];
    kernels.sliding_max(column_high, places, tile.window_width, work.scratch_a, work.scratch_b, column_high);
    for (std::size_t col = 0; col < tile.cols; ++col) high[col] = work.scratch_a[col * tile.stride];
}

WindowScaling::WindowScaling(Arena& arena, const Tile& tile) noexcept
    : work_(arena, tile.width()),
      mean_(arena.take<double>(tile.frame.channels * tile.cols)),
      scale_(arena.take<double>(tile.frame.channels * tile.cols)),
      variance_(arena.take<double>(tile.cols)),
      moments_(arena.take<SlidingMoments>(tile.frame.channels)) {
    for (std::size_t c = 0; c < tile.frame.channels; ++c) {
        const SlidingMoments own(arena, tile.width());
        if (moments_) moments_[c] = own;
    }
}

void WindowScaling::row(const WindowKernels& kernels, const Tile& tile, std::size_t y, Scaling scaling,
                        const double* centres) noexcept {
    const std::size_t channels = tile.frame.channels, cols = tile.cols;
    if (scaling.kind == Normalisation::none && fresh_) {
        std::fill_n(mean_, channels * cols, 0.0);
        std::fill_n(scale_, channels * cols, 1.0);
    }
    if (scaling.kind == Normalisation::zscore) zscore(kernels, tile, y, scaling.sd_floor, centres);
    if (scaling.kind == Normalisation::minmax)
        for (std::size_t c = 0; c < channels; ++c) {
            window_bounds(kernels, tile, c, y, work_, mean_ + c * cols, variance_);
            kernels.minmax_scale(mean_ + c * cols, variance_, cols, scale_ + c * cols);
        }
    fresh_ = false;
}

void WindowScaling::zscore(const WindowKernels& kernels, const Tile& tile, std::size_t y, double floor,
                           const double* centres) noexcept {
    const std::size_t channels = tile.frame.channels, cols = tile.cols;
    for (std::size_t c = 0; c < channels; ++c) {
        if (fresh_) moments_[c].start();
        // Variances are summed into those of the first channel; the others use memory that the scales take later.
        double* variance = c ? scale_ + c * cols : variance_;
        moments_[c].row(shiftvae::kernels(), tile, c, y, centres[c], work_, mean_ + c * cols, variance);
        if (c)
            for (std::size_t i = 0; i < cols; ++i) variance_[i] += variance[i];
    }
    kernels.zscore_scale(variance_, cols, static_cast<double>(channels), floor, scale_);
    for (std::size_t c = 1; c < channels; ++c) std::copy_n(scale_, cols, scale_ + c * cols);
}

LineRing::LineRing(Arena& arena, const Tile& tile) noexcept {
    element_ = held_as_double(tile.frame.type) ? sizeof(double) : sizeof(float);
    const std::size_t needed = (tile.width() + longest_vector) * element_;
    pitch_ = ((needed + cache_line - 1) / cache_line | 1U) * cache_line / element_;
    const std::size_t lines = tile.frame.channels * tile.window_height;
    lines_ = arena.take<char>(lines * pitch_ * element_);
    pointers_ = arena.take<const void*>(lines);
}

const void* const* LineRing::row(const WindowKernels& kernels, const Tile& tile, std::size_t y) noexcept {
    const std::size_t height = tile.window_height;
    const std::size_t fresh = started_ && tile.stride < height ? tile.stride : height;
    for (std::size_t c = 0; c < tile.frame.channels; ++c) {
        char* channel = lines_ + c * height * pitch_ * element_;
        for (std::size_t at = y + height - fresh; at < y + height;) {
            const std::size_t slot = at % height, run = std::min(y + height - at, height - slot);
            kernels.load_lines[static_cast<int>(tile.frame.type)](tile.lines(c, at, run), pitch_,
                                                                  channel + slot * pitch_ * element_);
            at += run;
        }
        for (std::size_t i = 0; i < height; ++i)
            pointers_[c * height + i] = channel + (y + i) % height * pitch_ * element_;
    }
    started_ = true;
    return pointers_;
}

}  // namespace shiftvae
