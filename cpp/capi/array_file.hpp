// Arrays of an .npz: the format .npy of NumPy, version 1.0.
#pragma once

#include <string>
#include <vector>

#include "common/bytes.hpp"
#include "shiftvae/frame_view.hpp"

namespace shiftvae {

struct ArrayFile {
    PixelType type;
    std::size_t shape[3];      // of three axes
    std::vector<char> values;  // in the order of C

    std::size_t size() const noexcept { return shape[0] * shape[1] * shape[2]; }
    const float* floats() const noexcept { return reinterpret_cast<const float*>(values.data()); }
};

// Bytes of a pixel.
std::size_t pixel_size(PixelType type) noexcept;

// An array of three axes of plain numbers. `name` is for messages. Refuses anything else.
ArrayFile read_array(Bytes data, const std::string& name);

}  // namespace shiftvae
