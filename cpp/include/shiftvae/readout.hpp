// Latents from the code that a network gives for each window.
#pragma once

#include <cstddef>

namespace shiftvae {

// Largest number of lattices beside the first.
constexpr std::size_t most_further = 7;

// The planes of a code, in order. Grain, if there are several: a score for each lattice, and one for none of them.
// Shift: with `phases`, cosines, sines and log widths, a plane for each phase; without,
// shift and log deviation, a plane for each axis. Angle: cosine, sine and log width. Scale: log and log deviation, in
// units of its prior. Content: means, then log deviations. Offset added to the shift: with phases, cells for each
// phase, and px for each axis if there are fewer phases than axes; without, px for each axis.
struct Readout {
    std::size_t axes = 2;        // number of coordinates of the shift, 1 or 2
    std::size_t phases = 0;      // number of lattice vectors, at most `axes`
    double vectors[2][2] = {};   // [phase][axis], px
    double planar_px = 0;        // unit of a shift without phases
    double planar_reach_px = 0;  // its soft limit; 0: none
    double angle_period = 0;     // degrees; 0: no angle
    double scale_prior = 0;      // deviation of the log of the scale; 0: no scale
    std::size_t content = 0;
    std::size_t further = 0;                          // number of lattices of further grains; with two phases only
    double further_vectors[most_further][2][2] = {};  // [grain - 1][phase][axis], px

    // Number of scores that tell the grain.
    constexpr std::size_t scores() const { return further ? further + 2 : 0; }
    // Number of planes that are added to the shift.
    constexpr std::size_t moved() const { return phases == 0 || phases == axes ? axes : phases + axes; }
    constexpr std::size_t planes() const {
        const std::size_t shift = phases ? 3 * phases : 2 * axes;
        return scores() + shift + (angle_period > 0 ? 3 : 0) + (scale_prior > 0 ? 2 : 0) + 2 * content + moved();
    }
    constexpr std::size_t latents() const {
        return axes + (further > 0) + (angle_period > 0) + (scale_prior > 0) + content;
    }
};

// mean, sd (latents, count) of code (planes, count): the shift in px within the cell around 0 of the window's grain;
// the number of the grain, -1 for none, whose shift is that of grain 0, and as its deviation the chance that it is
// another; the angle in degrees, the scale in per cent above 1, content in its own units. The values of a window do not
// depend on its neighbours.
void read_latents(const Readout& readout, const float* code, std::size_t count, float* mean, float* sd,
                  unsigned threads);

}  // namespace shiftvae
