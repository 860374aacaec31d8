// Layers of a convolutional network, a row of values at a time: sums over taps for some values and vectors of units
// that all stay in registers. Only for kernels.cpp.
#pragma once

#include "readout.hpp"
#include "vectors.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

// `values` values from `first` on, `vectors` vectors of units; weights of neighbouring vectors are `step` apart.
template <std::size_t values, std::size_t vectors>
inline void multiply_group(const Taps& taps, std::size_t first, const float* weight, std::size_t step, bool relu,
                           float* out, std::size_t pitch) {
    using V = Vector<float>;
    typename V::Value sum[vectors][values];
    for (std::size_t v = 0; v < vectors; ++v)
        for (std::size_t i = 0; i < values; ++i) sum[v][i] = V::all(0);
    // Four values to a pointer: what lies 0 to 3 pitches on is one address of the processor each.
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
        if (count < most)
            return multiply_rest<most - 1, vectors>(taps, first, count, weights, step, relu, out, pitch);
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

inline void multiply_taps(const Taps& taps, const float* weights, std::size_t all_taps, std::size_t blocks, bool relu,
                          std::size_t count, float* out, std::size_t pitch) noexcept {
    constexpr std::size_t lanes = Vector<float>::lanes;
    const std::size_t block = all_taps * unit_block;
    if constexpr (lanes == unit_block) {  // two blocks share what is loaded of the inputs
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

inline void bend_units(float* SHIFTVAE_RESTRICT values, const float* divisor, const float* bias, std::size_t units,
                       std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i, values += units) {
        const float d = divisor ? divisor[i] : 1.0f;
        for (std::size_t u = 0; u < units; ++u) values[u] = hyperbolic_tangent(values[u] / d + bias[u]);
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
