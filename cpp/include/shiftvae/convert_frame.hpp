// A frame in float32, relative to a constant of each channel.
#pragma once

#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// out (channels, height, width) = pixel - centre[channel], subtracted in float64 and rounded once.
// True when every value written is finite.
bool convert_frame(const FrameView& frame, const double* centre, float* out, unsigned threads);

}  // namespace shiftvae
