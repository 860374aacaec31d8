// The table of kernels that each instruction set fills, and the choice among them.
//
// Kernels are free functions over pointers and extents: noexcept, no allocation. Everything outside kernels/ is
// compiled for the baseline and reaches faster instructions only through this table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shiftvae/frame_view.hpp"
#include "shiftvae/readout.hpp"

// Instruction sets that the kernels are compiled for, the slowest first.
#if defined(SHIFTVAE_X86)
#define SHIFTVAE_EACH_ISA(use) use(sse2) use(avx2) use(avx512)
#elif defined(SHIFTVAE_ARM)
#define SHIFTVAE_EACH_ISA(use) use(neon)
#elif defined(SHIFTVAE_WASM)
#define SHIFTVAE_EACH_ISA(use) use(simd128)
#else
#define SHIFTVAE_EACH_ISA(use) use(plain)
#endif
// In the order of PixelType. NOLINTBEGIN(bugprone-macro-parentheses): `kernel` names a template.
#define SHIFTVAE_EACH_TYPE(kernel)                                                             \
    {kernel<std::uint8_t>, kernel<std::uint16_t>, kernel<std::int16_t>, kernel<std::uint32_t>, \
     kernel<std::int32_t>, kernel<float>,         kernel<double>}
// NOLINTEND(bugprone-macro-parentheses)

namespace shiftvae {

constexpr std::size_t pixel_types = 7;
constexpr std::size_t cache_line = 64;         // bytes
constexpr std::size_t longest_vector = 16;     // floats; kernels may read and write this far past the end of a line
constexpr std::size_t stage_block = 1024;      // floats computed before the stage sends its content
constexpr std::size_t stage_threshold = 4096;  // floats that pass through the stage before it starts again
constexpr std::size_t readout_block = 512;     // windows whose latents are read together
constexpr std::size_t most_chains = 24;        // chains of multiply-adds that run side by side
constexpr std::size_t unit_block = 16;         // units of a dense layer whose weights lie together
constexpr std::size_t spectrum_lanes = 16;  // complex numbers that are transformed together: real parts, then imaginary

// Lines of pixels that lie `stride` bytes apart.
struct Lines {
    const void* first;
    std::ptrdiff_t stride;
    std::size_t count, width;
};

// A row of windows: `cols` windows, `stride` px apart, each (channels, height, width).
struct WindowRow {
    std::size_t channels, height, width, cols, stride;
};

// The inputs of a dense layer for a row of values: `runs` of neighbouring inputs, lengths[i] each, for the first value;
// those of the next value lie `pitch` floats on.
struct Taps {
    const float* const* runs;
    const std::uint32_t* lengths;
    std::size_t count, pitch;
};

// The inputs of a dense layer of three taps for a row of pairs of values that are `gap` apart: `runs`, `length` each,
// of the first kind of sums of inputs, for the first pair. Those of the next pair lie `pitch` floats on, those of the
// next kind `kinds`.
struct PairTaps {
    const float* const* runs;
    std::size_t count, length, pitch, kinds, gap;
};

// Pairs of `count` values: those from 0 on with those from `gap` on, those from 2 gap on with those from 3 gap on, ...
constexpr std::size_t pairs_of(std::size_t count, std::size_t gap) {
    const std::size_t rest = count % (2 * gap);
    return count / (2 * gap) * gap + (rest < gap ? rest : gap);
}

// Complex numbers that turn by products of powers of unit phasors. A power is a product of u, u^3, u^9, ... or their
// conjugates (its digits in balanced ternary); there is a step for each of these that any power needs, those of the
// first phasor first. A step's factor of a number is one + use * re + i sign * im, where re + i im is the step's power.
struct TurnPlan {
    std::size_t bases, units;  // phasors, at most 2; complex numbers of a value, half of unit_block or a multiple of it
    std::size_t steps[2];      // of each phasor, at least 1
    const float* factors;      // (steps, 3, units): one, use, sign
    const signed char* digits;  // (bases, steps): of the phases of a code, -1, 0 or 1
};

// Layout of the spectra of lines for one frequency: for each of its aliases and each channel the real parts of all
// lines, then the imaginary parts; lines in the order of their remainder by the stride, so that rows of windows are
// neighbours.
struct SpectrumBlocks {
    std::size_t aliases, channels, stride, height;
    std::size_t alias_step, channel_step, phase_step, imaginary_step;
};

// Turns the products of a row of windows, whose lines were transformed without their means, into those of normalised
// windows: the sum over lines of (line_mean - level) * line_sums and (level - mean) * sums are added, and the total is
// multiplied by scale.
struct SpectrumScaling {
    std::size_t channels, height;
    const double *line_mean, *level;  // mean of each line of the windows; mean of all their lines
    const double *mean, *scale;       // for each window
    const double *line_sums, *sums;   // sums of the filters, for each of 32 units; sums is null if all are 0
    std::size_t line_pitch, window_pitch, unit_pitch;  // from channel to channel; for line_sums from line to line
};

// A row of windows whose shift is known modulo a lattice; [axis], [k] for each lattice vector.
struct PhaseRow {
    const float* shift[2];
    const float* sd[2];
    const float* centre[2];  // turns of the windows' centres
    float reciprocal[2][2];  // [axis][k], cycles for a px
};

// Turns of the windows of a row, and of their averages, which are unwrapped; [k] for each lattice vector.
struct DisplacementRow {
    const float* turns[2];
    const double* averaged[2];
    double vectors[2][2];         // [k][axis], px
    double mean[2];               // px along each axis, taken off, as is
    const double* mean_along[2];  // for each window of the row
};

// Unit phasors of a row, and of the rows above and below it, or the row itself at an edge of the map; [k]. Values at -1
// and `count` are those of the neighbouring columns, or of the first and last column themselves.
struct StrainRow {
    const float *cosine[2], *sine[2], *cosine_above[2], *sine_above[2], *cosine_below[2], *sine_below[2];
    float vectors[2][2];   // [k][axis], px
    float mean[2][2];      // [axis][along]: gradient that is taken off
    float aspect;          // height of a pixel over its width
    float per_row;         // 1 / (2 pi px) between the rows whose phases are compared
    const float* per_col;  // and between the columns, for each window
};

// A motif at points in its own frame; `padded` points, a multiple of longest_vector, those without `use` add nothing.
struct MotifView {
    std::size_t channels, padded, height, width, content, latents;  // height, width of a window
    const float *y, *x, *use;                                       // for each point
    const float* motif;    // (1 + content, channels, padded): the motif, and its change for a unit of each content
    const float* inverse;  // (latents, channels, padded): step for a residual
};

// Place of a motif in a window, px from its first pixel; along, across: size times cosine and sine of its angle.
struct MotifPose {
    float y, x, along, across;
    const float* content;
};

// Sum of the weights, contrast of the motif, share of the variance that it explains, and what is left, squared and
// added.
struct MotifFit {
    float total, gain, explained, left;
};

constexpr std::size_t motif_scratch(std::size_t channels, std::size_t padded) { return (4 + 2 * channels) * padded; }

template <class T>
struct SpectrumKernels {
    // values[p] = sum over k of values[k] exp(2 pi i k p / size), for `spectrum_lanes` complex numbers each; inputs in
    // bit-reversed order. factors: for each pass that joins four transforms of m values and each j < m, the factors
    // of the other three: exp(i t), t = 2 pi j / (4 m) times 2, 1, 3.
    void (*transform)(T* values, std::size_t size, const T* factors) noexcept;
    // Stores the spectra of `lines` lines, at most spectrum_lanes, without their means: frequencies `step` apart,
    // imaginary parts `imaginary` behind the real parts. Gives mean and variance of all spectrum_lanes lines.
    void (*pack)(const double* values, std::size_t size, std::size_t lines, std::size_t step, std::size_t imaginary,
                 T* out, double* mean, double* variance) noexcept;
    // For each row of windows the sum over the lines of its windows of spectrum times weight; rows are `pitch` apart.
    void (*multiply)(const T* spectrum, const SpectrumBlocks& blocks, const T* weights, std::size_t rows, T* out,
                     std::size_t pitch) noexcept;
    // Writes the first `units` of 2 * spectrum_lanes values for each of `count` windows, `pitch` apart.
    void (*scale)(const T* values, std::size_t count, const SpectrumScaling& scaling, std::size_t units, float* out,
                  std::size_t pitch) noexcept;
};

struct Kernels {
    const char* name;

    // Indexed by PixelType.

    // Column sums of (pixel - centre) and of its square, added to sum and square.
    void (*add_lines[pixel_types])(Lines lines, double centre, double* sum, double* square) noexcept;
    // The same for lines that enter minus lines that leave; exact types only, centre 0.
    void (*slide_lines[pixel_types])(Lines enter, const void* leave, double* sum, double* square) noexcept;
    // Mean and variance of one window in two passes, for windows whose sums are ill-conditioned.
    void (*window_moments[pixel_types])(Lines window, double* mean, double* variance) noexcept;
    // Right neighbour minus pixel, and pixel minus the one above it, width - 1 each, rounded once; true when all
    // results are finite.
    bool (*difference_line[pixel_types])(const void* line, const void* above, std::size_t width, float* along,
                                         float* down) noexcept;

    // out[i] = in[i] + ... + in[i + window - 1], summed in an order that does not depend on i. `in` holds count +
    // window - 1 values, as do the two scratch lines.
    void (*sliding_sum)(const double* in, std::size_t count, std::size_t window, double* out, double* scratch_a,
                        double* scratch_b) noexcept;
    // Mean and variance from the sums of windows of n pixels. If sums are integers below 2**53 they are exact, and so
    // is n * variance. Otherwise (`exact` false) a variance of -1 marks a window whose sums have cancelled.
    void (*moments)(const double* sum, const double* square, std::size_t count, double n, double centre, bool exact,
                    double* mean, double* variance) noexcept;
    // The means and the roots of the variances in float32.
    void (*store_statistics)(const double* mean, const double* variance, std::size_t count, float* mean_out,
                             float* sd_out) noexcept;

    // The latents of at most readout_block windows; planes are `pitch` apart, in code and in both outputs. `moved`:
    // the planes of the code that are added to the shift.
    void (*read_latents)(const Readout& readout, const float* code, const float* moved, std::size_t pitch,
                         std::size_t count, float* mean, float* sd) noexcept;

    // out[i][u] = sum over all taps of input times weight, for `count` values, `pitch` apart, and blocks * unit_block
    // units; with `relu` at least 0. weights: (blocks, all taps, unit_block). Sums are in the order of the taps,
    // whatever the count.
    void (*multiply_taps)(const Taps& taps, const float* weights, std::size_t all_taps, std::size_t blocks, bool relu,
                          std::size_t count, float* out, std::size_t pitch) noexcept;
    // The same for inputs a, b, c, d of a pair of values, which are (a, b, c) and (b, c, d) times
    // three weights e, f, g (Winograd 1980, F(2, 3)): with p = (b + c) (e + f + g) / 2 and q = (c - b) (e - f + g) / 2
    // they are (a - c) e + p + q and p - q - (b - d) g. weights: (blocks, 2, runs, length, 2, unit_block), first those
    // of b + c and c - b, then those of a - c and b - d, the last with their sign turned.
    void (*multiply_pairs)(const PairTaps& taps, const float* weights, std::size_t blocks, bool relu, std::size_t count,
                           float* out, std::size_t pitch) noexcept;
    // out (4, pairs, pitch): a - c, b + c, c - b and b - d of values (count, pitch), which are `gap` apart.
    void (*pair_values)(const float* values, std::size_t pitch, std::size_t gap, std::size_t count, std::size_t pairs,
                        float* out) noexcept;
    // values[i][u] = tanh(values[i][u] / divisor[i] + bias[u]); `divisor` null stands for ones.
    void (*bend_units)(float* values, const float* divisor, const float* bias, std::size_t units,
                       std::size_t count) noexcept;
    // planes[u][i] = values[i][u] / divisor[i] + bias[u], for `units` of `pitch`; planes are plane_pitch apart.
    void (*store_planes)(const float* values, const float* divisor, const float* bias, std::size_t units,
                         std::size_t pitch, std::size_t count, float* planes, std::size_t plane_pitch) noexcept;

    // Turns the features of `count` values, real parts, then imaginary parts, with the unit phasors of their bases,
    // whose powers it gives in `powers` (steps, 2, count). divisor: of each value, to tell whether a base is 0.
    void (*turn_features)(const TurnPlan& plan, const float* divisor, std::size_t count, float* values,
                          float* powers) noexcept;
    // Multiplies the phases of a code, cosines, then sines, with the phasors that these powers give.
    void (*turn_phases)(const TurnPlan& plan, const float* powers, std::size_t count, float* code,
                        std::size_t plane_pitch) noexcept;

    // Turns of each window for both phases, and its phasors over the variance of its shift: cosines and sines of the
    // first phase, then of the second.
    void (*lattice_phases)(const PhaseRow& row, std::size_t count, float* const* turns, double* const* planes) noexcept;
    // The phasors at unit length, and their turns.
    void (*unit_phases)(const double* cosine, const double* sine, std::size_t count, float* cosine_to, float* sine_to,
                        float* turns) noexcept;
    // The turns nearest to `near` that are these but for whole ones.
    void (*unwrap_turns)(const float* turns, const double* near, std::size_t count, double* out) noexcept;
    // Displacement along y and x of the lattice points that the averages tell, px.
    void (*displacement_row)(const DisplacementRow& row, std::size_t count, float* const* out) noexcept;
    // exx, eyy, exy in % and rotation in degrees.
    void (*strain_row)(const StrainRow& row, std::size_t count, float* const* out) noexcept;
    // Their deviations, for those of the shift along y and x, px; slope [axis][along]: what is left of these, 1 / px.
    void (*strain_deviations)(const float* const* sd, const float (*slope)[2], float aspect, std::size_t count,
                              float* const* out) noexcept;

    // out += a
    void (*accumulate)(const double* a, std::size_t count, double* out) noexcept;
};

// What cuts, filters, compares and assembles windows, and what yardsticks do: a table of its own, which programs
// without use for it leave out.
struct WindowKernels {
    // Indexed by PixelType.

    // Pixels as float (8 and 16 bit, float32: exact) or double (the others); `pitch` elements from line to line, and
    // `longest_vector` zeros after each.
    void (*load_lines[pixel_types])(Lines lines, std::size_t pitch, void* scratch) noexcept;
    // Writes a line minus its first pixel, which is returned, to values[order[x]], x < size; beyond `width` the last
    // pixel is repeated.
    double (*spread_line[pixel_types])(const void* line, std::size_t width, const std::uint32_t* order,
                                       std::size_t size, double* values) noexcept;
    // Column minimum and maximum.
    void (*bound_lines[pixel_types])(Lines lines, double* low, double* high) noexcept;
    // (pixel - centre) in float32; true when all results are finite.
    bool (*convert_line[pixel_types])(const void* line, std::size_t width, double centre, float* out) noexcept;

    // Minimum and maximum, as Kernels::sliding_sum.
    void (*sliding_min)(const double* in, std::size_t count, std::size_t window, double* out, double* scratch_a,
                        double* scratch_b) noexcept;
    void (*sliding_max)(const double* in, std::size_t count, std::size_t window, double* out, double* scratch_a,
                        double* scratch_b) noexcept;
    // scale = 1 / max(sqrt(variance / channels), floor), 0 where the variance is 0.
    void (*zscore_scale)(const double* variance, std::size_t count, double channels, double floor,
                         double* scale) noexcept;
    // scale = 1 / (high - low), 0 where high equals low.
    void (*minmax_scale)(const double* low, const double* high, std::size_t count, double* scale) noexcept;

    // out = (pixel - mean) * scale for a row of windows. lines: channels x height pointers to the row's leftmost pixel.
    // mean, scale: one a window, `pitch` apart from channel to channel. stage: aligned, stage_size(row) floats.
    // `stream`: write past the caches, for outputs that are larger than these.
    void (*write_windows_float)(const float* const* lines, WindowRow row, const double* mean, const double* scale,
                                std::size_t pitch, float* out, float* stage, bool stream) noexcept;
    void (*write_windows_double)(const double* const* lines, WindowRow row, const double* mean, const double* scale,
                                 std::size_t pitch, float* out, float* stage, bool stream) noexcept;

    // Compares a window (channels, height, width) with a motif and gives the step of each latent, not yet divided by
    // the contrast. scratch: motif_scratch floats.
    MotifFit (*compare_motif)(const MotifView& motif, const float* window, MotifPose pose, float* scratch,
                              float* step) noexcept;

    SpectrumKernels<float> spectra;
    SpectrumKernels<double> exact_spectra;

    // Assembly. True if precisions are finite and at least 0, and values finite where the precision is positive.
    bool (*weights_are_sound)(const float* value, const float* precision, std::size_t count) noexcept;
    // weighted = precision * value, or 0 where the precision is 0; weight = precision.
    void (*weigh)(const float* value, const float* precision, std::size_t count, double* weighted,
                  double* weight) noexcept;
    // sum / weight, NaN where the weight is 0.
    void (*divide)(const double* sum, const double* weight, std::size_t count, float* out) noexcept;

    // Fills an aligned output past the caches: what the memory takes at most.
    void (*stream_fill)(float* out, std::size_t count, float value) noexcept;
    // Multiplies and adds in registers, `steps` times in each of several chains, and returns the number of
    // floating-point operations. sums: memory for most_chains vectors.
    std::size_t (*multiply_add)(std::size_t steps, float* sums) noexcept;
};

constexpr std::size_t stage_size(WindowRow row) {
    const std::size_t window = row.channels * row.height * row.width,
                      stream = stage_threshold + stage_block + row.width;
    return (window > stream ? window : stream) + 4 * longest_vector;
}

// The fastest tables that this machine runs, or those chosen by use_isa.
const Kernels& kernels() noexcept;
const WindowKernels& window_kernels() noexcept;
// Number of these tables in the order of SHIFTVAE_EACH_ISA.
std::size_t chosen_isa() noexcept;

}  // namespace shiftvae
