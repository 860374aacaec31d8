// A frame as the kernels see it: pixels that the caller owns.
#pragma once

#include <cstddef>

namespace shiftvae {

enum class PixelType { uint8, uint16, int16, uint32, int32, float32, float64 };

// (channels, height, width); neighbouring pixels of a line are adjacent in memory, lines and channels may lie apart.
struct FrameView {
    const void* pixels;
    PixelType type;
    std::size_t channels, height, width;
    std::ptrdiff_t channel_stride, line_stride;  // bytes

    const void* line(std::size_t channel, std::size_t y) const noexcept {
        return static_cast<const char*>(pixels) + static_cast<std::ptrdiff_t>(channel) * channel_stride +
               static_cast<std::ptrdiff_t>(y) * line_stride;
    }
};

// The regular grid of the windows of a frame; lengths in px.
struct Grid {
    std::size_t frame_height, frame_width, window_height, window_width, stride;

    std::size_t rows() const noexcept { return (frame_height - window_height) / stride + 1; }
    std::size_t cols() const noexcept { return (frame_width - window_width) / stride + 1; }
};

}  // namespace shiftvae
