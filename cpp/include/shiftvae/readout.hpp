// From what the network says of each window to its latents.
#pragma once

#include <cstddef>

namespace shiftvae {

// What the planes of a code mean, in their order. The shift: where there are `phases`, cosines, sines and log widths,
// a plane for each phase; otherwise shift and log deviation, a plane for each axis. Cosine, sine and log width of an
// angle; log and log deviation of a scale, in units of its prior; means of the content, then its log deviations.
// Last, what is added to the shift: cells for each phase, and px for each axis where the phases are fewer than these;
// px for each axis without phases.
struct Readout {
    std::size_t axes = 2;        // coordinates of the shift, 1 or 2
    std::size_t phases = 0;      // lattice vectors, at most `axes`
    double vectors[2][2] = {};   // [phase][axis], px
    double planar_px = 0;        // unit of a shift without phases
    double planar_reach_px = 0;  // where it ends softly; 0: nowhere
    double angle_period = 0;     // degrees; 0: no angle
    double scale_prior = 0;      // 0: no scale
    std::size_t content = 0;

    // Planes that are added to the shift.
    constexpr std::size_t moved() const { return phases == 0 || phases == axes ? axes : phases + axes; }
    constexpr std::size_t planes() const {
        const std::size_t shift = phases ? 3 * phases : 2 * axes;
        return shift + (angle_period > 0 ? 3 : 0) + (scale_prior > 0 ? 2 : 0) + 2 * content + moved();
    }
    constexpr std::size_t latents() const { return axes + (angle_period > 0) + (scale_prior > 0) + content; }
};

// mean, sd (latents, count) of code (planes, count): the shift in px within the cell around 0, the angle in degrees,
// the scale in per cent above 1, content in its own units. The values of a window do not depend on its neighbours.
void read_latents(const Readout& readout, const float* code, std::size_t count, float* mean, float* sd,
                  unsigned threads);

}  // namespace shiftvae
