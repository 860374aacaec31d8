#include "check.hpp"
#include "reference.hpp"
#include "shiftvae/convert_frame.hpp"
#include "shiftvae/isa.hpp"

using namespace shiftvae;
using reference::Frame;

CASE("a frame of every type is the rounded difference from its centre") {
    const char* names[8];
    const std::size_t count = available_isas(names, 8);
    for (const PixelType type : reference::types) {
        const Frame frame(type, 2, 70, 33, 60000, 3, 1);
        const double centre[] = {59999.75, -2.5};
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(use_isa(names[i]));
            for (const unsigned threads : {1u, 3u}) {
                std::vector<float> out(frame.pixels.size());
                CHECK(convert_frame(frame.view(), centre, out.data(), threads));
                for (std::size_t k = 0; k < out.size(); ++k)
                    CHECK(out[k] == static_cast<float>(frame.pixels[k] - centre[k / (70 * 33)]));
            }
        }
    }
}

CASE("one NaN, infinity or overflow anywhere is reported") {
    const double centre[] = {0};
    for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY), -1e300}) {
        Frame frame(PixelType::float64, 1, 40, 37, 0, 1, 2);
        std::vector<float> out(frame.pixels.size());
        for (const std::size_t at : {std::size_t{0}, frame.pixels.size() - 1}) {
            const double good = frame.pixels[at];
            frame.pixels[at] = bad;
            frame.store<double>();
            CHECK(!convert_frame(frame.view(), centre, out.data(), 2));
            frame.pixels[at] = good;
            frame.store<double>();
            CHECK(convert_frame(frame.view(), centre, out.data(), 2));
        }
    }
}
