// A model file that was checked, ready to encode frames at one stride.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/bytes.hpp"
#include "drawing_graph.hpp"
#include "manifest.hpp"
#include "shiftvae/dense_rows.hpp"

namespace shiftvae {

struct Model {
    Manifest manifest;
    std::unique_ptr<const DenseModel> dense;
    std::optional<DrawingGraph> decoder;
    std::size_t stride;  // px between windows
    std::size_t step;    // windows of the network from one of the map to the next

    std::size_t latents() const noexcept { return manifest.latents.size(); }
};

// Windows (count, C, h, w) of latents (count, latents), in units of their deviation. Refuses a model without a decoder
// that this library knows.
std::vector<float> draw_windows(const Model& model, const float* latents, std::size_t count);

// Checks the content of a model file, whose own test frame must come out at this stride too.
std::shared_ptr<const Model> load_model(Bytes file, std::size_t stride);

}  // namespace shiftvae
