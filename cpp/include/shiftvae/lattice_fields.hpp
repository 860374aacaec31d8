// Displacement, strain and rotation of a lattice, from the shift of each window.
#pragma once

#include <cstddef>
#include <vector>

#include "shiftvae/aligned.hpp"

namespace shiftvae {

// Rows of windows in, rows of fields out. A field needs windows below its own: its row comes `lag()` rows later, the
// last ones with the last row of the map. Rows are the same however many are pushed together.
//
// The shift is known modulo the lattice: as phases 2 pi g_k . (place + shift), one for each lattice vector a_k. Their
// unit phasors, weighted by the precision of the shift, are averaged under two boxes, one after the other, along both
// axes. Their gradient is that of the displacement (Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131). Unwrapped
// from the row above, they say which lattice point a window's shift belongs to.
//
// A window with an infinite deviation is unknown: it has no weight, and its fields mean nothing. Phases are unwrapped
// over it, from the last known window above it or, where there is none, beside it.
class LatticeFields {
public:
    // Displacement along y and x in px; exx, eyy, exy in %; rotation in degrees, from x towards y. Then their standard
    // deviations.
    static constexpr std::size_t fields = 6;

    struct Map {
        std::size_t rows, cols;
        double first_y, first_x, stride;  // centre of the first window, px; px between windows
        double aspect;                    // height of a pixel over its width
    };
    struct Lattice {
        double vectors[2][2];   // [k][axis], px; not parallel
        double gradient[2][2];  // [axis][along]: mean displacement in px for a px, which is taken off
    };
    struct Average {
        std::size_t half;    // boxes of 2 half + 1 windows
        double slope[2][2];  // [axis][along]: deviation of the gradient for one of 1 px of the shift, 1 / px
    };

    LatticeFields(const Map& map, const Lattice& lattice, const Average& average);

    std::size_t cols() const noexcept { return map_.cols; }
    std::size_t rows_left() const noexcept { return map_.rows - seen_; }
    std::size_t lag() const noexcept { return 2 * half_ + 1; }
    // Rows of fields that are complete when this many more rows of windows have come.
    std::size_t rows_with(std::size_t more) const noexcept;

    // shift, sd: planes for y and x of `count` rows, at most rows_left(), plane_pitch apart. out: 2 * fields planes of
    // rows_with(count) rows, out_pitch apart.
    void push(const float* shift, const float* sd, std::size_t plane_pitch, std::size_t count, float* out,
              std::size_t out_pitch) noexcept;

private:
    // The last rows of a map, `planes` lines each.
    template <class T>
    class Ring {
    public:
        Ring(std::size_t planes, std::size_t pitch, std::size_t kept);
        T* row(std::size_t index) const noexcept { return memory_.first + index % kept_ * row_size_; }

    private:
        std::size_t row_size_, kept_;
        Aligned<T> memory_;
    };
    // A box along y: its sum over the rows from `left` to `entered`.
    struct Box {
        std::vector<double> sum;
        std::size_t entered = 0, left = 0;
    };

    void take(const float* shift, const float* sd, std::size_t plane_pitch) noexcept;
    std::vector<double> places_of(std::size_t count);
    void average(double* line, std::size_t count) noexcept;
    void slide(Box& box, const Ring<double>& rows, std::size_t centre) const noexcept;
    void unwrap(std::size_t row) noexcept;
    void unwrap_known(std::size_t k, std::size_t row) noexcept;
    void write(std::size_t row, float* out, std::size_t out_pitch) noexcept;
    void write_displacement(std::size_t row, float* const* out) noexcept;
    void write_strain(std::size_t row, float* const* out) const noexcept;
    float per_px(double windows) const noexcept;

    Map map_;
    Lattice lattice_;
    std::size_t half_, pitch_;
    float slope_[2][2];
    float reciprocal_[2][2];  // [axis][k], cycles for a px
    double origin_[2];        // turns of the first window's centre; origin_ + row * per_row_ of a row's
    double per_row_[2];
    std::vector<double> along_;       // turns of the centres from the first on, a line for each phase
    std::vector<float> centre_;       // turns of the centres of a row
    std::vector<double> mean_along_;  // displacement from the first window on that is taken off, a line for each axis
    std::vector<double> place_y_;     // where the averages lie, in rows: near the edges not at their windows
    std::vector<float> per_col_;      // 1 / (2 pi px) between the neighbours of each window

    std::size_t seen_ = 0, boxed_ = 0, averaged_ = 0, written_ = 0;  // rows, at each step of the way
    Ring<float> windows_;   // turns of both phases, sd of the shift: four lines
    Ring<double> phasors_;  // averaged along x: cosines and sines of the first phase, then of the second
    Ring<double> boxes_;    // and under the first box along y
    Ring<float> units_;     // averaged phasors at unit length, four lines
    Ring<double> phases_;   // their turns, unwrapped, two lines
    Box first_, second_;
    std::vector<double> padded_, scratch_a_, scratch_b_;
    std::vector<float> wrapped_;
    bool gaps_ = false;        // there were unknown windows
    std::vector<char> begun_;  // columns that had a known window
    double zero_[2] = {0, 0};  // px; mean displacement of the first row with known windows, which is taken off
    bool zeroed_ = false;
};

}  // namespace shiftvae
