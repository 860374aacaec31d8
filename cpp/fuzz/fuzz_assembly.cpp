// Maps on the frame's pixels, from any values, precisions and shifts.
#include "input.hpp"
#include "shiftvae/assembly.hpp"

using namespace shiftvae;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned threads = static_cast<unsigned>(input.number(1, 2));
    const std::size_t latents = input.number(1, 3), height = input.number(1, 40), width = input.number(1, 40);
    const Grid grid = fuzz::any_grid(input, height, width);
    const std::size_t windows = grid.rows() * grid.cols();
    const auto values = input.floats(latents * windows);
    const auto shift_y = input.floats(windows), shift_x = input.floats(windows);
    auto precision = input.floats(latents * windows);
    std::vector<float> map(latents * height * width);
    assemble_latent_map(values.data(), precision.data(), latents, grid, map.data(), threads);
    place_at_motifs(values.data(), precision.data(), shift_y.data(), shift_x.data(), latents, grid, map.data(),
                    threads);
    return 0;
}
