// Kernels over lines of doubles: sliding sums and bounds, moments, scales, weighted means. Only for kernels.cpp.
//
// All of them work element by element in a fixed order, so every instruction set gives the same bits.
#pragma once

#include "lines.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

inline double root(double x) {
#if defined(_MSC_VER) && !defined(__clang__)
    return sqrt(x);
#else
    return __builtin_sqrt(x);
#endif
}

inline float root(float x) {
#if defined(_MSC_VER) && !defined(__clang__)
    return sqrtf(x);
#else
    return __builtin_sqrtf(x);
#endif
}

// Nearest integer for |x| < 2**51, without SSE4.1.
inline double nearest(double x) {
    constexpr double shift = 6755399441055744.0;  // 1.5 * 2**52
    return (x + shift) - shift;
}

inline void add(const double* SHIFTVAE_RESTRICT a, const double* SHIFTVAE_RESTRICT b, std::size_t count,
                double* SHIFTVAE_RESTRICT out) noexcept {
    for (std::size_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

inline void accumulate(const double* SHIFTVAE_RESTRICT a, std::size_t count, double* SHIFTVAE_RESTRICT out) noexcept {
    for (std::size_t i = 0; i < count; ++i) out[i] += a[i];
}

// Doubling: sums over 1, 2, 4, ... values; the powers of two that add up to `window` are laid end to end.
inline void sliding_sum(const double* in, std::size_t count, std::size_t window, double* out, double* scratch_a,
                        double* scratch_b) noexcept {
    const double* current = in;
    std::size_t width = 1, offset = 0, length = count + window - 1;
    bool started = false;
    for (std::size_t bits = window;; bits >>= 1) {
        if (bits & 1) {
            if (started) {
                accumulate(current + offset, count, out);
            } else if (current != out) {
                memcpy(out, current, count * sizeof(double));
            }
            started = true;
            offset += width;
        }
        if (bits == 1) return;
        length -= width;
        double* next = bits >> 1 == 1 && !started ? out : current == scratch_a ? scratch_b : scratch_a;
        add(current, current + width, length, next);
        current = next;
        width *= 2;
    }
}

template <bool least>
inline void sliding_bound(const double* in, std::size_t count, std::size_t window, double* out, double* scratch_a,
                          double* scratch_b) noexcept {
    const double* current = in;
    std::size_t width = 1, length = count + window - 1;
    const auto bound = [](const double* SHIFTVAE_RESTRICT a, const double* SHIFTVAE_RESTRICT b, std::size_t n,
                          double* SHIFTVAE_RESTRICT to) {
        for (std::size_t i = 0; i < n; ++i) to[i] = (least ? a[i] < b[i] : a[i] > b[i]) ? a[i] : b[i];
    };
    for (; width * 2 <= window; width *= 2) {
        length -= width;
        double* next = current == scratch_a ? scratch_b : scratch_a;
        bound(current, current + width, length, next);
        current = next;
    }
    bound(current, current + (window - width), count, out);
}

inline void moments(const double* SHIFTVAE_RESTRICT sum, const double* SHIFTVAE_RESTRICT square, std::size_t count,
                    double n, double centre, bool exact, double* SHIFTVAE_RESTRICT mean,
                    double* SHIFTVAE_RESTRICT variance) noexcept {
    // Relative to the rounded mean m the sums stay integers below 2**53 for 16 bit and windows up to 2**20 px, so they
    // are exact; the remainder of the mean is at most 1/2, so nothing cancels in the last line.
    const double share = 1 / n, least = exact ? -1.0 : 1e-8 * share;
    for (std::size_t i = 0; i < count; ++i) {
        const double m = nearest(sum[i] * share);
        const double first = (sum[i] - n * m) * share;
        const double second = (square[i] - m * (2 * sum[i] - n * m)) * share;
        const double v = second - first * first;
        const double floored = v > 0 ? v : 0;
        mean[i] = centre + (m + first);
        variance[i] = v >= least * square[i] ? floored : -1.0;
    }
}

inline void zscore_scale(const double* SHIFTVAE_RESTRICT variance, std::size_t count, double channels, double floor,
                         double* SHIFTVAE_RESTRICT scale) noexcept {
    const double share = 1 / channels;
    for (std::size_t i = 0; i < count; ++i) {
        const double own = root(variance[i] * share), sd = own > floor ? own : floor;
        const double inverse = 1 / sd;
        scale[i] = own == 0 ? 0 : inverse;
    }
}

inline void minmax_scale(const double* SHIFTVAE_RESTRICT low, const double* SHIFTVAE_RESTRICT high, std::size_t count,
                         double* SHIFTVAE_RESTRICT scale) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        const double range = high[i] - low[i], inverse = 1 / range;
        scale[i] = range > 0 ? inverse : 0;
    }
}

inline void store_statistics(const double* SHIFTVAE_RESTRICT mean, const double* SHIFTVAE_RESTRICT variance,
                             std::size_t count, float* SHIFTVAE_RESTRICT mean_out,
                             float* SHIFTVAE_RESTRICT sd_out) noexcept {
    for (std::size_t i = 0; i < count; ++i) mean_out[i] = static_cast<float>(mean[i]);
    for (std::size_t i = 0; i < count; ++i) sd_out[i] = static_cast<float>(root(variance[i]));
}

inline bool weights_are_sound(const float* SHIFTVAE_RESTRICT value, const float* SHIFTVAE_RESTRICT precision,
                              std::size_t count) noexcept {
    std::int32_t sound = 1;
    for (std::size_t i = 0; i < count; ++i) {
        const float p = precision[i], v = value[i];
        const std::int32_t finite = v - v == 0, none = p == 0;  // NaN for NaN and infinity
        sound &= (p >= 0) & (p - p == 0) & (finite | none);
    }
    return sound != 0;
}

inline void weigh(const float* SHIFTVAE_RESTRICT value, const float* SHIFTVAE_RESTRICT precision, std::size_t count,
                  double* SHIFTVAE_RESTRICT weighted, double* SHIFTVAE_RESTRICT weight) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        const double p = precision[i], product = p * static_cast<double>(value[i]);
        weight[i] = p > 0 ? p : 0;
        weighted[i] = p > 0 ? product : 0;
    }
}

inline void divide(const double* SHIFTVAE_RESTRICT sum, const double* SHIFTVAE_RESTRICT weight, std::size_t count,
                   float* SHIFTVAE_RESTRICT out) noexcept {
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(sum[i] / weight[i]);  // 0 / 0 is NaN
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
