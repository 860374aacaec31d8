// Displacement, strain and rotation from a latent map, with the settings of the runtime.
#pragma once

#include "model.hpp"
#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// mean, sd: (latents, rows, cols); fields, fields_sd: (6, rows, cols) each. Refuses a model without a lattice of two
// vectors. With several grains, NaN where there is none.
void write_fields(const Model& model, const Grid& grid, const float* mean, const float* sd, float* fields,
                  float* fields_sd);

}  // namespace shiftvae
