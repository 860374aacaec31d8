#include "shiftvae/dense_network.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include "kernels/kernels.hpp"
#include "scratch.hpp"

namespace shiftvae {
namespace {

using Convolution = DenseNetwork::Convolution;

constexpr std::size_t pixel_bytes[pixel_types] = {1, 2, 2, 4, 4, 4, 8};

std::size_t blocks_of(std::size_t units) { return (units + unit_block - 1) / unit_block; }

// Length of a line in memory: an odd number of cache lines, so that neighbouring lines do not share a set of the cache.
std::size_t line_of(std::size_t floats) {
    constexpr std::size_t line = cache_line / sizeof(float);
    return ((floats + line - 1) / line | 1U) * line;
}

// A weight; 0 for units beyond the last one.
float weight(const Convolution& conv, std::size_t u, std::size_t input, std::size_t y, std::size_t x) {
    return u < conv.units ? conv.weights[((u * conv.inputs + input) * conv.height + y) * conv.width + x] : 0.0f;
}

// True if any unit has a weight other than 0 for this tap.
bool is_used(const Convolution& conv, std::size_t input, std::size_t y, std::size_t x) {
    for (std::size_t u = 0; u < conv.units; ++u)
        if (weight(conv, u, input, y, x) != 0) return true;
    return false;
}

// The weights of a layer for features in their places: of its units, or else of its inputs. Others are 0.
std::vector<float> placed(const Convolution& conv, const TurnSteps& turn, bool units) {
    const std::size_t taps = conv.height * conv.width, places = 2 * turn.units();
    const std::size_t row = (units ? conv.inputs : places) * taps;
    std::vector<float> weights((units ? places : conv.units) * row, 0.0f);
    for (std::size_t u = 0; u < conv.units; ++u)
        for (std::size_t input = 0; input < conv.inputs; ++input) {
            const std::size_t to = units ? turn.place(u) * row + input * taps : u * row + turn.place(input) * taps;
            std::copy_n(conv.weights + (u * conv.inputs + input) * taps, taps, weights.data() + to);
        }
    return weights;
}

}  // namespace

std::size_t DenseNetwork::Layer::units() const noexcept { return blocks * unit_block; }

DenseNetwork::DenseNetwork(const std::vector<Convolution>& stem, bool relu, const Turn& turn,
                           const std::vector<Linear>& head, std::size_t stride)
    : stride_(stride), relu_(relu) {
    if (stem.empty() || head.empty() || stride == 0)
        throw std::invalid_argument("expected at least one layer in the stem and one in the head, and a stride");
    sides_ = stem[0].height > 1 ? 2 : 1;
    channels_ = stem[0].inputs / sides_;
    if (channels_ == 0 || stem[0].inputs % sides_ || stem[0].dilation != 1)
        throw std::invalid_argument("the first layer does not take differences of pixels");
    window_width_ = stem[0].width + 1;
    window_height_ = stem[0].height;
    for (std::size_t i = 1; i < stem.size(); ++i) {
        window_width_ += (stem[i].width - 1) * stem[i].dilation;
        window_height_ += (stem[i].height - 1) * stem[i].dilation;
    }
    if (turn.bases) turn_ = TurnSteps(turn, stem.back().units, head.back().units);
    std::size_t grid = 1, units = 0;  // of the previous layer: px between neighbouring values, and its units
    for (std::size_t i = 0; i < stem.size(); ++i) {
        if (i > 0 && stem[i].inputs != units)
            throw std::invalid_argument("a layer does not take what the one before gives");
        std::size_t wanted = stride;  // the coarsest grid that the later layers and the stride allow
        for (std::size_t later = i + 1; later < stem.size(); ++later) wanted = std::gcd(wanted, stem[later].dilation);
        Convolution conv = stem[i];
        std::vector<float> weights;
        if (turn.bases && i + 1 == stem.size()) {
            weights = placed(conv, turn_, true);
            conv.units = 2 * turn_.units();
            conv.weights = weights.data();
        }
        stem_.push_back(convolution(conv, i == 0 ? 1 : stem_.back().units(), grid, wanted / grid));
        grid = wanted;
        units = stem[i].units;
    }
    for (const Linear& linear : head) {
        if (linear.inputs != units) throw std::invalid_argument("a layer does not take what the one before gives");
        Convolution conv{linear.units, linear.inputs, 1, 1, 1, linear.weights};
        std::vector<float> weights;
        if (turn.bases && head_.empty()) {
            weights = placed(conv, turn_, false);
            conv.inputs = 2 * turn_.units();
            conv.weights = weights.data();
        }
        head_.push_back(convolution(conv, head_.empty() ? stem_.back().units() : head_.back().units(), 1, 1));
        head_.back().bias.assign(head_.back().units(), 0.0f);
        std::copy_n(linear.bias, linear.units, head_.back().bias.begin());
        units = linear.units;
    }
    planes_ = units;
}

// A layer whose inputs lie `grid` px apart in the frame, and `pitch` floats apart in memory (1 in the first layer).
DenseNetwork::Layer DenseNetwork::convolution(const Convolution& conv, std::size_t pitch, std::size_t grid,
                                              std::size_t step) {
    Layer layer;
    const std::size_t apart = conv.dilation / grid;
    layer.blocks = blocks_of(conv.units);
    layer.pitch = pitch;
    layer.step = step;
    layer.height = (conv.height - 1) * apart + 1;
    layer.width = (conv.width - 1) * apart + 1;
    if (pitch == 1)
        add_planes(layer, conv);
    else
        add_neighbours(layer, conv, apart);
    return layer;
}

// The first layer: each input is a plane of its own. Most of the vertical differences have no weight.
void DenseNetwork::add_planes(Layer& layer, const Convolution& conv) {
    std::vector<Tap> taps;
    for (std::size_t input = 0; input < conv.inputs; ++input)
        for (std::size_t y = 0; y < conv.height; ++y)
            for (std::size_t x = 0; x < conv.width; ++x) {
                if (!is_used(conv, input, y, x)) continue;
                if (x > 0 && is_used(conv, input, y, x - 1)) {
                    ++layer.lengths.back();
                } else {
                    layer.runs.push_back({y, input, x});
                    layer.lengths.push_back(1);
                }
                taps.push_back({input, y, x});
            }
    pack(layer, conv, taps);
}

// A later layer: the inputs of a value are neighbours.
void DenseNetwork::add_neighbours(Layer& layer, const Convolution& conv, std::size_t apart) {
    const auto inputs = static_cast<std::uint32_t>(conv.inputs);
    if (conv.width == 3 && layer.step == 1) {  // three taps in a row: pairs of values are computed together
        layer.gap = apart;
        for (std::size_t y = 0; y < conv.height; ++y) {
            layer.runs.push_back({y * apart, 0, 0});
            layer.lengths.push_back(inputs);
        }
        pack_pairs(layer, conv);
        return;
    }
    std::vector<Tap> taps;
    for (std::size_t y = 0; y < conv.height; ++y)
        for (std::size_t x = 0; x < conv.width; ++x) {
            layer.runs.push_back({y * apart, 0, x * apart * layer.pitch});
            layer.lengths.push_back(inputs);
            for (std::size_t input = 0; input < conv.inputs; ++input) taps.push_back({input, y, x});
        }
    pack(layer, conv, taps);
}

// Packs the weights as Kernels::multiply_taps reads them.
void DenseNetwork::pack(Layer& layer, const Convolution& conv, const std::vector<Tap>& taps) {
    layer.taps = taps.size();
    layer.weights = Aligned<float>(layer.taps * layer.units());
    float* to = layer.weights.first;
    for (std::size_t block = 0; block < layer.blocks; ++block)
        for (const Tap& tap : taps)
            for (std::size_t i = 0; i < unit_block; ++i)
                *to++ = weight(conv, block * unit_block + i, tap.input, tap.y, tap.x);
}

// Packs the weights as Kernels::multiply_pairs reads them.
void DenseNetwork::pack_pairs(Layer& layer, const Convolution& conv) {
    layer.weights = Aligned<float>(conv.height * conv.inputs * 4 * layer.units());
    float* to = layer.weights.first;
    for (std::size_t block = 0; block < layer.blocks; ++block)
        for (const bool outer : {false, true})
            for (std::size_t y = 0; y < conv.height; ++y)
                for (std::size_t input = 0; input < conv.inputs; ++input, to += 2 * unit_block)
                    for (std::size_t i = 0; i < unit_block; ++i) {
                        const std::size_t u = block * unit_block + i;
                        const double e = weight(conv, u, input, y, 0), f = weight(conv, u, input, y, 1),
                                     g = weight(conv, u, input, y, 2);
                        to[i] = static_cast<float>(outer ? e : (e + f + g) / 2);
                        to[unit_block + i] = static_cast<float>(outer ? -g : (e - f + g) / 2);
                    }
}

DenseStream::DenseStream(const DenseNetwork& network, std::size_t width)
    : network_(network),
      width_(width),
      rings_(network.stem_.size()),
      plane_(line_of(width - 1 + longest_vector)),  // kernels may write beyond the end
      last_line_(network.channels_ * width * sizeof(double)) {
    // a signal has no line above: an extra plane takes its vertical differences, which are all 0
    const std::size_t planes = network.sides_ == 2 ? 2 * network.channels_ : network.channels_ + 1;
    std::size_t values = width - 1, longest = 0, longest_line = 0, most_runs = 0;
    const auto lay_out = [&](Arena arena) {
        for (std::size_t i = 0; i < rings_.size(); ++i) {
            const DenseNetwork::Layer& layer = network.stem_[i];
            rings_[i].first = arena.take<float>(rings_[i].line * rings_[i].kept);
            most_runs = std::max(most_runs, layer.runs.size());
        }
        unpaired_ = arena.take<float>(longest_line);
        features_ = arena.take<float>(cols_ * network.stem_.back().units());
        powers_ = arena.take<float>(2 * network.turn_.all() * cols_);
        for (float*& hidden : hidden_) hidden = arena.take<float>(cols_ * longest);
        return arena.used();
    };
    for (std::size_t i = 0; i < rings_.size(); ++i) {
        const DenseNetwork::Layer& layer = network.stem_[i];
        rings_[i].kept = layer.height;
        rings_[i].values = values;
        values = (values - layer.width) / layer.step + 1;
        rings_[i].cols = values;
        if (layer.gap) {
            rings_[i].line = line_of(4 * pairs_of(values, layer.gap) * layer.pitch);
            longest_line = std::max(longest_line, rings_[i].values * layer.pitch);
        } else {
            rings_[i].line = i == 0 ? planes * plane_ : line_of(rings_[i].values * layer.pitch);
        }
    }
    cols_ = values;
    for (const DenseNetwork::Layer& layer : network.head_) longest = std::max(longest, layer.units());
    memory_ = Aligned<float>(lay_out(Arena()) / sizeof(float));
    lay_out(Arena(reinterpret_cast<char*>(memory_.first)));
    runs_.resize(std::max<std::size_t>(most_runs, 1));
}

bool DenseStream::accepts(const FrameView& lines) const noexcept {
    return lines.channels == network_.channels_ && lines.width == width_ && (lines_seen_ == 0 || lines.type == type_);
}

std::size_t DenseStream::rows_with(std::size_t lines) const noexcept {
    const auto complete = [&](std::size_t seen) {
        return seen < network_.window_height_ ? 0 : (seen - network_.window_height_) / network_.stride_ + 1;
    };
    return complete(lines_seen_ + lines) - complete(lines_seen_);
}

DenseStream::Outcome DenseStream::push(const FrameView& lines, const float* deviation, float* code,
                                       std::size_t plane_pitch) {
    if (lines.height == 0) return Outcome::done;
    deviation_ = deviation;
    code_ = code;
    plane_pitch_ = plane_pitch;
    type_ = lines.type;
    for (std::size_t y = 0; y < lines.height; ++y) {
        if (stopped_.load(std::memory_order_relaxed)) return Outcome::stopped;
        if (!add_differences(lines, y)) return Outcome::not_finite;
        advance(0);
    }
    const std::size_t bytes = width_ * pixel_bytes[static_cast<int>(lines.type)];
    for (std::size_t c = 0; c < lines.channels; ++c)
        std::memcpy(last_line_.data() + c * bytes, lines.line(c, lines.height - 1), bytes);
    return Outcome::done;
}

bool DenseStream::add_differences(const FrameView& lines, std::size_t y) noexcept {
    const auto difference = kernels().difference_line[static_cast<int>(lines.type)];
    const std::size_t bytes = width_ * pixel_bytes[static_cast<int>(lines.type)];
    float *const to = rings_[0].at(rings_[0].seen++), *const spare = to + network_.channels_ * plane_;
    bool finite = true;
    for (std::size_t c = 0; c < lines.channels; ++c) {
        const void* line = lines.line(c, y);
        const void* above = y ? lines.line(c, y - 1) : lines_seen_ ? last_line_.data() + c * bytes : line;
        float* along = to + network_.sides_ * c * plane_;
        finite &= difference(line, above, width_, along, network_.sides_ == 2 ? along + plane_ : spare);
    }
    ++lines_seen_;
    return finite;
}

// Computes the line of output that a layer's newest line of input completes, if any.
void DenseStream::advance(std::size_t index) noexcept {
    const DenseNetwork::Layer& layer = network_.stem_[index];
    Ring& ring = rings_[index];
    const std::size_t top = ring.next * layer.step;
    if (ring.seen != top + layer.height) return;
    const bool last = index + 1 == rings_.size();
    Ring* const below = last ? nullptr : &rings_[index + 1];
    float* const to = last ? features_ : below->at(below->seen);
    const std::size_t gap = last ? 0 : network_.stem_[index + 1].gap;
    multiply(index, top, gap ? unpaired_ : to);
    ++ring.next;
    if (last) return finish();
    if (gap) {
        const DenseNetwork::Layer& next = network_.stem_[index + 1];
        kernels().pair_values(unpaired_, next.pitch, gap, below->values, pairs_of(below->cols, gap), to);
    }
    ++below->seen;
    advance(index + 1);
}

// Computes a line of a layer's output, from the lines of its input from `top` on.
void DenseStream::multiply(std::size_t index, std::size_t top, float* out) noexcept {
    const DenseNetwork::Layer& layer = network_.stem_[index];
    const Ring& ring = rings_[index];
    for (std::size_t i = 0; i < layer.runs.size(); ++i)
        runs_[i] = ring.at(top + layer.runs[i].line) + layer.runs[i].plane * plane_ + layer.runs[i].offset;
    if (layer.gap) {
        const std::size_t kinds = pairs_of(ring.cols, layer.gap) * layer.pitch;
        const PairTaps taps{runs_.data(), layer.runs.size(), layer.lengths[0], layer.pitch, kinds, layer.gap};
        kernels().multiply_pairs(taps, layer.weights.first, layer.blocks, network_.relu_, ring.cols, out,
                                 layer.units());
        return;
    }
    const Taps taps{runs_.data(), layer.lengths.data(), layer.runs.size(), layer.step * layer.pitch};
    kernels().multiply_taps(taps, layer.weights.first, layer.taps, layer.blocks, network_.relu_, ring.cols, out,
                            layer.units());
}

// Runs the head for a row of windows. The division comes after the first layer: that is linear, and
// phasors do not depend on the contrast.
void DenseStream::finish() noexcept {
    const TurnSteps& turn = network_.turn_;
    const TurnPlan plan{turn.bases(), turn.units(), {turn.count()[0], turn.count()[1]}, turn.factors(), turn.digits()};
    if (turn.bases()) kernels().turn_features(plan, deviation_, cols_, features_, powers_);
    const float *values = features_, *divisor = deviation_;
    for (std::size_t i = 0; i < network_.head_.size(); ++i, divisor = nullptr) {
        const DenseNetwork::Layer& layer = network_.head_[i];
        const Taps taps{&values, layer.lengths.data(), 1, layer.pitch};
        float* out = hidden_[i % 2];
        kernels().multiply_taps(taps, layer.weights.first, layer.taps, layer.blocks, false, cols_, out, layer.units());
        if (i + 1 == network_.head_.size())
            kernels().store_planes(out, divisor, layer.bias.data(), network_.planes_, layer.units(), cols_, code_,
                                   plane_pitch_);
        else
            kernels().bend_units(out, divisor, layer.bias.data(), layer.units(), cols_);
        values = out;
    }
    if (turn.bases()) kernels().turn_phases(plan, powers_, cols_, code_, plane_pitch_);
    deviation_ += cols_;
    code_ += cols_;
}

}  // namespace shiftvae
