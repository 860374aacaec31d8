// A window seen from its motif. Only for kernels.cpp.
//
// Sums have one term for each lane of the longest vector, added in pairs at the end, so that every instruction set
// gives the same bits.
#pragma once

#include <cstdint>

#include "kernels.hpp"
#include "lines.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

struct LaneSums {
    float lane[longest_vector] = {};

    float total() const {
        float part[longest_vector];
        memcpy(part, lane, sizeof part);
        for (std::size_t half = longest_vector / 2; half; half /= 2)
            for (std::size_t i = 0; i < half; ++i) part[i] += part[i + half];
        return part[0];
    }
};

// `low` for NaN, so that an index made of it lies in the window.
inline float within(float value, float low, float high) {
    value = value > low ? value : low;
    return value > high ? high : value;
}

// Where the points of the motif lie in the window: weight, index of the pixel above and left, and place between pixels.
inline void place_points(const MotifView& m, MotifPose pose, float* SHIFTVAE_RESTRICT weight,
                         std::int32_t* SHIFTVAE_RESTRICT index, float* SHIFTVAE_RESTRICT part_y,
                         float* SHIFTVAE_RESTRICT part_x) {
    const float last_y = static_cast<float>(m.height - 1), last_x = static_cast<float>(m.width - 1);
    const std::int32_t most_y = static_cast<std::int32_t>(m.height - 2), pitch = static_cast<std::int32_t>(m.width),
                       most_x = pitch - 2;
    for (std::size_t i = 0; i < m.padded; ++i) {
        const float y = m.y[i] * pose.along - m.x[i] * pose.across + pose.y;
        const float x = m.x[i] * pose.along + m.y[i] * pose.across + pose.x;
        const float above = y + 0.5f, below = last_y - y + 0.5f, left = x + 0.5f, right = last_x - x + 0.5f;
        weight[i] = m.use[i] * within(above < below ? above : below, 0, 1) * within(left < right ? left : right, 0, 1);
        const float at_y = within(y, 0, last_y), at_x = within(x, 0, last_x);
        std::int32_t row = static_cast<std::int32_t>(at_y), col = static_cast<std::int32_t>(at_x);
        row = row < most_y ? row : most_y;
        col = col < most_x ? col : most_x;
        index[i] = row * pitch + col;
        part_y[i] = at_y - static_cast<float>(row);
        part_x[i] = at_x - static_cast<float>(col);
    }
}

inline void sample(const float* SHIFTVAE_RESTRICT pixels, std::size_t pitch, std::size_t count,
                   const std::int32_t* SHIFTVAE_RESTRICT index, const float* SHIFTVAE_RESTRICT part_y,
                   const float* SHIFTVAE_RESTRICT part_x, float* SHIFTVAE_RESTRICT out) {
    for (std::size_t i = 0; i < count; ++i) {
        const float* at = pixels + index[i];
        const float top = at[0] + part_x[i] * (at[1] - at[0]);
        const float bottom = at[pitch] + part_x[i] * (at[pitch + 1] - at[pitch]);
        out[i] = top + part_y[i] * (bottom - top);
    }
}

inline float weighted_sum(const float* SHIFTVAE_RESTRICT weight, const float* SHIFTVAE_RESTRICT value,
                          std::size_t count) {
    LaneSums sums;
    for (std::size_t i = 0; i < count; i += longest_vector)
        for (std::size_t j = 0; j < longest_vector; ++j) sums.lane[j] += weight[i + j] * value[i + j];
    return sums.total();
}

inline MotifFit compare_motif(const MotifView& m, const float* window, MotifPose pose, float* scratch,
                              float* step) noexcept {
    const std::size_t count = m.padded, all = m.channels * count;
    float *weight = scratch, *part_y = weight + count, *part_x = part_y + count, *value = part_x + count,
          *drawn = value + all;
    std::int32_t* index = reinterpret_cast<std::int32_t*>(drawn + all);
    place_points(m, pose, weight, index, part_y, part_x);
    MotifFit fit{};
    fit.total = weighted_sum(weight, m.use, count);
    const float enough = fit.total < 1 ? 1 : fit.total;
    LaneSums across, square, power;
    for (std::size_t c = 0; c < m.channels; ++c) {
        float *SHIFTVAE_RESTRICT v = value + c * count, *SHIFTVAE_RESTRICT d = drawn + c * count;
        sample(window + c * m.height * m.width, m.width, count, index, part_y, part_x, v);
        memcpy(d, m.motif + c * count, count * sizeof(float));
        for (std::size_t k = 0; k < m.content; ++k) {
            const float* SHIFTVAE_RESTRICT change = m.motif + (1 + k) * all + c * count;
            for (std::size_t i = 0; i < count; ++i) d[i] += pose.content[k] * change[i];
        }
        const float mean_v = weighted_sum(weight, v, count) / enough, mean_d = weighted_sum(weight, d, count) / enough;
        for (std::size_t i = 0; i < count; i += longest_vector)
            for (std::size_t j = 0; j < longest_vector; ++j) {
                const float a = v[i + j] - mean_v, b = d[i + j] - mean_d, w = weight[i + j];
                v[i + j] = a;
                d[i + j] = b;
                across.lane[j] += w * a * b;
                square.lane[j] += w * b * b;
                power.lane[j] += w * a * a;
            }
    }
    const float product = across.total(), norm = square.total(), total = power.total();
    fit.gain = product / (norm < 1e-6f ? 1e-6f : norm);
    fit.explained = fit.gain * product / (total < 1e-6f ? 1e-6f : total);
    LaneSums left;
    for (std::size_t c = 0; c < m.channels; ++c) {
        float* SHIFTVAE_RESTRICT v = value + c * count;
        const float* SHIFTVAE_RESTRICT d = drawn + c * count;
        for (std::size_t i = 0; i < count; i += longest_vector)
            for (std::size_t j = 0; j < longest_vector; ++j) {
                const float r = weight[i + j] * (v[i + j] - fit.gain * d[i + j]);
                v[i + j] = r;
                left.lane[j] += r * r;
            }
    }
    fit.left = left.total();
    for (std::size_t j = 0; j < m.latents; ++j) step[j] = weighted_sum(m.inverse + j * all, value, all);
    return fit;
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
