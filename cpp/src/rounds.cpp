#include "shiftvae/rounds.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.hpp"

namespace shiftvae {
namespace {

// As in shiftvae_rt/kernels/rounds.py, which training uses.
constexpr int rounds = 3;
constexpr float most_px = 1.5f, most_turn = 0.3f, most_growth = 0.1f, most_content_step = 3.0f, most_content = 6.0f;
constexpr float seen_from = 0.1f, seen_to = 0.4f, least_gain = 0.1f, least_share = 0.05f;
constexpr double degrees = 57.29577951308232;
constexpr float least_size = 0.6065306597f, most_size = 1.6487212707f;  // exp(-0.5), exp(0.5)

float bounded(float value, float most) noexcept { return std::max(-most, std::min(value, most)); }

// rows of `points` values, each followed by zeros
std::vector<float> padded(const float* values, std::size_t rows, std::size_t points, std::size_t pitch) {
    std::vector<float> out(rows * pitch, 0.0f);
    for (std::size_t row = 0; row < rows; ++row) std::copy_n(values + row * points, points, out.data() + row * pitch);
    return out;
}

}  // namespace

Rounds::Rounds(Shape shape, const float* points, const float* motif, const float* inverse, const float* deviation)
    : shape_(shape),
      padded_((shape.points + longest_vector - 1) / longest_vector * longest_vector),
      y_(padded(points, 1, shape.points, padded_)),
      x_(padded(points + shape.points, 1, shape.points, padded_)),
      use_(padded_, 0.0f),
      motif_(padded(motif, (1 + shape.content) * shape.channels, shape.points, padded_)),
      inverse_(padded(inverse, shape.latents() * shape.channels, shape.points, padded_)),
      deviation_(deviation, deviation + shape.latents()) {
    std::fill_n(use_.begin(), shape.points, 1.0f);
}

void Rounds::improve(const float* windows, std::size_t count, std::size_t pitch, float* mean, float* sd) const {
    const std::size_t window = shape_.channels * shape_.height * shape_.width;
    std::vector<float> scratch(motif_scratch(shape_.channels, padded_) + 2 * shape_.latents());
    for (std::size_t i = 0; i < count; ++i) improve_one(windows + i * window, pitch, scratch.data(), mean + i, sd + i);
}

void Rounds::improve_one(const float* window, std::size_t pitch, float* scratch, float* mean,
                         float* sd) const noexcept {
    const std::size_t latents = shape_.latents(), turn = 2, size = 2 + (shape_.period > 0),
                      content = shape_.first_content();
    const bool turns = shape_.period > 0;
    float *const state = scratch, *const step = state + latents, *const work = step + latents;
    for (std::size_t j = 0; j < latents; ++j) state[j] = mean[j * pitch];
    if (turns) state[turn] = static_cast<float>(static_cast<double>(state[turn]) / degrees);
    if (shape_.grows) state[size] = 1.0f + state[size] / 100.0f;
    const MotifView motif{shape_.channels, padded_,   shape_.height, shape_.width,  shape_.content, latents,
                          y_.data(),       x_.data(), use_.data(),   motif_.data(), inverse_.data()};
    const float half_y = static_cast<float>(shape_.height - 1) / 2, half_x = static_cast<float>(shape_.width - 1) / 2;
    float spread = 0;
    for (int round = 0; round < rounds; ++round) {
        const float grown = shape_.grows ? state[size] : 1.0f;
        const float along = turns ? grown * std::cos(state[turn]) : grown;
        const float across = turns ? grown * std::sin(state[turn]) : 0.0f;
        const MotifFit fit = window_kernels().compare_motif(
            motif, window, {state[0] + half_y, state[1] + half_x, along, across, state + content}, work, step);
        const float gain = std::max(fit.gain, least_gain);
        const float points = static_cast<float>(shape_.points);
        const float share = std::max(fit.total / points, least_share);
        const float trust =
            fit.gain > 0 ? std::max(0.0f, std::min((fit.explained - seen_from) / (seen_to - seen_from), 1.0f)) : 0.0f;
        const float noise = fit.left / (static_cast<float>(shape_.channels) * points * share) + (1.0f - trust);
        spread = std::sqrt(noise) / (gain * share);
        for (std::size_t j = 0; j < latents; ++j) step[j] *= trust / gain;
        const float y = bounded(step[0], most_px), x = bounded(step[1], most_px);
        state[0] = bounded(state[0] + (y * along - x * across), half_y);
        state[1] = bounded(state[1] + (x * along + y * across), half_x);
        if (turns) state[turn] += bounded(step[turn], most_turn);
        if (shape_.grows)
            state[size] =
                std::max(least_size, std::min(state[size] * std::exp(bounded(step[size], most_growth)), most_size));
        for (std::size_t j = content; j < latents; ++j)
            state[j] = bounded(state[j] + bounded(step[j], most_content_step), most_content);
    }
    for (std::size_t j = 0; j < latents; ++j) {
        mean[j * pitch] = state[j];
        sd[j * pitch] = deviation_[j] * spread;
    }
    if (turns) {
        const double period = shape_.period, angle = static_cast<double>(state[turn]) * degrees;
        mean[turn * pitch] = static_cast<float>(angle - period * std::nearbyint(angle / period));
        sd[turn * pitch] = static_cast<float>(static_cast<double>(sd[turn * pitch]) * degrees);
    }
    if (shape_.grows) {
        mean[size * pitch] = 100.0f * (state[size] - 1.0f);
        sd[size * pitch] *= 100.0f * state[size];
    }
}

}  // namespace shiftvae
