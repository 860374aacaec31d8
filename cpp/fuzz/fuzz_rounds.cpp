// Rounds with any numbers in the model, the windows and the latents, with every instruction set.
#include "input.hpp"
#include "shiftvae/isa.hpp"
#include "shiftvae/rounds.hpp"

using namespace shiftvae;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const char* names[8];
    use_isa(names[input.number(0, available_isas(names, 8) - 1)]);
    Rounds::Shape shape{};
    shape.channels = input.number(1, 2);
    shape.points = input.number(1, 40);
    shape.content = input.number(0, 3);
    shape.height = input.number(2, 12);
    shape.width = input.number(2, 12);
    shape.period = input.number(0, 1) ? 360 : 0;
    shape.grows = input.number(0, 1);
    const std::size_t count = input.number(1, 3), all = shape.channels * shape.points;
    auto mean = input.floats(shape.latents() * count);
    const auto windows = input.floats(count * shape.channels * shape.height * shape.width);
    const auto points = input.floats(2 * shape.points), motif = input.floats((1 + shape.content) * all);
    const auto inverse = input.floats(shape.latents() * all), deviation = input.floats(shape.latents());
    std::vector<float> sd(mean.size());
    Rounds(shape, points.data(), motif.data(), inverse.data(), deviation.data())
        .improve(windows.data(), count, count, mean.data(), sd.data());
    return 0;
}
