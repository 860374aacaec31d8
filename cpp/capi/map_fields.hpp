// Displacement, strain and rotation from a latent map, with the settings of the runtime.
#pragma once

#include "model.hpp"
#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// mean, sd: (latents, rows, cols); fields, fields_sd: (6, rows, cols) each. Refuses a model without a lattice of two
// vectors. With several grains, NaN where there is none.
void write_fields(const Model& model, const Grid& grid, const float* mean, const float* sd, float* fields,
                  float* fields_sd);

// order, order_sd: (2, rows, cols) for each superlattice vector: degree of order, and antiphase in degrees. Refuses a
// model without order latents.
void write_order(const Model& model, const Grid& grid, const float* mean, const float* sd, float* order,
                 float* order_sd);

}  // namespace shiftvae
