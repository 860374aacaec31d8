// Complex features turned by phasors of a lattice. Only for kernels.cpp.
#pragma once

#include "lines.hpp"
#include "sliding.hpp"
#include "vectors.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

// The phasors conj(z) / |z| of features z = re + i im, which lie `pitch` apart; 1 where |z| / divisor is as good as 0.
inline void unit_phasors(const float* re, const float* im, std::size_t pitch, const float* divisor, std::size_t count,
                         float* SHIFTVAE_RESTRICT cosine, float* SHIFTVAE_RESTRICT sine) {
    for (std::size_t i = 0; i < count; ++i) cosine[i] = re[i * pitch], sine[i] = im[i * pitch];
    for (std::size_t i = 0; i < count; ++i) {
        const float x = cosine[i], y = sine[i], a = x < 0 ? -x : x, b = y < 0 ? -y : y, longer = a < b ? b : a;
        const bool none = longer < 1e-15f * divisor[i];
        const float scale = none ? 1.0f : longer, p = x / scale, q = y / scale, power = p * p + q * q;
        const float inverse = 1.0f / root(none ? 1.0f : power);
        cosine[i] = none ? 1.0f : p * inverse;
        sine[i] = none ? 0.0f : -q * inverse;
    }
}

inline void cube_phasors(const float* cosine, const float* sine, std::size_t count, float* SHIFTVAE_RESTRICT cosine_to,
                         float* SHIFTVAE_RESTRICT sine_to) {
    for (std::size_t i = 0; i < count; ++i) {
        const float c = cosine[i], s = sine[i], c2 = c * c - s * s, s2 = 2 * c * s;
        cosine_to[i] = c2 * c - s2 * s;
        sine_to[i] = c2 * s + s2 * c;
    }
}

// For `group` values from `first` on, with the vectors of a kind.
template <std::size_t group, class Kind>
inline void turn_group(const TurnPlan& plan, const float* powers, std::size_t first, std::size_t count, float* values) {
    using V = Vector<Kind>;
    using Value = typename V::Value;
    const std::size_t all = plan.steps[0] + plan.steps[1], units = plan.units;
    for (std::size_t u = 0; u < units; u += V::lanes) {
        Value re[group], im[group];
        const float *factor = plan.factors + u, *power = powers + first;
        for (std::size_t i = 0; i < group; ++i) {
            float* value = values + (first + i) * 2 * units + u;
            re[i] = V::load(value);
            im[i] = V::load(value + units);
        }
        for (std::size_t step = 0; step < all; ++step, factor += 3 * units, power += 2 * count) {
            const Value one = V::load(factor), use = V::load(factor + units), sign = V::load(factor + 2 * units);
            for (std::size_t i = 0; i < group; ++i) {
                const Value c = V::product_plus(use, V::all(power[i]), one);
                const Value s = V::product(sign, V::all(power[count + i]));
                const Value turned = V::minus_product(V::product(re[i], c), im[i], s);
                im[i] = V::product_plus(re[i], s, V::product(im[i], c));
                re[i] = turned;
            }
        }
        for (std::size_t i = 0; i < group; ++i) {
            float* value = values + (first + i) * 2 * units + u;
            V::store(value, re[i]);
            V::store(value + units, im[i]);
        }
    }
}

template <class Kind>
inline void turn_values(const TurnPlan& plan, const float* powers, std::size_t count, float* values) {
    constexpr std::size_t group = 4;
    std::size_t i = 0;
    for (; i + group <= count; i += group) turn_group<group, Kind>(plan, powers, i, count, values);
    for (; i < count; ++i) turn_group<1, Kind>(plan, powers, i, count, values);
}

inline void turn_features(const TurnPlan& plan, const float* divisor, std::size_t count, float* values,
                          float* powers) noexcept {
    float* power = powers;
    for (std::size_t base = 0; base < plan.bases; ++base) {
        unit_phasors(values + base, values + plan.units + base, 2 * plan.units, divisor, count, power, power + count);
        for (std::size_t step = 1; step < plan.steps[base]; ++step, power += 2 * count)
            cube_phasors(power, power + count, count, power + 2 * count, power + 3 * count);
        power += 2 * count;
    }
    if (plan.units % Vector<float>::lanes == 0)
        turn_values<float>(plan, powers, count, values);
    else
        turn_values<EightFloats>(plan, powers, count, values);
}

inline void turn_phases(const TurnPlan& plan, const float* powers, std::size_t count, float* code,
                        std::size_t plane_pitch) noexcept {
    const signed char* digit = plan.digits;
    for (std::size_t phase = 0; phase < plan.bases; ++phase) {
        float *SHIFTVAE_RESTRICT cosine = code + phase * plane_pitch,
                                 *SHIFTVAE_RESTRICT sine = cosine + plan.bases * plane_pitch;
        const float* power = powers;
        for (std::size_t step = 0; step < plan.steps[0] + plan.steps[1]; ++step, ++digit, power += 2 * count) {
            if (*digit == 0) continue;
            const float sign = static_cast<float>(*digit);
            for (std::size_t i = 0; i < count; ++i) {
                const float c = power[i], s = sign * power[count + i], x = cosine[i], y = sine[i];
                cosine[i] = x * c - y * s;
                sine[i] = x * s + y * c;
            }
        }
    }
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
