// What every pixel is checked for.
#pragma once

#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// Number of pixels that are NaN or infinite.
std::size_t not_finite(const FrameView& lines);

// True if every pixel of a channel equals its first one.
bool is_flat(const FrameView& lines, const char* first_pixels);

}  // namespace shiftvae
