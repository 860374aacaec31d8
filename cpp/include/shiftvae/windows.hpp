// Sliding windows of a frame, and their statistics.
//
// The caller has checked the arguments: windows fit the frame, outputs hold what is written. Scratch memory is
// allocated once per call (std::bad_alloc); nothing else throws.
#pragma once

#include <cstdint>

#include "shiftvae/frame_view.hpp"

namespace shiftvae {

enum class Normalisation { none, zscore, minmax };

struct Scaling {
    Normalisation kind;
    double sd_floor;  // zscore: the smallest standard deviation that is divided by
};

// `centre`: for each channel a constant near its pixels, for sums that are not exact; null to find it in the frame.
// Bands of a frame that are given the same centre give the same bits as the whole frame.

// out: (rows, cols, channels, window_height, window_width)
void extract_windows(const FrameView& frame, const Grid& grid, Scaling scaling, const double* centre, float* out,
                     unsigned threads);

// origins: (count, 2), top-left y, x of each window; out: (count, channels, window_height, window_width)
void extract_windows_at(const FrameView& frame, const std::int64_t* origins, std::size_t count,
                        std::size_t window_height, std::size_t window_width, Scaling scaling, float* out,
                        unsigned threads);

// mean, sd: (channels, rows, cols)
void window_statistics(const FrameView& frame, const Grid& grid, const double* centre, float* mean, float* sd,
                       unsigned threads);

}  // namespace shiftvae
