// Latents from any code, with any kinds of latents, with every instruction set.
#include "input.hpp"
#include "shiftvae/isa.hpp"
#include "shiftvae/readout.hpp"

using namespace shiftvae;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const char* names[8];
    use_isa(names[input.number(0, available_isas(names, 8) - 1)]);
    const unsigned threads = static_cast<unsigned>(input.number(1, 2));
    Readout readout;
    readout.axes = input.number(1, 2);
    readout.phases = input.number(0, readout.axes);
    readout.content = input.number(0, 4);
    const auto numbers = input.doubles(8);
    for (std::size_t i = 0; i < 4; ++i) readout.vectors[i / 2][i % 2] = numbers[i];
    readout.planar_px = numbers[4];
    readout.planar_reach_px = numbers[5];
    readout.angle_period = numbers[6];
    readout.scale_prior = numbers[7];
    const std::size_t count = input.number(1, 1100);
    const auto code = input.floats(readout.planes() * count);
    std::vector<float> mean(readout.latents() * count), sd(readout.latents() * count);
    read_latents(readout, code.data(), count, mean.data(), sd.data(), threads);
    return 0;
}
