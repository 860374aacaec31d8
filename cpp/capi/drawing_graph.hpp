// decoder.onnx: draws windows from latents. The graph is run as it stands, by the few operators that decoders consist
// of.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/bytes.hpp"
#include "onnx_tensor.hpp"

namespace shiftvae {

struct DrawingNode {
    std::string operation;
    std::vector<std::string> inputs;
    std::string output;
    std::vector<std::int64_t> axes;  // of ReduceMean and Unsqueeze; of Transpose the order
    std::int64_t axis = 0;           // of Concat
    std::int64_t keeps_dimensions = 1, aligns_corners = 0;
    std::string padding, mode;  // of GridSample
};

class DrawingGraph {
public:
    // Refuses a file that is not an ONNX graph. What the graph consists of is seen when it runs.
    explicit DrawingGraph(Bytes graph);

    // latents (count, latents) to windows (count, C, h, w) in units of their standard deviation, `size` values each.
    // Refuses, as SV_UNSUPPORTED, operators that it does not know and decoders that want a class; as SV_FILE, tensors
    // that do not fit each other or the size.
    std::vector<float> draw(const float* latents, std::size_t count, std::size_t latents_each, std::size_t size) const;

private:
    std::map<std::string, Tensor> constants_;
    std::vector<DrawingNode> nodes_;
    std::vector<std::string> inputs_, outputs_;
};

}  // namespace shiftvae
