// What depends on the type of pixels.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// body(pixel) with a value of the type of these pixels.
template <class Body>
auto with_type(PixelType type, Body body) {
    switch (type) {
        case PixelType::uint8: return body(std::uint8_t{});
        case PixelType::uint16: return body(std::uint16_t{});
        case PixelType::int16: return body(std::int16_t{});
        case PixelType::uint32: return body(std::uint32_t{});
        case PixelType::int32: return body(std::int32_t{});
        case PixelType::float32: return body(float{});
        default: return body(double{});
    }
}

// `count` pixels of a line from column x on, as numbers.
inline void copy_pixels(const FrameView& lines, std::size_t channel, std::size_t y, std::size_t x, std::size_t count,
                        double* out) {
    with_type(lines.type, [&](auto pixel) {
        const auto* from = static_cast<const decltype(pixel)*>(lines.line(channel, y)) + x;
        for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<double>(from[i]);
    });
}

// Step to the next larger number of the type; 0 for whole numbers.
inline double float_spacing(PixelType type, double level) {
    if (type == PixelType::float64) return std::nextafter(level, HUGE_VAL) - level;
    if (type != PixelType::float32) return 0;
    const auto single = static_cast<float>(level);
    return static_cast<double>(std::nextafter(single, HUGE_VALF) - single);
}

}  // namespace shiftvae
