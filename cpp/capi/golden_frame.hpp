// The self-test of a model: its own test frame, whole and in parts, must give the map that the file holds of it.
#pragma once

#include "common/bytes.hpp"
#include "model.hpp"

namespace shiftvae {

// `archive`: the content of golden.npz; network_stride: whose maps there are compared. Refuses an error above 1e-3 of a
// latent's spread (other processors round differently), and parts that differ from the whole in any bit.
void check_golden_frame(const Model& model, Bytes archive, std::size_t network_stride);

}  // namespace shiftvae
