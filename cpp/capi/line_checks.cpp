#include "line_checks.hpp"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "pixel_types.hpp"

namespace shiftvae {

std::size_t not_finite(const FrameView& lines) {
    return with_type(lines.type, [&](auto pixel) {
        using T = decltype(pixel);
        if constexpr (std::is_floating_point_v<T>) {
            std::size_t bad = 0;
            for (std::size_t c = 0; c < lines.channels; ++c)
                for (std::size_t y = 0; y < lines.height; ++y) {
                    const T* line = static_cast<const T*>(lines.line(c, y));
                    for (std::size_t x = 0; x < lines.width; ++x) bad += !std::isfinite(line[x]);
                }
            return bad;
        } else {
            return std::size_t{0};
        }
    });
}

bool is_flat(const FrameView& lines, const char* first_pixels) {
    return with_type(lines.type, [&](auto pixel) {
        using T = decltype(pixel);
        for (std::size_t y = 0; y < lines.height; ++y)
            for (std::size_t c = 0; c < lines.channels; ++c) {
                T first;
                std::memcpy(&first, first_pixels + c * sizeof(T), sizeof(T));
                const T* line = static_cast<const T*>(lines.line(c, y));
                for (std::size_t x = 0; x < lines.width; ++x)
                    if (line[x] != first) return false;
            }
        return true;
    });
}

}  // namespace shiftvae
