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

CASE("differences of every type are those of its neighbours, rounded once") {
    const char* names[8];
    const std::size_t count = available_isas(names, 8);
    for (const PixelType type : reference::types) {
        const std::size_t height = 70, width = 33;
        const Frame frame(type, 2, height, width, 60000, 3, 1);
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(use_isa(names[i]));
            std::vector<float> out(4 * height * (width - 1));
            CHECK(difference_frame(frame.view(), out.data(), 3));
            std::size_t at = 0;
            for (std::size_t c = 0; c < 2; ++c)
                for (const bool down : {false, true})
                    for (std::size_t y = 0; y < height; ++y)
                        for (std::size_t x = 0; x + 1 < width; ++x, ++at) {
                            const double* pixel = frame.pixels.data() + (c * height + y) * width + x;
                            const double wanted = !down ? pixel[1] - pixel[0] : y ? pixel[0] - pixel[-33] : 0;
                            CHECK(out[at] == static_cast<float>(wanted));
                        }
        }
    }
}
