// layers.onnx: the weights of a network, as the outputs of a graph without inputs.
#pragma once

#include <string>
#include <vector>

#include "common/bytes.hpp"

namespace shiftvae {

struct Tensor {
    std::vector<std::size_t> shape;
    std::vector<float> values;
};

struct LayersGraph {
    std::vector<Tensor> outputs;  // in the order of the graph
    std::string dilations, readout;
};

// Reads as little of ONNX as the exporter writes: float32 constants, a node Identity for each output, and two texts.
// Refuses other operators, other numbers, and tensors with more than 4 axes, 4096 along an axis or 2**22 values.
LayersGraph read_layers(Bytes graph);

}  // namespace shiftvae
