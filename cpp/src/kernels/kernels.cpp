// Compiled once for each instruction set, with SHIFTVAE_ISA set to its name.
#include "kernels.hpp"

#include <string.h>
#if defined(_MSC_VER)
#include <math.h>
#endif

#include "dense.hpp"
#include "fields.hpp"
#include "lines.hpp"
#include "readout.hpp"
#include "sliding.hpp"
#include "turn.hpp"

#define SHIFTVAE_TEXT_OF(name) #name
#define SHIFTVAE_TEXT(name) SHIFTVAE_TEXT_OF(name)

namespace shiftvae {
namespace SHIFTVAE_ISA {

extern const Kernels table;
const Kernels table = {
    SHIFTVAE_TEXT(SHIFTVAE_ISA),
    SHIFTVAE_EACH_TYPE(add_lines),
    {slide_lines<std::uint8_t>, slide_lines<std::uint16_t>, slide_lines<std::int16_t>},
    SHIFTVAE_EACH_TYPE(window_moments),
    SHIFTVAE_EACH_TYPE(difference_line),
    sliding_sum,
    moments,
    store_statistics,
    read_latents,
    multiply_taps,
    multiply_pairs,
    pair_values,
    bend_units,
    store_planes,
    turn_features,
    turn_phases,
    lattice_phases,
    unit_phases,
    unwrap_turns,
    displacement_row,
    strain_row,
    strain_deviations,
    accumulate,
};

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
