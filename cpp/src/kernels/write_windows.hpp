// Writes normalised windows at the speed of memory. Only for kernels.cpp.
//
// Large outputs go past the caches: straight from the registers if every line of a window consists of whole aligned
// vectors of some length, else through a stage in L1. In the stage whole vectors are stored even at the end of a line;
// the next line overwrites what they write beyond it.
#pragma once

#include "lines.hpp"
#include "simd.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

constexpr std::size_t line_floats = cache_line / sizeof(float);

inline void stream_line(float* to, const float* from) noexcept {
    for (std::size_t i = 0; i < line_floats; i += Widest::lanes) Widest::stream(to + i, Widest::load(from + i));
}

// Lines leave the stage one by one while others are computed, so that neither memory nor arithmetic waits, but only
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
        if (skip_) {  // the floats before the output are not ours
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

template <class V>
struct FloatScale {
    typename V::Float high, scale, low;
    FloatScale(double mean, double by) noexcept {
        constexpr double most = 3.4028234663852886e38;
        const float near = static_cast<float>(mean), factor = static_cast<float>(by < most ? by : most);
        high = V::all(near);
        scale = V::all(factor);
        low = V::all(static_cast<float>((mean - static_cast<double>(near)) * static_cast<double>(factor)));
    }
    typename V::Float operator()(const float* x) const noexcept { return V::scaled(x, high, scale, low); }
};

template <class V>
struct DoubleScale {
    typename V::Double mean, scale;
    DoubleScale(double centre, double by) noexcept : mean(V::all(centre)), scale(V::all(by)) {}
    typename V::Float operator()(const double* x) const noexcept { return V::scaled(x, mean, scale); }
};

// Work over the vectors of a line. Common numbers of vectors are compile-time constants, which is faster; 0 stands for
// any number.
template <std::size_t n>
struct Constant {
    static constexpr std::size_t value = n;
};
template <class Work>
inline void with_constant(std::size_t vectors, Work work) noexcept {
    switch (vectors) {
        case 1: return work(Constant<1>{});
        case 2: return work(Constant<2>{});
        case 3: return work(Constant<3>{});
        case 4: return work(Constant<4>{});
        case 6: return work(Constant<6>{});
        case 8: return work(Constant<8>{});
        default: return work(Constant<0>{});
    }
}

// The row that write_windows writes.
template <class S>
struct Request {
    const S* const* lines;
    WindowRow row;
    const double *mean, *scale;
    std::size_t pitch;
    float *out, *stage;

    std::size_t size() const noexcept { return row.channels * row.height * row.width; }
};

template <class V, template <class> class Scale, std::size_t vectors, class S>
void stream_row(const Request<S>& r) noexcept {
    float* to = r.out;
    for (std::size_t col = 0; col < r.row.cols; ++col)
        for (std::size_t c = 0; c < r.row.channels; ++c) {
            const Scale<V> by(r.mean[c * r.pitch + col], r.scale[c * r.pitch + col]);
            for (std::size_t y = 0; y < r.row.height; ++y) {
                const S* from = r.lines[c * r.row.height + y] + col * r.row.stride;
                const std::size_t end = vectors ? vectors * V::lanes : r.row.width;
                for (std::size_t at = 0; at < end; at += V::lanes) V::stream(to + at, by(from + at));
                to += end;
            }
        }
    end_stream();
}

// True if the row could be streamed in vectors V: everything in it is a whole aligned vector.
template <class V, template <class> class Scale, class S>
bool streamed(const Request<S>& r) noexcept {
    if (r.row.width % V::lanes || reinterpret_cast<std::uintptr_t>(r.out) % (V::lanes * sizeof(float))) return false;
    with_constant(r.row.width / V::lanes,
                  [&r](auto vectors) noexcept { stream_row<V, Scale, decltype(vectors)::value>(r); });
    return true;
}

template <template <class> class Scale, std::size_t vectors, class S>
void stage_row(const Request<S>& r, bool large) noexcept {
    const WindowRow row = r.row;
    const std::size_t block = row.width < stage_block ? stage_block / row.width : 1;
    // Unless they are streamed, the windows within a vector of the end of the output go through the stage, so that
    // nothing is written beyond the output.
    const std::size_t tail = (Widest::lanes + r.size() - 1) / r.size();
    const std::size_t direct = large || tail > row.cols ? 0 : row.cols - tail;
    float* to = direct ? r.out : r.stage;
    Stream stream(r.out, r.stage);
    for (std::size_t col = 0; col < row.cols; ++col) {
        if (col == direct) to = r.stage;
        for (std::size_t c = 0; c < row.channels; ++c) {
            const Scale<Widest> by(r.mean[c * r.pitch + col], r.scale[c * r.pitch + col]);
            for (std::size_t y = 0; y < row.height; y += block) {
                const std::size_t count = row.height - y < block ? row.height - y : block;
                float* line = large ? stream.end() : to;
                for (std::size_t i = 0; i < count; ++i, line += row.width) {
                    const S* from = r.lines[c * row.height + y + i] + col * row.stride;
                    const std::size_t end = vectors ? vectors * Widest::lanes : row.width;
                    for (std::size_t at = 0; at < end; at += Widest::lanes) Widest::store(line + at, by(from + at));
                }
                if (large)
                    stream.grow(count * row.width);
                else
                    to = line;
            }
        }
    }
    if (large)
        stream.finish();
    else
        memcpy(r.out + direct * r.size(), r.stage, (row.cols - direct) * r.size() * sizeof(float));
}

template <class S, template <class> class Scale>
void write_windows(const S* const* lines, WindowRow row, const double* mean, const double* scale, std::size_t pitch,
                   float* out, float* stage, bool large) noexcept {
    const Request<S> r{lines, row, mean, scale, pitch, out, stage};
#if defined(__AVX512F__)
    if (large && streamed<Floats16, Scale>(r)) return;
#endif
#if defined(__AVX2__)
    if (large && streamed<Floats8, Scale>(r)) return;
#endif
#if defined(SHIFTVAE_SSE2)
    if (large && streamed<Floats4, Scale>(r)) return;
#endif
    with_constant((row.width + Widest::lanes - 1) / Widest::lanes,
                  [&r, large](auto vectors) noexcept { stage_row<Scale, decltype(vectors)::value>(r, large); });
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
