// A frame in float32: relative to a constant of each channel, or as differences between neighbours.
#pragma once

#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// out (channels, height, width) = pixel - centre[channel], subtracted in float64 and rounded once.
// True when every value written is finite.
bool convert_frame(const FrameView& frame, const double* centre, float* out, unsigned threads);

// out (2 channels, height, width - 1): for each channel the right neighbour minus the pixel, then the pixel minus the
// one above it (zeros in line 0). True when every value written is finite.
bool difference_frame(const FrameView& frame, float* out, unsigned threads);

}  // namespace shiftvae
