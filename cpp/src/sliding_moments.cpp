#include "window_tile.hpp"

#include <algorithm>
#include <cmath>

namespace shiftvae {
namespace {

constexpr std::size_t pixel_sizes[pixel_types] = {1, 2, 2, 4, 4, 4, 8};

void keep_every(double* values, std::size_t count, std::size_t stride) noexcept {
    if (stride == 1) return;
    for (std::size_t i = 0; i < count; ++i) values[i] = values[i * stride];
}

// A constant near the pixels of a channel, for sums that are not exact: the mean of about a thousand pixels.
double centre_of(const FrameView& frame, std::size_t channel) noexcept {
    const std::size_t lines = std::min<std::size_t>(frame.height, 32), columns = std::min<std::size_t>(frame.width, 32);
    double sum = 0, count = 0;
    for (std::size_t i = 0; i < lines; ++i)
        for (std::size_t j = 0; j < columns; ++j) {
            const Tile pixel{frame, 1, 1, 1, j * frame.width / columns, 1};
            double value = 0, variance = 0;
            kernels().window_moments[static_cast<int>(frame.type)](pixel.window(channel, i * frame.height / lines, 0),
                                                                   &value, &variance);
            if (!std::isfinite(value)) continue;
            sum += value;
            count += 1;
        }
    return count > 0 ? sum / count : 0;
}

}  // namespace

Lines Tile::lines(std::size_t channel, std::size_t y, std::size_t count) const noexcept {
    const char* line = static_cast<const char*>(frame.line(channel, y));
    return {line + x * pixel_sizes[static_cast<int>(frame.type)], frame.line_stride, count, width()};
}

Lines Tile::window(std::size_t channel, std::size_t y, std::size_t col) const noexcept {
    const char* line = static_cast<const char*>(frame.line(channel, y));
    return {line + (x + col * stride) * pixel_sizes[static_cast<int>(frame.type)], frame.line_stride, window_height,
            window_width};
}

bool sums_are_exact(PixelType type, std::size_t window_pixels) noexcept {
    return pixel_sizes[static_cast<int>(type)] <= 2 && window_pixels <= std::size_t{1} << 20U;
}

bool held_as_double(PixelType type) noexcept {
    return type == PixelType::uint32 || type == PixelType::int32 || type == PixelType::float64;
}

std::vector<double> centres_of(const FrameView& frame, std::size_t window_pixels, const double* given) {
    std::vector<double> centres(frame.channels, 0.0);
    if (sums_are_exact(frame.type, window_pixels)) return centres;
    for (std::size_t c = 0; c < frame.channels; ++c) centres[c] = given ? given[c] : centre_of(frame, c);
    return centres;
}

SlidingMoments::SlidingMoments(Arena& arena, std::size_t width) noexcept
    : sum_(arena.take<double>(width)), square_(arena.take<double>(width)) {}

SlidingMoments::Work::Work(Arena& arena, std::size_t width) noexcept
    : window_sum(arena.take<double>(width)),
      window_square(arena.take<double>(width)),
      scratch_a(arena.take<double>(width)),
      scratch_b(arena.take<double>(width)) {}

void SlidingMoments::row(const Kernels& kernels, const Tile& tile, std::size_t channel, std::size_t y, double centre,
                         const Work& work, double* mean, double* variance) noexcept {
    const int type = static_cast<int>(tile.frame.type);
    const std::size_t width = tile.width(), pixels = tile.window_height * tile.window_width;
    const bool exact = sums_are_exact(tile.frame.type, pixels);
    if (started_ && exact && 2 * tile.stride <= tile.window_height) {
        const Lines enter = tile.lines(channel, y + tile.window_height - tile.stride, tile.stride);
        kernels.slide_lines[type](enter, tile.lines(channel, y - tile.stride, tile.stride).first, sum_, square_);
    } else {
        // Sums that are not exact start from zero: nothing of earlier lines, or of another thread's rows, stays in
        // them.
        std::fill_n(sum_, width, 0.0);
        std::fill_n(square_, width, 0.0);
        kernels.add_lines[type](tile.lines(channel, y, tile.window_height), centre, sum_, square_);
        started_ = true;
    }
    const std::size_t places = (tile.cols - 1) * tile.stride + 1;
    kernels.sliding_sum(sum_, places, tile.window_width, work.window_sum, work.scratch_a, work.scratch_b);
    kernels.sliding_sum(square_, places, tile.window_width, work.window_square, work.scratch_a, work.scratch_b);
    keep_every(work.window_sum, tile.cols, tile.stride);
    keep_every(work.window_square, tile.cols, tile.stride);
    kernels.moments(work.window_sum, work.window_square, tile.cols, static_cast<double>(pixels), centre, exact, mean,
                    variance);
    if (exact) return;
    for (std::size_t col = 0; col < tile.cols; ++col)
        if (variance[col] < 0) kernels.window_moments[type](tile.window(channel, y, col), mean + col, variance + col);
}

}  // namespace shiftvae
