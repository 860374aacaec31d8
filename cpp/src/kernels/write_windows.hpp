// Normalised windows into memory as fast as it takes them. Only for kernels.cpp.
//
// Windows follow each other without a gap in the output, of which only 4-byte alignment is known. Large outputs
// therefore go through a stage that lies in L1: filled with plain stores, emptied in whole cache lines past the caches.
// Whole vectors are stored also at the end of a line; what they write too far, the next line overwrites.
#pragma once

#include "lines.hpp"
#include "simd.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

constexpr std::size_t line_floats = cache_line / sizeof(float);

// The last partial line waits at the start of the stage for the floats that complete it.
class Stream {
public:
    Stream(float* out, float* stage) noexcept : stage_(stage) {
        const std::size_t into_line = reinterpret_cast<std::uintptr_t>(out) % cache_line / sizeof(float);
        line_ = out - into_line;
        skip_ = fill_ = into_line;
    }
    float* end() noexcept { return stage_ + fill_; }
    void grow(std::size_t floats) noexcept {
        fill_ += floats;
        if (fill_ >= stage_threshold) flush();
    }
    void finish() noexcept {
        flush();
        if (fill_ > skip_) memcpy(line_ + skip_, stage_ + skip_, (fill_ - skip_) * sizeof(float));
        end_stream();
    }

private:
    void flush() noexcept {
        const std::size_t whole = fill_ / line_floats * line_floats;
        std::size_t at = 0;
        if (skip_ && whole) {  // the floats before the output belong to somebody else
            memcpy(line_ + skip_, stage_ + skip_, (line_floats - skip_) * sizeof(float));
            skip_ = 0;
            at = line_floats;
        }
        for (; at < whole; at += line_floats) stream_line(line_ + at, stage_ + at);
        if (whole) memcpy(stage_, stage_ + whole, line_floats * sizeof(float));
        line_ += whole;
        fill_ -= whole;
    }

    float *stage_, *line_;
    std::size_t fill_, skip_;
};

inline void stream_fill(float* out, std::size_t count, float value) noexcept {
    alignas(cache_line) float line[line_floats];
    for (std::size_t i = 0; i < line_floats; ++i) line[i] = value;
    for (std::size_t at = 0; at + line_floats <= count; at += line_floats) stream_line(out + at, line);
    end_stream();
}

struct FloatScale {
    Vector high, scale, low;
    FloatScale(double mean, double by) noexcept {
        constexpr double most = 3.4028234663852886e38;
        const float near = static_cast<float>(mean), factor = static_cast<float>(by < most ? by : most);
        high = all(near);
        scale = all(factor);
        low = all(static_cast<float>((mean - static_cast<double>(near)) * static_cast<double>(factor)));
    }
    Vector operator()(const float* x) const noexcept { return normalised(x, high, scale, low); }
};

struct DoubleScale {
    Doubles mean, scale;
    DoubleScale(double centre, double by) noexcept : mean(all_doubles(centre)), scale(all_doubles(by)) {}
    Vector operator()(const double* x) const noexcept { return normalised(x, mean, scale); }
};

template <class S, class Scale>
inline void write_line(const S* from, std::size_t width, Scale scale, float* to) noexcept {
    for (std::size_t x = 0; x < width; x += lanes) store(to + x, scale(from + x));
}

template <class S, class Scale>
void write_windows(const S* const* lines, WindowRow row, const double* mean, const double* scale, std::size_t pitch,
                   float* out, float* stage, bool stream) noexcept {
    const std::size_t size = row.channels * row.height * row.width;
    // Without a stream, the windows within a vector of the end of the output go through the stage: nothing is written
    // beyond it.
    const std::size_t tail_windows = (lanes + size - 1) / size;
    const std::size_t direct = stream || tail_windows > row.cols ? 0 : row.cols - tail_windows;
    float* to = direct ? out : stage;
    Stream streamed(out, stage);
    for (std::size_t col = 0; col < row.cols; ++col) {
        if (col == direct) to = stage;
        for (std::size_t c = 0; c < row.channels; ++c) {
            const Scale by(mean[c * pitch + col], scale[c * pitch + col]);
            const S* const* channel = lines + c * row.height;
            for (std::size_t y = 0; y < row.height; ++y) {
                const S* from = channel[y] + col * row.stride;
                if (stream) {
                    write_line(from, row.width, by, streamed.end());
                    streamed.grow(row.width);
                } else {
                    write_line(from, row.width, by, to);
                    to += row.width;
                }
            }
        }
    }
    if (stream)
        streamed.finish();
    else
        memcpy(out + direct * size, stage, (row.cols - direct) * size * sizeof(float));
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
