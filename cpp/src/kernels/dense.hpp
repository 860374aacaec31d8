// Layers of a convolutional network, a row of values at a time. The sums over taps, for some values and vectors of
// units, all stay in registers. Only for kernels.cpp.
#pragma once

#include "readout.hpp"
#include "vectors.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

// For `values` values from `first` on and `vectors` vectors of units; weights of neighbouring vectors are `step` apart.
template <std::size_t values, std::size_t vectors>
inline void multiply_group(const Taps& taps, std::size_t first, const float* weight, std::size_t step, bool relu,
                           float* out, std::size_t pitch) {
    using V = Vector<float>;
    typename V::Value sum[vectors][values];
    for (std::size_t v = 0; v < vectors; ++v)
        for (std::size_t i = 0; i < values; ++i) sum[v][i] = V::all(0);
    // A pointer for four values: the processor addresses what lies 0 to 3 pitches on in one instruction each.
    constexpr std::size_t pointers = (values + 3) / 4;
    const std::size_t apart = taps.pitch;
    const float* inputs[pointers];
    for (std::size_t run = 0; run < taps.count; ++run) {
        for (std::size_t p = 0; p < pointers; ++p) inputs[p] = taps.runs[run] + (first + 4 * p) * apart;
        for (std::size_t k = 0; k < taps.lengths[run]; ++k, weight += unit_block) {
            typename V::Value w[vectors];
            for (std::size_t v = 0; v < vectors; ++v) w[v] = V::load(weight + v * step);
            for (std::size_t i = 0; i < values; ++i) {
                const auto x = V::all(inputs[i / 4][k + i % 4 * apart]);
                for (std::size_t v = 0; v < vectors; ++v) sum[v][i] = V::product_plus(x, w[v], sum[v][i]);
            }
        }
    }
    if (relu)
        for (std::size_t v = 0; v < vectors; ++v)
            for (std::size_t i = 0; i < values; ++i) sum[v][i] = V::larger(sum[v][i], V::all(0));
    for (std::size_t i = 0; i < values; ++i)
        for (std::size_t v = 0; v < vectors; ++v) V::store(out + (first + i) * pitch + v * V::lanes, sum[v][i]);
}

// As multiply_group, for `count` values, at most `most`, a constant for the compiler.
template <std::size_t most, std::size_t vectors>
inline void multiply_rest(const Taps& taps, std::size_t first, std::size_t count, const float* weights,
                          std::size_t step, bool relu, float* out, std::size_t pitch) {
    if constexpr (most > 1) {
        if (count < most) return multiply_rest<most - 1, vectors>(taps, first, count, weights, step, relu, out, pitch);
    }
    multiply_group<most, vectors>(taps, first, weights, step, relu, out, pitch);
}

template <std::size_t most, std::size_t vectors>
inline void multiply_row(const Taps& taps, const float* weights, std::size_t step, bool relu, std::size_t count,
                         float* out, std::size_t pitch) {
    const std::size_t groups = (count + most - 1) / most;
    for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t first = count * g / groups, last = count * (g + 1) / groups;
        multiply_rest<most, vectors>(taps, first, last - first, weights, step, relu, out, pitch);
    }
}

// As multiply_group, for pairs of values that are `taps.gap` apart: two values and three taps in a row take four
// products instead of six.
template <std::size_t pairs, std::size_t vectors>
inline void multiply_pair_group(const PairTaps& taps, std::size_t first, const float* weight, std::size_t step,
                                bool relu, std::size_t count, float* out, std::size_t pitch) {
    using V = Vector<float>;
    constexpr std::size_t pointers = (pairs + 3) / 4;
    typename V::Value left[vectors][pairs], right[vectors][pairs];
    for (std::size_t v = 0; v < vectors; ++v)
        for (std::size_t i = 0; i < pairs; ++i) left[v][i] = right[v][i] = V::all(0);
    const std::size_t apart = taps.pitch;
    const float *inputs[pointers], *others[pointers];
    const auto multiply = [&](std::size_t input, std::size_t other) {
        for (std::size_t run = 0; run < taps.count; ++run) {
            for (std::size_t p = 0; p < pointers; ++p) {
                inputs[p] = taps.runs[run] + input * taps.kinds + (first + 4 * p) * apart;
                others[p] = taps.runs[run] + other * taps.kinds + (first + 4 * p) * apart;
            }
            for (std::size_t k = 0; k < taps.length; ++k, weight += 2 * unit_block) {
                typename V::Value a[vectors], b[vectors];
                for (std::size_t v = 0; v < vectors; ++v) {
                    a[v] = V::load(weight + v * step);
                    b[v] = V::load(weight + v * step + unit_block);
                }
                for (std::size_t i = 0; i < pairs; ++i) {
                    const auto x = V::all(inputs[i / 4][k + i % 4 * apart]);
                    const auto y = V::all(others[i / 4][k + i % 4 * apart]);
                    for (std::size_t v = 0; v < vectors; ++v) {
                        left[v][i] = V::product_plus(x, a[v], left[v][i]);
                        right[v][i] = V::product_plus(y, b[v], right[v][i]);
                    }
                }
            }
        }
    };
    multiply(1, 2);
    for (std::size_t v = 0; v < vectors; ++v)
        for (std::size_t i = 0; i < pairs; ++i) {
            const auto sum = V::sum(left[v][i], right[v][i]);
            right[v][i] = V::difference(left[v][i], right[v][i]);
            left[v][i] = sum;
        }
    multiply(0, 3);
    if (relu)
        for (std::size_t v = 0; v < vectors; ++v)
            for (std::size_t i = 0; i < pairs; ++i) {
                left[v][i] = V::larger(left[v][i], V::all(0));
                right[v][i] = V::larger(right[v][i], V::all(0));
            }
    std::size_t place = first / taps.gap * 2 * taps.gap + first % taps.gap, after = taps.gap - first % taps.gap;
    for (std::size_t i = 0; i < pairs; ++i) {
        float *one = out + place * pitch, *two = one + taps.gap * pitch;
        for (std::size_t v = 0; v < vectors; ++v) V::store(one + v * V::lanes, left[v][i]);
        if (place + taps.gap < count)
            for (std::size_t v = 0; v < vectors; ++v) V::store(two + v * V::lanes, right[v][i]);
        ++place;
        if (--after == 0) {
            place += taps.gap;
            after = taps.gap;
        }
    }
}

template <std::size_t most, std::size_t vectors>
inline void multiply_pair_rest(const PairTaps& taps, std::size_t first, std::size_t pairs, const float* weights,
                               std::size_t step, bool relu, std::size_t count, float* out, std::size_t pitch) {
    if constexpr (most > 1) {
        if (pairs < most)
            return multiply_pair_rest<most - 1, vectors>(taps, first, pairs, weights, step, relu, count, out, pitch);
    }
    multiply_pair_group<most, vectors>(taps, first, weights, step, relu, count, out, pitch);
}

template <std::size_t most, std::size_t vectors>
inline void multiply_pair_row(const PairTaps& taps, const float* weights, std::size_t step, bool relu,
                              std::size_t count, float* out, std::size_t pitch) {
    const std::size_t pairs = pairs_of(count, taps.gap), groups = (pairs + most - 1) / most;
    for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t first = pairs * g / groups, last = pairs * (g + 1) / groups;
        multiply_pair_rest<most, vectors>(taps, first, last - first, weights, step, relu, count, out, pitch);
    }
}

// The sums of 12 values, or 6 pairs, for two vectors of units stay in 32 registers.
inline void multiply_taps(const Taps& taps, const float* weights, std::size_t all_taps, std::size_t blocks, bool relu,
                          std::size_t count, float* out, std::size_t pitch) noexcept {
    constexpr std::size_t lanes = Vector<float>::lanes;
    const std::size_t block = all_taps * unit_block;
    if constexpr (lanes == unit_block) {  // two blocks share the inputs that are loaded
        std::size_t b = 0;
        for (; b + 2 <= blocks; b += 2)
            multiply_row<12, 2>(taps, weights + b * block, block, relu, count, out + b * unit_block, pitch);
        if (b < blocks) multiply_row<12, 1>(taps, weights + b * block, block, relu, count, out + b * unit_block, pitch);
    } else {
        constexpr std::size_t vectors = vector_registers == 32 ? 4 : 2;
        for (std::size_t b = 0; b < blocks; ++b)
            for (std::size_t u = 0; u < unit_block; u += vectors * lanes)
                multiply_row<6, vectors>(taps, weights + b * block + u, lanes, relu, count, out + b * unit_block + u,
                                         pitch);
    }
}

inline void multiply_pairs(const PairTaps& taps, const float* weights, std::size_t blocks, bool relu, std::size_t count,
                           float* out, std::size_t pitch) noexcept {
    constexpr std::size_t lanes = Vector<float>::lanes;
    const std::size_t block = taps.count * taps.length * 4 * unit_block;
    if constexpr (lanes == unit_block) {
        std::size_t b = 0;
        for (; b + 2 <= blocks; b += 2)
            multiply_pair_row<6, 2>(taps, weights + b * block, block, relu, count, out + b * unit_block, pitch);
        if (b < blocks)
            multiply_pair_row<12, 1>(taps, weights + b * block, block, relu, count, out + b * unit_block, pitch);
    } else {
        constexpr std::size_t vectors = vector_registers == 32 ? 4 : 2;
        for (std::size_t b = 0; b < blocks; ++b)
            for (std::size_t u = 0; u < unit_block; u += vectors * lanes)
                multiply_pair_row<3, vectors>(taps, weights + b * block + u, lanes, relu, count,
                                              out + b * unit_block + u, pitch);
    }
}

inline void pair_values(const float* values, std::size_t pitch, std::size_t gap, std::size_t count, std::size_t pairs,
                        float* SHIFTVAE_RESTRICT out) noexcept {
    const std::size_t kinds = pairs * pitch;
    for (std::size_t pair = 0; pair < pairs; ++pair, out += pitch) {
        const std::size_t first = pair / gap * 2 * gap + pair % gap;
        const float *a = values + first * pitch, *b = a + gap * pitch, *c = b + gap * pitch;
        const float* d = first + 3 * gap < count ? c + gap * pitch : b;  // else for a value that is not there
        for (std::size_t i = 0; i < pitch; ++i) {
            out[i] = a[i] - c[i];
            out[kinds + i] = b[i] + c[i];
            out[2 * kinds + i] = c[i] - b[i];
            out[3 * kinds + i] = b[i] - d[i];
        }
    }
}

// tanh within 4e-7: x times a quotient of polynomials in its square, the best approximation in 0 to 8.5.
inline Vector<float>::Value bent(Vector<float>::Value x) {
    using V = Vector<float>;
    constexpr float over[] = {1.409974448e-8f, 2.112195943e-5f, 3.525844309e-3f, 0.1340622753f, 0.9999999404f};
    constexpr float under[] = {8.073831736e-7f, 3.335730289e-4f, 2.599123120e-2f, 0.4673953950f, 1.0f};
    x = V::smaller(V::larger(x, V::all(-8.5f)), V::all(8.5f));
    const auto square = V::product(x, x);
    auto p = V::all(over[0]), q = V::all(under[0]);
    for (std::size_t i = 1; i < 5; ++i) {
        p = V::product_plus(p, square, V::all(over[i]));
        q = V::product_plus(q, square, V::all(under[i]));
    }
    return V::quotient(V::product(x, p), q);
}

inline void bend_units(float* values, const float* divisor, const float* bias, std::size_t units,
                       std::size_t count) noexcept {
    using V = Vector<float>;
    for (std::size_t i = 0; i < count; ++i, values += units) {
        const auto factor = V::all(divisor ? 1.0f / divisor[i] : 1.0f);
        for (std::size_t u = 0; u < units; u += V::lanes)
            V::store(values + u, bent(V::product_plus(V::load(values + u), factor, V::load(bias + u))));
    }
}

inline void store_planes(const float* values, const float* divisor, const float* bias, std::size_t units,
                         std::size_t pitch, std::size_t count, float* SHIFTVAE_RESTRICT planes,
                         std::size_t plane_pitch) noexcept {
    for (std::size_t u = 0; u < units; ++u) {
        float* SHIFTVAE_RESTRICT plane = planes + u * plane_pitch;
        for (std::size_t i = 0; i < count; ++i) plane[i] = values[i * pitch + u];
        if (divisor)
            for (std::size_t i = 0; i < count; ++i) plane[i] /= divisor[i];
        for (std::size_t i = 0; i < count; ++i) plane[i] += bias[u];
    }
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
