// Windows and their statistics, of any frame, window, stride and scaling.
#include "input.hpp"
#include "shiftvae/windows.hpp"

using namespace shiftvae;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const Scaling scaling{static_cast<Normalisation>(input.number(0, 2)), input.number(0, 1) ? 0.5 : 0.0};
    const unsigned threads = static_cast<unsigned>(input.number(1, 2));
    const bool given = input.number(0, 1) != 0;
    const fuzz::AnyFrame frame(input);
    const Grid grid = fuzz::any_grid(input, frame.view.height, frame.view.width);
    const std::size_t windows = grid.rows() * grid.cols();
    const std::size_t window = frame.view.channels * grid.window_height * grid.window_width;
    if (windows * window > 1u << 18) return 0;
    const std::vector<double> centre(frame.view.channels, 3.0);
    const double* at = given ? centre.data() : nullptr;
    std::vector<float> out(windows * window), mean(frame.view.channels * windows), sd(mean.size());
    extract_windows(frame.view, grid, scaling, at, out.data(), threads);
    window_statistics(frame.view, grid, at, mean.data(), sd.data(), threads);
    const std::size_t count = input.number(0, 5);
    std::vector<std::int64_t> origins;
    for (std::size_t i = 0; i < count; ++i) {
        origins.push_back(static_cast<std::int64_t>(input.number(0, frame.view.height - grid.window_height)));
        origins.push_back(static_cast<std::int64_t>(input.number(0, frame.view.width - grid.window_width)));
    }
    std::vector<float> some(count * window);
    extract_windows_at(frame.view, origins.data(), count, grid.window_height, grid.window_width, scaling, some.data(),
                       threads);
    return 0;
}
