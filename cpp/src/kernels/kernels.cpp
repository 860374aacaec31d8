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
#include "rounds.hpp"
#include "sliding.hpp"
#include "spectra.hpp"
#include "turn.hpp"
#include "write_windows.hpp"
#include "yardsticks.hpp"

#define SHIFTVAE_TEXT_OF(name) #name
#define SHIFTVAE_TEXT(name) SHIFTVAE_TEXT_OF(name)
// In the order of PixelType.
#define SHIFTVAE_EACH_TYPE(kernel)                                                             \
    {kernel<std::uint8_t>, kernel<std::uint16_t>, kernel<std::int16_t>, kernel<std::uint32_t>, \
     kernel<std::int32_t>, kernel<float>,         kernel<double>}

namespace shiftvae {
namespace SHIFTVAE_ISA {

extern const Kernels table;
const Kernels table = {
    SHIFTVAE_TEXT(SHIFTVAE_ISA),
    SHIFTVAE_EACH_TYPE(load_lines),
    SHIFTVAE_EACH_TYPE(spread_line),
    SHIFTVAE_EACH_TYPE(add_lines),
    SHIFTVAE_EACH_TYPE(slide_lines),
    SHIFTVAE_EACH_TYPE(bound_lines),
    SHIFTVAE_EACH_TYPE(window_moments),
    SHIFTVAE_EACH_TYPE(convert_line),
    SHIFTVAE_EACH_TYPE(difference_line),
    sliding_sum,
    sliding_bound<true>,
    sliding_bound<false>,
    moments,
    zscore_scale,
    minmax_scale,
    store_statistics,
    write_windows<float, FloatScale>,
    write_windows<double, DoubleScale>,
    stream_fill,
    multiply_add,
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
    compare_motif,
    {transform<float>, pack_spectra<float>, multiply_spectra<float>, scale_products<float>},
    {transform<double>, pack_spectra<double>, multiply_spectra<double>, scale_products<double>},
    weights_are_sound,
    weigh,
    accumulate,
    divide,
};

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
