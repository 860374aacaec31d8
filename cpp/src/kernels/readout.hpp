// Latents from codes: angles and exponentials are computed with sums, products and quotients alone, which every
// instruction set rounds alike. Only for kernels.cpp.
#pragma once

#include <cstdint>
#include <cstring>

#include "lines.hpp"
#include "sliding.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

// Bounds of a network's outputs, as in training.
constexpr float least_log = -8.0f, most_log_sd = 2.0f, most_log_planar = 1.0f, most_log_scale = 0.5f;
constexpr float most_log_phase = 0.4189385332f;  // log(sqrt(2 pi / e)): a phase that is quite unknown
constexpr float least_slope = 0.05f;             // of a planar shift near its reach
constexpr float tau = 6.283185307f;

inline float bounded(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

inline float rounded(float x) {
    constexpr float shift = 12582912.0f;  // 1.5 * 2**23: the sum has no room for a fraction
    return (x + shift) - shift;
}

// exp with a relative error below 2e-7 for abs(x) < 80: a power of two times the Taylor series of the remainder.
inline float exponential(float x) {
    const float n = rounded(x == x ? x * 1.442695041f : 0.0f);      // n is a number; NaN stays NaN below
    const float r = (x - n * 0.693359375f) - n * -2.121944401e-4f;  // log(2) in two parts, the first of 9 bits
    float series = 1.984127011e-4f;
    series = series * r + 1.388888923e-3f;
    series = series * r + 8.333333768e-3f;
    series = series * r + 4.166666791e-2f;
    series = series * r + 1.666666716e-1f;
    series = series * r + 0.5f;
    series = (series * (r * r) + r) + 1.0f;
    const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return series * power;
}

inline float hyperbolic_tangent(float x) { return 1.0f - 2.0f / (exponential(bounded(2 * x, -40.0f, 40.0f)) + 1.0f); }

// The angle of (x, y) in turns, -1/2 to 1/2, within 5e-8; 0 at the origin.
inline float turns_of(float y, float x) {
    const float a = y < 0 ? -y : y, b = x < 0 ? -x : x;
    const float less = a < b ? a : b, more = a < b ? b : a;  // NaN in y stays in `more`, in x in `less`
    const float ratio = less / (more < 1e-30f ? 1e-30f : more), square = ratio * ratio;
    // atan(r) / (2 pi r) in powers of r**2, which equals it at eight Chebyshev nodes of 0..1.
    float series = -7.257134421e-4f;
    series = series * square + 3.784787143e-3f;
    series = series * square - 9.363045916e-3f;
    series = series * square + 1.570678689e-2f;
    series = series * square - 2.228692919e-2f;
    series = series * square + 3.177840635e-2f;
    series = series * square - 5.304922909e-2f;
    series = series * square + 1.591549218e-1f;
    float turns = series * ratio;
    turns = a > b ? 0.25f - turns : turns;
    turns = x < 0 ? 0.5f - turns : turns;
    return y < 0 ? -turns : turns;
}

// Planes that lie `pitch` apart, one after another.
template <class T>
struct Planes {
    T* next;
    std::size_t pitch;

    T* take(std::size_t planes = 1) {
        T* first = next;
        next += planes * pitch;
        return first;
    }
};

// out = factor * exp(log)
SHIFTVAE_NOINLINE inline void deviations(const float* log, std::size_t count, float most, float factor,
                                         float* SHIFTVAE_RESTRICT out) {
    for (std::size_t i = 0; i < count; ++i) out[i] = factor * exponential(bounded(log[i], least_log, most));
}

// The position in the cell around 0, in cells.
SHIFTVAE_NOINLINE inline void places(const float* cosine, const float* sine, const float* moved, std::size_t count,
                                     float* SHIFTVAE_RESTRICT out) {
    for (std::size_t i = 0; i < count; ++i) {
        const float turns = turns_of(sine[i], cosine[i]) + moved[i];
        out[i] = turns - rounded(turns);
    }
}

struct Phases {
    const float *cosine, *sine, *log_width;
};

inline void read_lattice_shift(const Readout& readout, Phases phases, const float* moved, std::size_t pitch,
                               std::size_t count, Planes<float>& mean, Planes<float>& sd) {
    float place[2][readout_block] = {}, width[2][readout_block] = {};
    for (std::size_t j = 0; j < readout.phases; ++j) {
        const std::size_t plane = j * pitch;
        places(phases.cosine + plane, phases.sine + plane, moved + plane, count, place[j]);
        deviations(phases.log_width + plane, count, most_log_phase, 1.0f, width[j]);
    }
    const float* across = readout.phases < readout.axes ? moved + readout.phases * pitch : nullptr;
    for (std::size_t axis = 0; axis < readout.axes; ++axis) {
        float *SHIFTVAE_RESTRICT to = mean.take(), *SHIFTVAE_RESTRICT sd_to = sd.take();
        const float a = static_cast<float>(readout.vectors[0][axis]), b = static_cast<float>(readout.vectors[1][axis]);
        const float a_sd = a / tau, b_sd = b / tau;
        for (std::size_t i = 0; i < count; ++i) {
            to[i] = a * place[0][i] + b * place[1][i];
            const float first = a_sd * width[0][i], second = b_sd * width[1][i];
            sd_to[i] = root(first * first + second * second);
        }
        if (across)
            for (std::size_t i = 0; i < count; ++i) to[i] += across[axis * pitch + i];
    }
}

// The number of the highest of several scores, -1 for the last of them, and the chance that it is another.
inline void read_grain(const float* scores, std::size_t number, std::size_t pitch, std::size_t count,
                       float* SHIFTVAE_RESTRICT label, float* SHIFTVAE_RESTRICT chance) {
    float best[readout_block];
    for (std::size_t i = 0; i < count; ++i) best[i] = scores[i], label[i] = 0.0f, chance[i] = 0.0f;
    for (std::size_t j = 1; j < number; ++j) {
        const float *score = scores + j * pitch, name = static_cast<float>(j);
        for (std::size_t i = 0; i < count; ++i) {
            const bool better = score[i] > best[i];
            label[i] = better ? name : label[i];
            best[i] = better ? score[i] : best[i];
        }
    }
    for (std::size_t j = 0; j < number; ++j) {
        const float *score = scores + j * pitch, name = static_cast<float>(j);
        for (std::size_t i = 0; i < count; ++i) {
            const float odds = exponential(bounded(score[i] - best[i], -80.0f, 0.0f));
            chance[i] += label[i] == name ? 0.0f : odds;
        }
    }
    const float none = static_cast<float>(number - 1);
    for (std::size_t i = 0; i < count; ++i) {
        chance[i] = chance[i] / (1.0f + chance[i]);
        label[i] = label[i] == none ? -1.0f : label[i];
    }
}

// As read_lattice_shift, for two phases and two axes, with the vectors of the lattice of each window's grain.
inline void read_grain_shift(const Readout& readout, Phases phases, const float* moved, std::size_t pitch,
                             std::size_t count, const float* label, Planes<float>& mean, Planes<float>& sd) {
    float place[2][readout_block] = {}, width[2][readout_block] = {};
    for (std::size_t j = 0; j < 2; ++j) {
        const std::size_t plane = j * pitch;
        places(phases.cosine + plane, phases.sine + plane, moved + plane, count, place[j]);
        deviations(phases.log_width + plane, count, most_log_phase, 1.0f, width[j]);
    }
    for (std::size_t axis = 0; axis < 2; ++axis) {
        float *SHIFTVAE_RESTRICT to = mean.take(), *SHIFTVAE_RESTRICT sd_to = sd.take();
        float a[readout_block], b[readout_block];
        const float first_a = static_cast<float>(readout.vectors[0][axis]);
        const float first_b = static_cast<float>(readout.vectors[1][axis]);
        for (std::size_t i = 0; i < count; ++i) a[i] = first_a, b[i] = first_b;
        for (std::size_t grain = 1; grain <= readout.further; ++grain) {
            const auto& vectors = readout.further_vectors[grain - 1];
            const float name = static_cast<float>(grain), other_a = static_cast<float>(vectors[0][axis]),
                        other_b = static_cast<float>(vectors[1][axis]);
            for (std::size_t i = 0; i < count; ++i) {
                a[i] = label[i] == name ? other_a : a[i];
                b[i] = label[i] == name ? other_b : b[i];
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            to[i] = a[i] * place[0][i] + b[i] * place[1][i];
            const float one = a[i] / tau * width[0][i], other = b[i] / tau * width[1][i];
            sd_to[i] = root(one * one + other * other);
        }
    }
}

inline void read_planar_shift(const Readout& readout, const float* u, const float* log_sd, const float* moved,
                              std::size_t pitch, std::size_t count, Planes<float>& mean, Planes<float>& sd) {
    const float unit = static_cast<float>(readout.planar_px), reach = static_cast<float>(readout.planar_reach_px);
    for (std::size_t axis = 0; axis < readout.axes; ++axis) {
        const float *from = u + axis * pitch, *more = moved + axis * pitch;
        float *SHIFTVAE_RESTRICT to = mean.take(), *SHIFTVAE_RESTRICT sd_to = sd.take();
        deviations(log_sd + axis * pitch, count, most_log_planar, unit, sd_to);
        if (reach == 0) {
            for (std::size_t i = 0; i < count; ++i) to[i] = from[i] * unit + more[i];
            continue;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const float bent = hyperbolic_tangent(from[i] * (unit / reach)), slope = 1.0f - bent * bent;
            to[i] = bent * reach + more[i];
            sd_to[i] *= slope < least_slope ? least_slope : slope;
        }
    }
}

inline void read_latents(const Readout& readout, const float* code, const float* moved, std::size_t pitch,
                         std::size_t count, float* mean, float* sd) noexcept {
    Planes<const float> in{code, pitch};
    Planes<float> means{mean, pitch}, sds{sd, pitch};
    const std::size_t k = readout.phases, axes = readout.axes, m = readout.content;
    float label[readout_block], chance[readout_block];
    if (readout.further) {
        read_grain(in.take(readout.scores()), readout.scores(), pitch, count, label, chance);
        const float *cosine = in.take(k), *sine = in.take(k), *log_width = in.take(k);
        read_grain_shift(readout, {cosine, sine, log_width}, moved, pitch, count, label, means, sds);
        std::memcpy(means.take(), label, count * sizeof(float));
        std::memcpy(sds.take(), chance, count * sizeof(float));
    } else if (k) {
        const float *cosine = in.take(k), *sine = in.take(k), *log_width = in.take(k);
        read_lattice_shift(readout, {cosine, sine, log_width}, moved, pitch, count, means, sds);
    } else {
        const float *u = in.take(axes), *log_sd = in.take(axes);
        read_planar_shift(readout, u, log_sd, moved, pitch, count, means, sds);
    }
    if (readout.angle_period > 0) {
        const float *cosine = in.take(), *sine = in.take(), period = static_cast<float>(readout.angle_period);
        float* SHIFTVAE_RESTRICT to = means.take();
        for (std::size_t i = 0; i < count; ++i) to[i] = turns_of(sine[i], cosine[i]) * period;
        deviations(in.take(), count, most_log_phase, period / tau, sds.take());
    }
    if (readout.scale_prior > 0) {
        const float *from = in.take(), prior = static_cast<float>(readout.scale_prior);
        float *SHIFTVAE_RESTRICT to = means.take(), *SHIFTVAE_RESTRICT sd_to = sds.take();
        deviations(in.take(), count, most_log_sd, prior, sd_to);
        for (std::size_t i = 0; i < count; ++i) {
            const float times = 100.0f * exponential(bounded(from[i] * prior, -most_log_scale, most_log_scale));
            to[i] = times - 100.0f;
            sd_to[i] *= times;
        }
    }
    const float* content = in.take(m);
    for (std::size_t j = 0; j < m; ++j) {
        const float* from = content + j * pitch;
        float* SHIFTVAE_RESTRICT to = means.take();
        for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
        deviations(in.take(), count, most_log_sd, 1.0f, sds.take());
    }
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
