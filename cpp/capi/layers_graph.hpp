// layers.onnx: the weights of a network, as the outputs of a graph without inputs.
#pragma once

#include <string>
#include <vector>

#include "common/bytes.hpp"
#include "onnx_tensor.hpp"

namespace shiftvae {

struct LayersGraph {
    std::vector<Tensor> outputs;  // in the order of the graph
    std::string dilations, relu, turn, readout;
};

// Reads as little of ONNX as the exporter writes: float32 constants, a node Identity for each output, and four texts.
// Refuses other operators, other numbers, and more than 4096 values along an axis.
LayersGraph read_layers(Bytes graph);

}  // namespace shiftvae
