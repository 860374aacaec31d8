// Lengths measured by the shift: its advance over about a window's width, against that of the mean lattice.
#pragma once

#include <vector>

#include "manifest.hpp"

namespace shiftvae {

class Ruler {
public:
    // stride: px between windows. Without a lattice nothing is measured.
    Ruler(const Manifest& manifest, std::size_t stride);

    // The advance of each phase beyond the lattice's in turns, (axes, vectors, rows, cols), from the shift latents
    // (axes, rows, cols); 0 where there is no window that far above or to the left.
    std::vector<float> advance(const float* shift, std::size_t rows, std::size_t cols) const;

    // The mean displacement in px for a px along each axis, (axes, axes); false where nothing is known.
    bool strain(const std::vector<float>& advance, std::size_t rows, std::size_t cols,
                std::vector<double>& strain) const;

private:
    std::size_t axes_, steps_;
    double stride_;
    std::vector<std::vector<double>> vectors_, turns_;  // [vector][axis]: px; turns for a px
};

}  // namespace shiftvae
