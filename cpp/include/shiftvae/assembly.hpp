// Maps on the frame's pixels, from one value for each window.
#pragma once

#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// values, precision: (latents, rows, cols); map: (latents, frame_height, frame_width), NaN where no weight falls.
// A window of precision 0 is left out, whatever its value. Both functions write nothing and return false if a precision
// is negative or not finite, or a value of positive precision is not finite. Sums are in double; the result does not
// depend on the number of threads.

// Every pixel gets the precision-weighted mean of all windows that cover it.
bool assemble_latent_map(const float* values, const float* precision, std::size_t latents, const Grid& grid, float* map,
                         unsigned threads);

// Every window's value is spread bilinearly over the four pixels around its centre + shift.
// shift_y, shift_x: (rows, cols), px. Windows whose shift is not finite are left out.
bool place_at_motifs(const float* values, const float* precision, const float* shift_y, const float* shift_x,
                     std::size_t latents, const Grid& grid, float* map, unsigned threads);

}  // namespace shiftvae
