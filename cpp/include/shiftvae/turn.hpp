// Complex features that turn with the lattice: the parts that a shift of the window turns are turned back.
#pragma once

#include <vector>

#include "shiftvae/aligned.hpp"

namespace shiftvae {

// The features of a window are complex numbers z_j (real part, imaginary part, ...), of which the first, one for each
// vector of the lattice, are the bases; u_b = conj(z_b) / |z_b|, or 1 where z_b is 0. The head of a network sees
// z_j * product over b of u_b^orders(j, b), again as real part, imaginary part, ... Of the code that it gives, cosines
// and sines of the phases a, the first planes, are multiplied with product over b of u_b^phases(a, b).
struct Turn {
    static constexpr int most = 16;  // largest power, up or down

    std::size_t bases = 0;            // 1 or 2; 0: features do not turn
    std::vector<int> orders, phases;  // (features / 2, bases), that of base b is 1 for b alone; (bases, bases)
};

// A turn as the kernels take it: see TurnPlan.
class TurnSteps {
public:
    TurnSteps() = default;
    // std::invalid_argument if the turn does not fit a network of `features` and a code of `planes`.
    TurnSteps(const Turn& turn, std::size_t features, std::size_t planes);

    std::size_t bases() const noexcept { return bases_; }
    // Number of complex numbers of a value: a whole number of vectors. A value is all real parts, then all imaginary
    // parts.
    std::size_t units() const noexcept { return units_; }
    // Number of steps of each base, and of both.
    const std::size_t* count() const noexcept { return count_; }
    std::size_t all() const noexcept { return count_[0] + count_[1]; }
    const float* factors() const noexcept { return factors_.first; }
    const signed char* digits() const noexcept { return digits_.data(); }
    // Where a feature lies in a value.
    std::size_t place(std::size_t feature) const noexcept { return feature / 2 + feature % 2 * units_; }

private:
    std::size_t bases_ = 0, units_ = 0, count_[2] = {0, 0};
    Aligned<float> factors_;
    std::vector<signed char> digits_;
};

}  // namespace shiftvae
