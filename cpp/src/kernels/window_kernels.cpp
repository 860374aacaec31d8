// Compiled once for each instruction set, with SHIFTVAE_ISA set to its name.
#include <string.h>
#if defined(_MSC_VER)
#include <math.h>
#endif

#include "kernels.hpp"
#include "lines.hpp"
#include "rounds.hpp"
#include "sliding.hpp"
#include "spectra.hpp"
#include "write_windows.hpp"
#include "yardsticks.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

extern const WindowKernels window_table;
const WindowKernels window_table = {
    SHIFTVAE_EACH_TYPE(load_lines),
    SHIFTVAE_EACH_TYPE(spread_line),
    SHIFTVAE_EACH_TYPE(bound_lines),
    SHIFTVAE_EACH_TYPE(convert_line),
    sliding_bound<true>,
    sliding_bound<false>,
    zscore_scale,
    minmax_scale,
    write_windows<float, FloatScale>,
    write_windows<double, DoubleScale>,
    compare_motif,
    {transform<float>, pack_spectra<float>, multiply_spectra<float>, scale_products<float>},
    {transform<double>, pack_spectra<double>, multiply_spectra<double>, scale_products<double>},
    weights_are_sound,
    weigh,
    divide,
    stream_fill,
    multiply_add,
};

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
