// Dense networks of any layers and stride, over any frame in any parts, with every instruction set.
#include <stdexcept>

#include "input.hpp"
#include "shiftvae/dense_network.hpp"
#include "shiftvae/isa.hpp"

using namespace shiftvae;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const char* names[8];
    use_isa(names[input.number(0, available_isas(names, 8) - 1)]);
    const std::size_t stride = input.number(1, 9), layers = input.number(1, 3), heads = input.number(1, 2);
    const std::size_t wrong = input.number(0, 63);  // rarely the number of a layer with wrong inputs
    const std::size_t part = input.number(1, 9), stopped = input.number(0, 63);
    std::vector<DenseNetwork::Convolution> stem;
    for (std::size_t i = 0; i < layers; ++i) {
        const std::size_t units = input.number(1, 40), height = input.number(1, 4), width = input.number(1, 4);
        stem.push_back({units, i ? stem.back().units : 0, height, width, i ? input.number(1, 8) : 1, nullptr});
    }
    std::vector<DenseNetwork::Linear> head;
    for (std::size_t i = 0; i < heads; ++i)
        head.push_back({input.number(1, 40), i ? head.back().units : stem.back().units, nullptr, nullptr});
    const bool relu = input.number(0, 1) == 0;
    Turn turn;
    const std::size_t k = turn.bases = input.number(0, 2), pairs = stem.back().units / 2;
    const auto power = [&] { return static_cast<int>(input.number(0, 32)) - 16; };
    for (std::size_t j = 0; j < pairs * k; ++j) turn.orders.push_back(j < k * k ? j / k == j % k : power());
    for (std::size_t j = 0; j < k * k; ++j) turn.phases.push_back(power());
    const bool odd = input.number(0, 63) == 1;  // rarely a power beyond the most
    if (odd && k) turn.phases.back() = 17;
    const bool turns = k == 0 || (!odd && stem.back().units % 2 == 0 && pairs >= k && head.back().units >= 2 * k);
    const auto some = input.floats(61);  // repeated for all weights: only which of them are 0 matters
    const fuzz::AnyFrame frame(input);
    stem[0].inputs = frame.view.channels * (stem[0].height > 1 ? 2 : 1);
    const bool layers_fit = wrong >= layers + heads, fits = layers_fit && turns;
    if (!layers_fit) ++(wrong < layers ? stem[wrong].inputs : head[wrong - layers].inputs);

    std::vector<std::vector<float>> numbers;
    const auto floats = [&](std::size_t count) {
        numbers.emplace_back(count);
        for (std::size_t i = 0; i < count; ++i) numbers.back()[i] = some[i % some.size()];
        return numbers.back().data();
    };
    for (auto& of : stem) of.weights = floats(of.units * of.inputs * of.height * of.width);
    for (auto& of : head) {
        of.weights = floats(of.units * of.inputs);
        of.bias = floats(of.units);
    }
    try {
        const DenseNetwork network(stem, relu, turn, head, stride);
        if (frame.view.width < network.window_width()) return 0;
        DenseStream stream(network, frame.view.width);
        for (std::size_t top = 0; top < frame.view.height;) {
            FrameView lines = frame.view;
            lines.pixels = frame.view.line(0, top);
            lines.height = part < frame.view.height - top ? part : frame.view.height - top;
            if (!stream.accepts(lines)) {
                if (fits) __builtin_trap();
                return 0;
            }
            top += lines.height;
            if (top > 40 * stopped) stream.stop();
            const std::size_t windows = stream.rows_with(lines.height) * stream.cols();
            const std::vector<float> deviation = input.floats(windows);
            std::vector<float> code(network.planes() * windows);
            if (stream.push(lines, deviation.data(), code.data(), windows) != DenseStream::Outcome::done) return 0;
        }
    } catch (const std::invalid_argument&) {
        if (fits) __builtin_trap();
    }
    return 0;
}
