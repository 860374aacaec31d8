#include "shiftvae/windows.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "shiftvae/thread_pool.hpp"

namespace shiftvae {
namespace {

double pixel(const void* line, PixelType type, std::size_t x) {
    switch (type) {
        case PixelType::uint8: return static_cast<const std::uint8_t*>(line)[x];
        case PixelType::uint16: return static_cast<const std::uint16_t*>(line)[x];
        case PixelType::int16: return static_cast<const std::int16_t*>(line)[x];
        case PixelType::uint32: return static_cast<const std::uint32_t*>(line)[x];
        case PixelType::int32: return static_cast<const std::int32_t*>(line)[x];
        case PixelType::float32: return static_cast<const float*>(line)[x];
        case PixelType::float64: return static_cast<const double*>(line)[x];
    }
    return 0;
}

struct Moments {
    double mean, variance, min, max;
};

Moments moments(const FrameView& f, std::size_t c, std::size_t y, std::size_t x, std::size_t h, std::size_t w) {
    Moments m{0, 0, INFINITY, -INFINITY};
    for (std::size_t i = 0; i < h; ++i)
        for (std::size_t j = 0; j < w; ++j) {
            const double v = pixel(f.line(c, y + i), f.type, x + j);
            m.mean += v;
            m.min = std::min(m.min, v);
            m.max = std::max(m.max, v);
        }
    m.mean /= static_cast<double>(h * w);
    if (m.min == m.max) m.mean = m.min;
    for (std::size_t i = 0; i < h; ++i)
        for (std::size_t j = 0; j < w; ++j) {
            const double d = pixel(f.line(c, y + i), f.type, x + j) - m.mean;
            m.variance += d * d;
        }
    m.variance /= static_cast<double>(h * w);
    return m;
}

void extract(const FrameView& f, std::size_t y, std::size_t x, std::size_t h, std::size_t w, Scaling s, float* out) {
    std::vector<Moments> all;
    double variance = 0;
    for (std::size_t c = 0; c < f.channels; ++c) {
        all.push_back(moments(f, c, y, x, h, w));
        variance += all[c].variance / static_cast<double>(f.channels);
    }
    const double sd = std::max(std::sqrt(variance), s.sd_floor);
    for (std::size_t c = 0; c < f.channels; ++c) {
        double centre = 0, scale = 1;
        if (s.kind == Normalisation::zscore) centre = all[c].mean, scale = sd > 0 ? 1 / sd : 0;
        if (s.kind == Normalisation::minmax) {
            centre = all[c].min;
            scale = all[c].max > all[c].min ? 1 / (all[c].max - all[c].min) : 0;
        }
        for (std::size_t i = 0; i < h; ++i)
            for (std::size_t j = 0; j < w; ++j)
                *out++ = static_cast<float>((pixel(f.line(c, y + i), f.type, x + j) - centre) * scale);
    }
}

}  // namespace

void extract_windows(const FrameView& frame, const Grid& grid, Scaling scaling, float* out, unsigned threads) {
    const std::size_t size = frame.channels * grid.window_height * grid.window_width;
    auto row = [&](std::size_t r) {
        for (std::size_t c = 0; c < grid.cols(); ++c)
            extract(frame, r * grid.stride, c * grid.stride, grid.window_height, grid.window_width, scaling,
                    out + (r * grid.cols() + c) * size);
    };
    parallel_for(grid.rows(), threads, row);
}

void extract_windows_at(const FrameView& frame, const std::int64_t* origins, std::size_t count,
                        std::size_t window_height, std::size_t window_width, Scaling scaling, float* out,
                        unsigned threads) {
    const std::size_t size = frame.channels * window_height * window_width;
    auto one = [&](std::size_t i) {
        extract(frame, static_cast<std::size_t>(origins[2 * i]), static_cast<std::size_t>(origins[2 * i + 1]),
                window_height, window_width, scaling, out + i * size);
    };
    parallel_for(count, threads, one);
}

void window_statistics(const FrameView& frame, const Grid& grid, float* mean, float* sd, unsigned threads) {
    const std::size_t rows = grid.rows(), cols = grid.cols();
    auto line = [&](std::size_t i) {
        for (std::size_t c = 0; c < cols; ++c) {
            const Moments m = moments(frame, i / rows, (i % rows) * grid.stride, c * grid.stride, grid.window_height,
                                      grid.window_width);
            mean[i * cols + c] = static_cast<float>(m.mean);
            sd[i * cols + c] = static_cast<float>(std::sqrt(m.variance));
        }
    };
    parallel_for(frame.channels * rows, threads, line);
}

}  // namespace shiftvae
