// The operators of ONNX that decoders consist of, plainly written: a few windows are drawn, not every one of a frame.
#pragma once

#include <vector>

#include "drawing_graph.hpp"

namespace shiftvae {

// Number of values in a tensor of this shape. Refuses more than 2**24.
std::size_t values_of(const std::vector<std::size_t>& shape);

// The output of a node. Refuses, as SV_UNSUPPORTED, an operator that is not here; as SV_FILE, inputs that do not fit.
Tensor run_operator(const DrawingNode& node, const std::vector<const Tensor*>& inputs);

}  // namespace shiftvae
