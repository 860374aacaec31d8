// Phases of a lattice from the shifts of windows, and what their gradients mean. Only for kernels.cpp.
#pragma once

#include "readout.hpp"
#include "sliding.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

// Least variance of a shift, px squared: no window outweighs all others.
constexpr float least_variance = 1e-8f;
constexpr float half_turn = 180.0f;  // degrees

inline void lattice_phases(const PhaseRow& row, std::size_t count, float* const* turns,
                           double* const* planes) noexcept {
    for (std::size_t k = 0; k < 2; ++k) {
        const float *dy = row.shift[0], *dx = row.shift[1], *base = row.centre[k];
        const float gy = row.reciprocal[0][k], gx = row.reciprocal[1][k];
        float* SHIFTVAE_RESTRICT to = turns[k];
        for (std::size_t i = 0; i < count; ++i) {
            const float t = base[i] + (dy[i] * gy + dx[i] * gx);
            to[i] = t - rounded(t);
        }
        double *SHIFTVAE_RESTRICT cosine = planes[2 * k], *SHIFTVAE_RESTRICT sine = planes[2 * k + 1];
        const float *sy = row.sd[0], *sx = row.sd[1];
        for (std::size_t i = 0; i < count; ++i) {
            const float halves = 0.5f * rounded(2.0f * to[i]), x = tau * (to[i] - halves), square = x * x;
            const float sign = 1.0f - 4.0f * (halves < 0 ? -halves : halves);
            float s = -2.505210839e-8f, c = 2.087675699e-9f;  // Taylor series, -pi/2 to pi/2
            s = s * square + 2.755731922e-6f;
            s = s * square - 1.984126984e-4f;
            s = s * square + 8.333333333e-3f;
            s = s * square - 1.666666667e-1f;
            s = (s * square + 1.0f) * x;
            c = c * square - 2.755731922e-7f;
            c = c * square + 2.480158730e-5f;
            c = c * square - 1.388888889e-3f;
            c = c * square + 4.166666667e-2f;
            c = c * square - 0.5f;
            c = c * square + 1.0f;
            const float variance = sy[i] * sy[i] + sx[i] * sx[i];
            const float weight = sign / (variance > least_variance ? variance : least_variance);
            cosine[i] = static_cast<double>(weight * c);
            sine[i] = static_cast<double>(weight * s);
        }
    }
}

inline void unit_phases(const double* cosine, const double* sine, std::size_t count, float* SHIFTVAE_RESTRICT cosine_to,
                        float* SHIFTVAE_RESTRICT sine_to, float* SHIFTVAE_RESTRICT turns) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        const double power = cosine[i] * cosine[i] + sine[i] * sine[i];
        const double length = 1.0 / root(power > 1e-300 ? power : 1e-300);
        cosine_to[i] = static_cast<float>(cosine[i] * length);
        sine_to[i] = static_cast<float>(sine[i] * length);
    }
    for (std::size_t i = 0; i < count; ++i) turns[i] = turns_of(sine_to[i], cosine_to[i]);
}

inline void unwrap_turns(const float* turns, const double* near, std::size_t count,
                         double* SHIFTVAE_RESTRICT out) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        const double off = static_cast<double>(turns[i]) - near[i];
        out[i] = near[i] + (off - nearest(off));
    }
}

inline void displacement_row(const DisplacementRow& row, std::size_t count, float* const* out) noexcept {
    float *SHIFTVAE_RESTRICT uy = out[0], *SHIFTVAE_RESTRICT ux = out[1];
    const auto& a = row.vectors;
    for (std::size_t i = 0; i < count; ++i) {
        double turns[2];
        for (std::size_t k = 0; k < 2; ++k) {
            const double off = static_cast<double>(row.turns[k][i]) - row.averaged[k][i];
            turns[k] = row.averaged[k][i] + (off - nearest(off));
        }
        uy[i] = static_cast<float>(a[0][0] * turns[0] + a[1][0] * turns[1] - (row.mean[0] + row.mean_along[0][i]));
        ux[i] = static_cast<float>(a[0][1] * turns[0] + a[1][1] * turns[1] - (row.mean[1] + row.mean_along[1][i]));
    }
}

// Angles between unit phasors, which differ little, by their sines.
inline void strain_row(const StrainRow& row, std::size_t count, float* const* out) noexcept {
    float *SHIFTVAE_RESTRICT exx = out[0], *SHIFTVAE_RESTRICT eyy = out[1], *SHIFTVAE_RESTRICT exy = out[2],
                             *SHIFTVAE_RESTRICT rotation = out[3];
    const auto& a = row.vectors;
    for (std::size_t i = 0; i < count; ++i) {
        float down[2], along[2];
        for (std::size_t k = 0; k < 2; ++k) {
            const float *cosine = row.cosine[k] + i, *sine = row.sine[k] + i;
            const float below = row.sine_below[k][i] - row.sine_above[k][i];
            down[k] = (cosine[0] * below - sine[0] * (row.cosine_below[k][i] - row.cosine_above[k][i])) * row.per_row;
            along[k] = (cosine[0] * (sine[1] - sine[-1]) - sine[0] * (cosine[1] - cosine[-1])) * row.per_col[i];
        }
        const float yy = (a[0][0] * down[0] + a[1][0] * down[1]) - row.mean[0][0];
        const float yx = ((a[0][0] * along[0] + a[1][0] * along[1]) - row.mean[0][1]) * row.aspect;
        const float xy = ((a[0][1] * down[0] + a[1][1] * down[1]) - row.mean[1][0]) / row.aspect;
        const float xx = (a[0][1] * along[0] + a[1][1] * along[1]) - row.mean[1][1];
        exx[i] = 100.0f * xx;
        eyy[i] = 100.0f * yy;
        exy[i] = 50.0f * (xy + yx);
        rotation[i] = half_turn / tau * (yx - xy);
    }
}

inline void strain_deviations(const float* const* sd, const float (*slope)[2], float aspect, std::size_t count,
                              float* const* out) noexcept {
    const float *sy = sd[0], *sx = sd[1];
    float *SHIFTVAE_RESTRICT exx = out[0], *SHIFTVAE_RESTRICT eyy = out[1], *SHIFTVAE_RESTRICT exy = out[2],
                             *SHIFTVAE_RESTRICT rotation = out[3];
    for (std::size_t i = 0; i < count; ++i) {
        const float xy = sx[i] * slope[1][0] / aspect, yx = sy[i] * slope[0][1] * aspect;
        const float shear = root(xy * xy + yx * yx);
        exx[i] = 100.0f * (sx[i] * slope[1][1]);
        eyy[i] = 100.0f * (sy[i] * slope[0][0]);
        exy[i] = 50.0f * shear;
        rotation[i] = half_turn / tau * shear;
    }
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
