// A frame in float32, of any dtype and any bits.
#include "input.hpp"
#include "shiftvae/convert_frame.hpp"

using namespace shiftvae;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned threads = static_cast<unsigned>(input.number(1, 2));
    const fuzz::AnyFrame frame(input);
    const FrameView& view = frame.view;
    const auto centre = input.doubles(view.channels);
    std::vector<float> converted(view.channels * view.height * view.width);
    convert_frame(view, centre.data(), converted.data(), threads);
    if (view.width < 2) return 0;
    std::vector<float> out(2 * view.channels * view.height * (view.width - 1));
    difference_frame(view, out.data(), threads);
    return 0;
}
