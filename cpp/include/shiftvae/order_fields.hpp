// Degree of order and antiphase of a superlattice, from its amplitude in each window and the place of the motif.
#pragma once

#include <cstddef>

namespace shiftvae {

// A superlattice vector of `turns` reciprocal vectors, and the lattice on which it lies.
struct Superlattice {
    double turns[2];
    double vectors[2][2];   // [k][axis], px
    double gradient[2][2];  // [axis][along]: mean displacement in px for a px
};

// A row of windows of a map. The amplitude is that of the satellites as a wave at the window's centre.
struct OrderRow {
    const float *real, *imaginary, *sd;
    const float* shift[2];         // px along y and x, modulo the lattice
    const float* displacement[2];  // of the motif nearest to each window, as by LatticeFields
    double y, stride;              // of the row's centres from the first window of the map, px; px between windows
};

// Where a map begins: the lattice point of its first window, px from that window's centre.
struct OrderOrigin {
    double place[2];
};

OrderOrigin origin_of(const OrderRow& first_row) noexcept;

// The amplitude in the frame of the nearest motif, counted in cells from the map's first window: its modulus, its angle
// in degrees, and their standard deviations, for `count` windows each. The lattice point tells how many cells apart two
// motifs are, so that the angle does not change from cell to cell.
void order_fields(const Superlattice& superlattice, const OrderOrigin& origin, const OrderRow& row, std::size_t count,
                  float* order, float* antiphase, float* order_sd, float* antiphase_sd) noexcept;

}  // namespace shiftvae
