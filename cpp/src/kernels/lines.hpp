// Kernels over lines of pixels of one type: copies to scratch memory, column sums, bounds, conversion. Only for
// kernels.cpp.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels.hpp"

#if defined(_MSC_VER)
#define SHIFTVAE_RESTRICT __restrict
#define SHIFTVAE_NOINLINE __declspec(noinline)
#else
#define SHIFTVAE_RESTRICT __restrict__
#define SHIFTVAE_NOINLINE __attribute__((noinline))
#endif

namespace shiftvae {
namespace SHIFTVAE_ISA {

template <class T>
struct Scratch {
    using type = double;
};
template <>
struct Scratch<std::uint8_t> {
    using type = float;
};
template <>
struct Scratch<std::uint16_t> {
    using type = float;
};
template <>
struct Scratch<std::int16_t> {
    using type = float;
};
template <>
struct Scratch<float> {
    using type = float;
};

template <class T>
inline const T* line_at(Lines lines, std::size_t y) {
    return reinterpret_cast<const T*>(static_cast<const char*>(lines.first) +
                                      static_cast<std::ptrdiff_t>(y) * lines.stride);
}

template <class T>
void load_lines(Lines lines, std::size_t pitch, void* scratch) noexcept {
    using S = typename Scratch<T>::type;
    for (std::size_t y = 0; y < lines.count; ++y) {
        const T* SHIFTVAE_RESTRICT from = line_at<T>(lines, y);
        S* SHIFTVAE_RESTRICT to = static_cast<S*>(scratch) + y * pitch;
        for (std::size_t x = 0; x < lines.width; ++x) to[x] = static_cast<S>(from[x]);
        for (std::size_t x = lines.width; x < lines.width + longest_vector; ++x) to[x] = 0;
    }
}

template <class T>
void add_lines(Lines lines, double centre, double* SHIFTVAE_RESTRICT sum, double* SHIFTVAE_RESTRICT square) noexcept {
    for (std::size_t y = 0; y < lines.count; ++y) {
        const T* SHIFTVAE_RESTRICT from = line_at<T>(lines, y);
        for (std::size_t x = 0; x < lines.width; ++x) {
            const double v = static_cast<double>(from[x]) - centre;
            sum[x] += v;
            square[x] += v * v;
        }
    }
}

template <class T>
void slide_lines(Lines enter, const void* leave, double* SHIFTVAE_RESTRICT sum,
                 double* SHIFTVAE_RESTRICT square) noexcept {
    Lines left = enter;
    left.first = leave;
    for (std::size_t y = 0; y < enter.count; ++y) {
        const T* SHIFTVAE_RESTRICT in = line_at<T>(enter, y);
        const T* SHIFTVAE_RESTRICT out = line_at<T>(left, y);
        for (std::size_t x = 0; x < enter.width; ++x) {
            const double a = static_cast<double>(in[x]), b = static_cast<double>(out[x]);
            sum[x] += a - b;
            square[x] += (a - b) * (a + b);
        }
    }
}

template <class T>
void bound_lines(Lines lines, double* SHIFTVAE_RESTRICT low, double* SHIFTVAE_RESTRICT high) noexcept {
    for (std::size_t y = 0; y < lines.count; ++y) {
        const T* SHIFTVAE_RESTRICT from = line_at<T>(lines, y);
        for (std::size_t x = 0; x < lines.width; ++x) {
            const double v = static_cast<double>(from[x]);
            low[x] = y && low[x] < v ? low[x] : v;
            high[x] = y && high[x] > v ? high[x] : v;
        }
    }
}

template <class T>
void window_moments(Lines window, double* mean, double* variance) noexcept {
    // Eight sums side by side on every instruction set: the same rounding everywhere.
    constexpr std::size_t side = 8;
    const double n = static_cast<double>(window.count) * static_cast<double>(window.width);
    const double first = static_cast<double>(*line_at<T>(window, 0));
    bool constant = true;
    double centre = first;
    for (int pass = 0; pass < 2; ++pass) {
        double sum[side] = {};
        for (std::size_t y = 0; y < window.count; ++y) {
            const T* SHIFTVAE_RESTRICT line = line_at<T>(window, y);
            for (std::size_t x = 0; x < window.width; x += side) {
                const std::size_t here = window.width - x < side ? window.width - x : side;
                for (std::size_t i = 0; i < here; ++i) {
                    const double d = static_cast<double>(line[x + i]) - centre;
                    constant &= pass > 0 || d == 0;
                    sum[i] += pass ? d * d : d;
                }
            }
        }
        double total = 0;
        for (std::size_t i = 0; i < side; ++i) total += sum[i];
        if (pass == 0) {
            centre = constant ? first : first + total / n;
            *mean = centre;
        } else {
            *variance = total / n;
        }
    }
}

template <class T>
bool convert_line(const void* line, std::size_t width, double centre, float* SHIFTVAE_RESTRICT out) noexcept {
    const T* SHIFTVAE_RESTRICT from = static_cast<const T*>(line);
    std::int32_t finite = 1;
    for (std::size_t x = 0; x < width; ++x) {
        const float v = static_cast<float>(static_cast<double>(from[x]) - centre);
        out[x] = v;
        finite &= v - v == 0;  // NaN for NaN and infinity
    }
    return finite != 0;
}

template <class T>
bool difference_line(const void* line, const void* above, std::size_t width, float* SHIFTVAE_RESTRICT along,
                     float* SHIFTVAE_RESTRICT down) noexcept {
    using S = typename Scratch<T>::type;  // counts of 8 and 16 bit are exact in float, and so are their differences
    const T *SHIFTVAE_RESTRICT here = static_cast<const T*>(line),
                               *SHIFTVAE_RESTRICT before = static_cast<const T*>(above);
    std::int32_t finite = 1;
    for (std::size_t x = 0; x + 1 < width; ++x) {
        const S value = static_cast<S>(here[x]);
        const float right = static_cast<float>(static_cast<S>(here[x + 1]) - value);
        const float below = static_cast<float>(value - static_cast<S>(before[x]));
        along[x] = right;
        down[x] = below;
        finite &= (right - right == 0) & (below - below == 0);
    }
    return finite != 0;
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
