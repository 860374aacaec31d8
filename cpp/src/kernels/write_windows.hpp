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

// Lines leave the stage one by one while others are computed, so that neither memory nor arithmetic waits; but only
// `lag` floats after they were stored, when they have arrived in L1.
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
        while (fill_ >= sent_ + lag) send();
        if (fill_ >= stage_threshold) rewind();
    }
    void finish() noexcept {
        while (fill_ >= sent_ + line_floats) send();
        if (fill_ > sent_ + skip_)
            memcpy(line_ + sent_ + skip_, stage_ + sent_ + skip_, (fill_ - sent_ - skip_) * sizeof(float));
        end_stream();
    }

private:
    static constexpr std::size_t lag = 256;

    void send() noexcept {
        if (skip_) {  // the floats before the output belong to somebody else
            memcpy(line_ + skip_, stage_ + skip_, (line_floats - skip_) * sizeof(float));
            skip_ = 0;
        } else {
            stream_line(line_ + sent_, stage_ + sent_);
        }
        sent_ += line_floats;
    }
    void rewind() noexcept {
        memcpy(stage_, stage_ + sent_, (fill_ - sent_) * sizeof(float));  // fewer than lag
        line_ += sent_;
        fill_ -= sent_;
        sent_ = 0;
    }

    float *stage_, *line_;
    std::size_t fill_, skip_, sent_ = 0;
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

// Some lines of a window, `vectors` vectors each; 0: as many as the width needs. A constant here saves half the time.
template <std::size_t vectors, class S, class Scale>
inline void write_lines(const S* const* lines, std::size_t count, std::size_t x, std::size_t width, Scale scale,
                        float* to) noexcept {
    for (std::size_t y = 0; y < count; ++y, to += width) {
        const S* from = lines[y] + x;
        const std::size_t end = vectors ? vectors * lanes : width;
        for (std::size_t at = 0; at < end; at += lanes) store(to + at, scale(from + at));
    }
}

template <std::size_t vectors, class S, class Scale>
void write_row(const S* const* lines, WindowRow row, const double* mean, const double* scale, std::size_t pitch,
               float* out, float* stage, bool stream) noexcept {
    const std::size_t size = row.channels * row.height * row.width;
    const std::size_t block = row.width < stage_block ? stage_block / row.width : 1;
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
            for (std::size_t y = 0; y < row.height; y += block) {
                const std::size_t count = row.height - y < block ? row.height - y : block;
                const S* const* from = lines + c * row.height + y;
                write_lines<vectors>(from, count, col * row.stride, row.width, by, stream ? streamed.end() : to);
                if (stream)
                    streamed.grow(count * row.width);
                else
                    to += count * row.width;
            }
        }
    }
    if (stream)
        streamed.finish();
    else
        memcpy(out + direct * size, stage, (row.cols - direct) * size * sizeof(float));
}

template <class S, class Scale>
void write_windows(const S* const* lines, WindowRow row, const double* mean, const double* scale, std::size_t pitch,
                   float* out, float* stage, bool stream) noexcept {
    switch ((row.width + lanes - 1) / lanes) {
        case 1: return write_row<1, S, Scale>(lines, row, mean, scale, pitch, out, stage, stream);
        case 2: return write_row<2, S, Scale>(lines, row, mean, scale, pitch, out, stage, stream);
        case 3: return write_row<3, S, Scale>(lines, row, mean, scale, pitch, out, stage, stream);
        case 4: return write_row<4, S, Scale>(lines, row, mean, scale, pitch, out, stage, stream);
        case 6: return write_row<6, S, Scale>(lines, row, mean, scale, pitch, out, stage, stream);
        case 8: return write_row<8, S, Scale>(lines, row, mean, scale, pitch, out, stage, stream);
        default: return write_row<0, S, Scale>(lines, row, mean, scale, pitch, out, stage, stream);
    }
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
