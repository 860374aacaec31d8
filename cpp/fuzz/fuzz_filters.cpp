// Filters over windows by spectra, of any frame, filters, stride, segment and scaling, with every instruction set.
#include "input.hpp"
#include "shiftvae/filter_bank.hpp"
#include "shiftvae/isa.hpp"

using namespace shiftvae;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const char* names[8];
    use_isa(names[input.number(0, available_isas(names, 8) - 1)]);
    const Scaling scaling{static_cast<Normalisation>(input.number(0, 2)), input.number(0, 1) ? 0.5 : 0.0};
    const std::size_t units = input.number(1, 40), stride = std::size_t{1} << input.number(0, 3);
    const fuzz::AnyFrame frame(input);
    Grid grid = fuzz::any_grid(input, frame.view.height, frame.view.width);
    grid.stride = stride;
    std::size_t segment = 16;
    while (segment < grid.window_width) segment *= 2;
    segment <<= input.number(0, 2);
    const std::size_t filter = frame.view.channels * grid.window_height * grid.window_width;
    if (units * filter > 1u << 16 || (scaling.kind == Normalisation::minmax && frame.view.channels > 1)) return 0;
    const auto filters = input.doubles(units * filter);
    const FilterBank bank(filters.data(), units, frame.view.channels, grid.window_height, grid.window_width, stride,
                          segment);
    std::vector<float> out(grid.rows() * grid.cols() * units);
    const std::vector<double> centre(frame.view.channels, 3.0);
    bank.apply(frame.view, scaling, centre.data(), out.data());
    return 0;
}
