// Random dense networks, what double gives for their maps, and their maps line by line.
#pragma once

#include "shiftvae/dense_network.hpp"

#include <algorithm>
#include <complex>

#include "check.hpp"
#include "reference.hpp"

namespace reference {

using shiftvae::DenseNetwork;
using shiftvae::DenseStream;
using shiftvae::Turn;

struct Kernel {
    std::size_t units, height, width, dilation;
};

// The taps of the first layer that are not 0: all; as in models, all but those of vertical differences outside the
// first column and in its first line; or a part, the same for all units.
enum class Taps { all, as_in_models, some };

// Kernels and head end at the first 0. bases: of a turn, without ReLU; 0 for a network with ReLU.
struct Case {
    std::size_t channels, height, width, stride;
    Taps used;
    Kernel stem[4];
    std::size_t head[4], bases = 0;
};

constexpr Taps all = Taps::all, as_in_models = Taps::as_in_models, some = Taps::some;

constexpr Case cases[] = {
    {1, 29, 53, 1, as_in_models, {{16, 4, 3, 1}, {32, 3, 3, 2}, {32, 3, 3, 4}}, {32, 10}},
    {1, 30, 50, 2, as_in_models, {{16, 4, 3, 1}, {32, 3, 3, 2}, {32, 3, 3, 4}}, {32, 10}},
    {1, 45, 70, 8, as_in_models, {{16, 4, 3, 1}, {32, 3, 3, 2}, {32, 3, 3, 4}}, {10}},
    {2, 31, 47, 4, as_in_models, {{20, 8, 7, 1}, {33, 2, 2, 4}, {16, 1, 1, 8}}, {5}},
    {2, 31, 47, 3, all, {{20, 8, 7, 1}, {33, 2, 2, 4}, {16, 1, 1, 8}}, {5, 20}},
    {3, 34, 41, 2, some, {{5, 4, 3, 1}, {33, 3, 3, 1}, {64, 3, 3, 8}}, {16, 20, 7}},
    {1, 26, 37, 3, some, {{64, 4, 3, 1}, {20, 3, 3, 2}, {5, 3, 3, 1}}, {33, 3}},
    {1, 60, 75, 8, some, {{64, 8, 7, 1}, {16, 2, 2, 8}}, {3}},
    {2, 44, 43, 8, all, {{33, 4, 3, 1}}, {33, 16}},
    {1, 13, 70, 4, as_in_models, {{5, 2, 6, 1}, {20, 3, 1, 4}, {33, 1, 3, 4}, {5, 2, 3, 2}}, {5, 5, 5}},
    {1, 20, 20, 1, all, {{16, 4, 3, 1}, {16, 3, 3, 8}}, {16, 2}},
    {1, 1, 211, 1, all, {{16, 1, 3, 1}, {20, 1, 3, 2}, {33, 1, 3, 4}}, {32, 10}},
    {2, 1, 150, 3, some, {{16, 1, 7, 1}, {64, 1, 2, 8}}, {1}},
    {1, 21, 40, 2, all, {{20, 1, 3, 1}, {16, 3, 3, 1}, {5, 3, 3, 2}}, {20, 4}},
    {1, 30, 51, 1, as_in_models, {{16, 4, 3, 1}, {32, 3, 3, 2}, {32, 3, 3, 4}}, {64, 12}, 2},
    {1, 30, 51, 1, as_in_models, {{16, 4, 3, 1}, {16, 3, 3, 2}, {16, 3, 3, 4}}, {64, 12}, 2},
    {2, 37, 70, 4, as_in_models, {{20, 8, 7, 1}, {33, 2, 2, 4}, {42, 1, 1, 8}}, {5, 9}, 2},
    {1, 1, 150, 1, all, {{16, 1, 3, 1}, {6, 1, 3, 2}}, {2}, 1},
    {1, 19, 61, 2, all, {{66, 4, 3, 1}}, {16, 4}, 1},
};

struct Network {
    std::vector<DenseNetwork::Convolution> stem;
    std::vector<DenseNetwork::Linear> head;
    Turn turn;
    std::size_t stride, sides, window_height, window_width;
    std::vector<std::vector<float>> numbers;  // the weights that the layers point to

    Network(const Network&) = delete;
    Network(const Case& c, unsigned seed)
        : stride(c.stride), sides(c.stem[0].height > 1 ? 2 : 1), window_height(1), window_width(2), random_(seed) {
        std::size_t inputs = c.channels * sides;
        for (std::size_t i = 0; i < 4 && c.stem[i].units; ++i) {
            const Kernel& k = c.stem[i];
            const std::size_t taps = inputs * k.height * k.width;
            std::vector<float> weights = normal(k.units * taps, taps);
            for (std::size_t at = 0; i == 0 && at < weights.size(); ++at) {
                const std::size_t x = at % k.width, y = at / k.width % k.height;
                const bool down = sides == 2 && at / (k.width * k.height) % 2;
                if (c.used == as_in_models && down && (x > 0 || y == 0)) weights[at] = 0;
                if (c.used == some && at % taps * 7 % 5 < 2) weights[at] = 0;
            }
            stem.push_back({k.units, inputs, k.height, k.width, k.dilation, keep(std::move(weights))});
            window_height += (k.height - 1) * k.dilation;
            window_width += (k.width - 1) * k.dilation;
            inputs = k.units;
        }
        for (std::size_t i = 0; i < 4 && c.head[i]; ++i) {
            const float* weights = keep(normal(c.head[i] * inputs, inputs));
            head.push_back({c.head[i], inputs, weights, keep(normal(c.head[i], 4))});
            inputs = c.head[i];
        }
        turn.bases = c.bases;
        if (c.bases == 0) return;
        for (std::size_t j = 0; j < stem.back().units / 2 * c.bases; ++j)
            turn.orders.push_back(j < c.bases * c.bases ? j / c.bases == j % c.bases : any_power());
        for (std::size_t j = 0; j < c.bases * c.bases; ++j) turn.phases.push_back(any_power());
    }

    bool relu() const { return turn.bases == 0; }
    DenseNetwork dense() const { return {stem, relu(), turn, head, stride}; }
    Grid grid(std::size_t height, std::size_t width) const {
        return {height, width, window_height, window_width, stride};
    }

private:
    std::vector<float> normal(std::size_t count, std::size_t terms) {
        std::normal_distribution<float> distribution(0.0f, 1 / std::sqrt(static_cast<float>(terms)));
        std::vector<float> out(count);
        for (float& value : out) value = distribution(random_);
        return out;
    }
    // Mostly small.
    int any_power() {
        constexpr int powers[] = {0, 1, -1, 2, -2, 3, -3, 4, -5, 16, -16, 13};
        return powers[std::uniform_int_distribution<std::size_t>(0, 11)(random_)];
    }
    const float* keep(std::vector<float> values) {
        numbers.push_back(std::move(values));
        return numbers.back().data();
    }

    std::mt19937 random_;
};

// Planes of values, and of the size of the sums behind them, to which the errors of float32 are proportional.
struct Values {
    std::size_t planes, height, width;
    std::vector<double> value, size;

    Values(std::size_t p, std::size_t h, std::size_t w)
        : planes(p), height(h), width(w), value(p * h * w), size(p * h * w) {}
    std::size_t at(std::size_t plane, std::size_t y, std::size_t x) const { return (plane * height + y) * width + x; }
};

inline Values differences(const Frame& frame, std::size_t sides) {
    Values out(sides * frame.channels, frame.height, frame.width - 1);
    for (std::size_t c = 0; c < frame.channels; ++c)
        for (std::size_t y = 0; y < frame.height; ++y)
            for (std::size_t x = 0; x + 1 < frame.width; ++x) {
                out.value[out.at(sides * c, y, x)] = frame.at(c, y, x + 1) - frame.at(c, y, x);
                if (sides == 2 && y > 0) out.value[out.at(2 * c + 1, y, x)] = frame.at(c, y, x) - frame.at(c, y - 1, x);
            }
    for (std::size_t i = 0; i < out.value.size(); ++i) out.size[i] = std::fabs(out.value[i]);
    return out;
}

// At every pixel.
inline Values convolved(const Values& in, const DenseNetwork::Convolution& of) {
    Values out(of.units, in.height - (of.height - 1) * of.dilation, in.width - (of.width - 1) * of.dilation);
    const float* weight = of.weights;
    for (std::size_t u = 0; u < of.units; ++u)
        for (std::size_t input = 0; input < of.inputs; ++input)
            for (std::size_t i = 0; i < of.height; ++i)
                for (std::size_t j = 0; j < of.width; ++j, ++weight) {
                    const double w = static_cast<double>(*weight);
                    for (std::size_t y = 0; y < out.height; ++y)
                        for (std::size_t x = 0; x < out.width; ++x) {
                            const std::size_t from = in.at(input, y + i * of.dilation, x + j * of.dilation);
                            out.value[out.at(u, y, x)] += w * in.value[from];
                            out.size[out.at(u, y, x)] += w * w * in.size[from] * in.size[from];
                        }
                }
    for (std::size_t i = 0; i < out.value.size(); ++i)
        out.size[i] = std::fmax(std::sqrt(out.size[i]), std::fabs(out.value[i]));
    return out;
}

// Multiplies complex numbers with the phasors of the features' bases in these powers: neighbouring planes if
// `neighbours`, else cosines, then sines. An error of a base turns what its phasor turns, by as much as it is small.
inline void turn(Values& values, const Values& features, const std::vector<int>& powers, std::size_t bases,
                 bool neighbours) {
    const std::size_t windows = values.height * values.width;
    for (std::size_t j = 0; bases && j < powers.size() / bases; ++j)
        for (std::size_t i = 0; i < windows; ++i) {
            const std::size_t re = (neighbours ? 2 * j : j) * windows + i, im = re + (neighbours ? 1 : bases) * windows;
            std::complex<double> product(values.value[re], values.value[im]);
            const double length = std::abs(product);
            double size = std::fmax(values.size[re], values.size[im]);
            for (std::size_t b = 0; b < bases; ++b) {
                const std::size_t base_re = 2 * b * windows + i, base_im = base_re + windows;
                const std::complex<double> base(features.value[base_re], features.value[base_im]);
                const double modulus = std::abs(base);
                const int power = powers[j * bases + b];
                if (modulus < 1e-15) continue;
                product *= std::pow(std::conj(base) / modulus, power);
                size += length * std::abs(power) * std::fmax(features.size[base_re], features.size[base_im]) / modulus;
            }
            values.value[re] = product.real();
            values.value[im] = product.imag();
            values.size[re] = values.size[im] = size;
        }
}

// The code of every window, with one deviation a window.
inline Values code_of(const Network& network, const Frame& frame, const std::vector<float>& deviation) {
    Values x = differences(frame, network.sides);
    for (const DenseNetwork::Convolution& layer : network.stem) {
        x = convolved(x, layer);
        for (double& value : x.value) value = network.relu() ? std::fmax(value, 0) : value;
    }
    const Grid grid = network.grid(frame.height, frame.width);
    Values at(x.planes, grid.rows(), grid.cols());
    for (std::size_t u = 0; u < x.planes; ++u)
        for (std::size_t i = 0; i < deviation.size(); ++i) {
            const std::size_t to = u * deviation.size() + i;
            const std::size_t from = x.at(u, i / grid.cols() * network.stride, i % grid.cols() * network.stride);
            at.value[to] = x.value[from] / static_cast<double>(deviation[i]);
            at.size[to] = x.size[from] / static_cast<double>(deviation[i]);
        }
    const Values features = at;
    turn(at, features, network.turn.orders, network.turn.bases, true);
    for (std::size_t i = 0; i < network.head.size(); ++i) {
        const DenseNetwork::Linear& layer = network.head[i];
        for (std::size_t k = 0; i > 0 && k < at.value.size(); ++k) {
            const double bent = std::tanh(at.value[k]);
            at.size[k] = std::fmax(std::fabs(bent), (1 - bent * bent) * at.size[k]);
            at.value[k] = bent;
        }
        at = convolved(at, {layer.units, layer.inputs, 1, 1, 1, layer.weights});
        for (std::size_t k = 0; k < at.value.size(); ++k) {
            const double bias = static_cast<double>(layer.bias[k / deviation.size()]);
            at.value[k] += bias;
            at.size[k] += std::fabs(bias);
        }
    }
    turn(at, features, network.turn.phases, network.turn.bases, false);
    return at;
}

inline std::vector<float> deviations(std::size_t count, double middle, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> logarithm(std::log(middle), 0.5);
    std::vector<float> out(count);
    for (float& value : out) value = static_cast<float>(std::exp(logarithm(random)));
    return out;
}

inline FrameView band_of(const FrameView& frame, std::size_t top, std::size_t height) {
    FrameView band = frame;
    band.pixels = frame.line(0, top);
    band.height = height;
    return band;
}

constexpr float untouched = -12345.0f;

// The code of a frame that comes in parts of these heights, over and over; checks what else is written.
inline std::vector<float> pushed(const DenseNetwork& network, const FrameView& frame,
                                 const std::vector<float>& deviation, const std::vector<std::size_t>& parts) {
    DenseStream stream(network, frame.width);
    const std::size_t windows = deviation.size(), gap = 3;
    CHECK(stream.rows_with(frame.height) * stream.cols() == windows);
    CHECK(stream.planes() == network.planes());
    std::vector<float> code(network.planes() * (windows + gap), untouched);
    std::size_t done = 0, part = 0;
    for (std::size_t top = 0; top < frame.height; ++part) {
        const FrameView band = band_of(frame, top, std::min(parts[part % parts.size()], frame.height - top));
        const std::size_t promised = stream.rows_with(band.height) * stream.cols();
        CHECK(stream.accepts(band));
        CHECK(stream.push(band, deviation.data() + done, code.data() + done, windows + gap) ==
              DenseStream::Outcome::done);
        done += promised;
        top += band.height;
        for (std::size_t i = 0; i < code.size(); ++i) CHECK((code[i] == untouched) == (i % (windows + gap) >= done));
    }
    CHECK(done == windows);
    std::vector<float> out;
    for (std::size_t i = 0; i < code.size(); ++i)
        if (i % (windows + gap) < windows) out.push_back(code[i]);
    return out;
}

inline std::vector<float> pushed(const DenseNetwork& network, const FrameView& frame,
                                 const std::vector<float>& deviation) {
    return pushed(network, frame, deviation, {frame.height});
}

// The largest difference from what double gives, in units of the size of the sums.
inline double largest_error(const Values& expected, const std::vector<float>& got) {
    if (got.size() != expected.value.size()) return INFINITY;
    double largest = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double error = std::fabs(static_cast<double>(got[i]) - expected.value[i]) / expected.size[i];
        if (!(error <= largest)) largest = std::isnan(error) ? INFINITY : error;
    }
    return largest;
}

constexpr double few_roundings = 1e-6;

}  // namespace reference
