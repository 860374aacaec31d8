#include "shiftvae/filter_bank.hpp"

#include <algorithm>
#include <cmath>

#include "window_tile.hpp"

namespace shiftvae {
namespace {

// Filters are transformed in blocks, one in each real and one in each imaginary part.
constexpr std::size_t lanes = spectrum_lanes, block_units = 2 * spectrum_lanes;
constexpr std::size_t rows_together = 12;  // rows of windows in one segment: with their products they fit in a usual L2
constexpr double tau = 6.283185307179586;
// Limits for float32. A window loses digits if its segment, scaled like the window, has more contrast than this, or if
// numbers are near the ends of the range.
constexpr double most_contrast = 4, least_single = 1e-30, most_single = 1e30;

const SpectrumKernels<float>& kernels_of(const WindowKernels& kernels, float) { return kernels.spectra; }
const SpectrumKernels<double>& kernels_of(const WindowKernels& kernels, double) { return kernels.exact_spectra; }

// Offsets, in values, of the inputs of a transform: their indices with the bits reversed.
std::vector<std::uint32_t> bit_reversed(std::size_t size) {
    std::vector<std::size_t> index(size, 0);
    for (std::size_t i = 0; i < size; ++i) index[i] = index[i / 2] / 2 + (i % 2) * (size / 2);
    std::vector<std::uint32_t> order;
    order.reserve(size);
    for (const std::size_t i : index) order.push_back(static_cast<std::uint32_t>(i * block_units));
    return order;
}

// The factors as SpectrumKernels::transform reads them.
std::vector<double> factors_of(std::size_t size) {
    std::vector<double> factors;
    std::size_t m = 1;
    while (m < size) m *= 4;
    for (m = m == size ? 1 : 2; m < size; m *= 4)
        for (std::size_t j = 0; j < m; ++j)
            for (const std::size_t times : {2u, 1u, 3u}) {
                const double angle = tau * static_cast<double>(times * j) / static_cast<double>(4 * m);
                factors.push_back(std::cos(angle));
                factors.push_back(std::sin(angle));
            }
    return factors;
}

template <class T>
Aligned<T> stored(const std::vector<double>& values) {
    Aligned<T> copy(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) copy.first[i] = static_cast<T>(values[i]);
    return copy;
}

}  // namespace

template <>
const FilterBank::Spectra<float>& FilterBank::spectra<float>() const noexcept {
    return single_;
}
template <>
const FilterBank::Spectra<double>& FilterBank::spectra<double>() const noexcept {
    return exact_;
}

FilterBank::FilterBank(const double* filters, std::size_t units, std::size_t channels, std::size_t height,
                       std::size_t width, std::size_t stride, std::size_t segment)
    : units_(units),
      channels_(channels),
      height_(height),
      width_(width),
      stride_(stride),
      segment_(segment),
      blocks_((units + block_units - 1) / block_units),
      order_(bit_reversed(segment)),
      short_order_(bit_reversed(segment / stride)),
      line_sums_(channels * height * blocks_ * block_units, 0.0),
      sums_(channels * blocks_ * block_units, 0.0) {
    const std::vector<double> factors = factors_of(segment), short_factors = factors_of(segment / stride);
    exact_ = {Aligned<double>(blocks_ * segment * channels * height * block_units), stored<double>(factors),
              stored<double>(short_factors)};
    fill(filters);
    const std::size_t count = blocks_ * segment * channels * height * block_units;
    single_ = {Aligned<float>(count), stored<float>(factors), stored<float>(short_factors)};
    for (std::size_t i = 0; i < count; ++i) single_.weights.first[i] = static_cast<float>(exact_.weights.first[i]);
}

// Packs the weights in the order of multiplication: block of units; frequency of the windows; alias, channel, remainder
// of the line by the stride, line.
void FilterBank::fill(const double* filters) {
    const std::size_t windows = segment_ / stride_, pixels = height_ * width_;
    const Scratch scratch(segment_ * block_units * sizeof(double), 1);
    double* values = reinterpret_cast<double*>(scratch.of(0));
    for (std::size_t block = 0; block < blocks_; ++block)
        for (std::size_t c = 0; c < channels_; ++c)
            for (std::size_t line = 0, place = 0; place < height_; ++place) {
                std::fill_n(values, segment_ * block_units, 0.0);
                for (std::size_t u = 0; u < std::min(block_units, units_ - block * block_units); ++u) {
                    const double* filter =
                        filters + ((block * block_units + u) * channels_ + c) * pixels + line * width_;
                    double sum = 0;
                    for (std::size_t x = 0; x < width_; ++x) {
                        values[order_[x] + u] = filter[x] / static_cast<double>(segment_);
                        sum += filter[x];
                    }
                    line_sums_[(c * height_ + line) * blocks_ * block_units + block * block_units + u] = sum;
                    sums_[c * blocks_ * block_units + block * block_units + u] += sum;
                }
                window_kernels().exact_spectra.transform(values, segment_, exact_.factors.first);
                for (std::size_t k = 0; k < segment_; ++k) {
                    const std::size_t group = (block * windows + k % windows) * stride_ + k / windows;
                    double* to = exact_.weights.first + ((group * channels_ + c) * height_ + place) * block_units;
                    std::copy_n(values + k * block_units, block_units, to);
                }
                line += stride_;
                if (line >= height_) line = line % stride_ + 1;
            }
    double largest = 0;
    for (std::size_t i = 0; i < units_ * channels_ * pixels; ++i) largest = std::max(largest, std::fabs(filters[i]));
    for (const double sum : sums_) blind_ &= std::fabs(sum) <= 1e-12 * largest;
}

// The memory of a worker for one segment: a part of each line, and some rows of the windows that begin in it.
class FilterWorker {
public:
    FilterWorker(Arena& arena, const FilterBank& bank, const Tile& tile) noexcept
        : bank_(bank),
          scaling_(arena, tile),
          lines_(lines_of(bank, rows_together)),
          phase_((lines_ + bank.stride_ - 1) / bank.stride_),
          cols_(tile.cols) {
        const std::size_t channels = bank.channels_;
        line_mean_ = arena.take<double>(channels * lines_);
        line_variance_ = arena.take<double>(channels * lines_);
        scale_ = arena.take<double>(rows_together * cols_);
        mean_ = arena.take<double>(rows_together * channels * cols_);
        level_ = arena.take<double>(rows_together * channels);
        transformed_ = arena.take<double>(bank.segment_ * block_units);
        spectrum_ = arena.take<char>(bank.segment_ * channels * 2 * phase_ * bank.stride_ * sizeof(double));
        products_ = arena.take<char>(rows_together * (bank.segment_ / bank.stride_) * block_units * sizeof(double));
    }

    static std::size_t lines_of(const FilterBank& bank, std::size_t rows) noexcept {
        return (rows - 1) * bank.stride_ + bank.height_;
    }

    // Filters the rows first to first + rows of windows of the tile into `out`, whose rows are out_pitch apart.
    void run(const WindowKernels& kernels, const Tile& tile, std::size_t first, std::size_t rows, Scaling scaling,
             const double* centres, float* out, std::size_t out_pitch) noexcept {
        const std::size_t y = first * bank_.stride_, lines = lines_of(bank_, rows);
        transform_lines<float>(kernels, tile, y, lines);
        scaling_.start();
        bool hard[rows_together], any[2] = {false, false};
        for (std::size_t r = 0; r < rows; ++r) {
            scaling_.row(kernels, tile, y + r * bank_.stride_, scaling, centres);
            hard[r] = prepare(tile.frame.channels, r);
            any[hard[r]] = true;
        }
        if (any[0]) products<float>(kernels, rows, hard, false, out, out_pitch);
        if (!any[1]) return;
        transform_lines<double>(kernels, tile, y, lines);
        products<double>(kernels, rows, hard, true, out, out_pitch);
    }

private:
    // Prepares the scales and offsets of a row of windows; true if it needs double.
    bool prepare(std::size_t channels, std::size_t r) noexcept {
        double contrast = 0, largest = 0;
        for (std::size_t c = 0; c < channels; ++c) {
            const std::size_t first = c * lines_ + r * bank_.stride_;
            double mean = 0, variance = 0;
            for (std::size_t i = 0; i < bank_.height_; ++i) {
                mean += line_mean_[first + i];
                variance += line_variance_[first + i];
            }
            level_[r * channels + c] = mean / static_cast<double>(bank_.height_);
            contrast += variance / static_cast<double>(bank_.height_);
        }
        for (std::size_t i = 0; i < cols_; ++i) {
            const double scale = scaling_.scale()[i];
            scale_[r * cols_ + i] = scale;
            largest = std::max(largest, scale);
        }
        std::copy_n(scaling_.mean(), channels * cols_, mean_ + r * channels * cols_);
        const double spread = std::sqrt(contrast);
        const bool held = spread == 0 || (spread >= least_single && spread <= most_single && largest <= most_single);
        return !(held && spread * largest <= most_contrast);
    }

    template <class T>
    void products(const WindowKernels& kernels, std::size_t rows, const bool* hard, bool wanted, float* out,
                  std::size_t out_pitch) noexcept {
        const SpectrumKernels<T>& kernel = kernels_of(kernels, T{});
        const FilterBank::Spectra<T>& spectra = bank_.spectra<T>();
        const std::size_t windows = bank_.segment_ / bank_.stride_, channels = bank_.channels_;
        const std::size_t pitch = phase_ * bank_.stride_, frequency = channels * 2 * pitch;
        const SpectrumBlocks blocks{bank_.stride_,       channels,  bank_.stride_, bank_.height_,
                                    windows * frequency, 2 * pitch, phase_,        pitch};
        T *spectrum = reinterpret_cast<T*>(spectrum_), *values = reinterpret_cast<T*>(products_);
        const std::size_t group = bank_.stride_ * channels * bank_.height_ * block_units;
        for (std::size_t block = 0; block < bank_.blocks_; ++block) {
            const T* weights = spectra.weights.first + block * windows * group;
            for (std::size_t k = 0; k < windows; ++k)
                for (std::size_t r = 0, end; r < rows; r = end) {
                    for (end = r + 1; end < rows && hard[end] == hard[r]; ++end) {
                    }
                    if (hard[r] == wanted)
                        kernel.multiply(spectrum + k * frequency + r, blocks, weights + k * group, end - r,
                                        values + r * windows * block_units + bank_.short_order_[k],
                                        windows * block_units);
                }
            const std::size_t units = std::min(block_units, bank_.units_ - block * block_units);
            for (std::size_t r = 0; r < rows; ++r) {
                if (hard[r] != wanted) continue;
                T* row = values + r * windows * block_units;
                kernel.transform(row, windows, spectra.short_factors.first);
                const SpectrumScaling scaling{channels,
                                              bank_.height_,
                                              line_mean_ + r * bank_.stride_,
                                              level_ + r * channels,
                                              mean_ + r * channels * cols_,
                                              scale_ + r * cols_,
                                              bank_.line_sums_.data() + block * block_units,
                                              bank_.blind_ ? nullptr : bank_.sums_.data() + block * block_units,
                                              lines_,
                                              cols_,
                                              bank_.blocks_ * block_units};
                kernel.scale(row, cols_, scaling, units, out + r * out_pitch + block * block_units, bank_.units_);
            }
        }
    }

    // Computes the spectra of the lines, with their means and variances. Each line has lanes of its own: its bits do
    // not depend on the others.
    template <class T>
    void transform_lines(const WindowKernels& kernels, const Tile& tile, std::size_t y, std::size_t lines) noexcept {
        const std::size_t stride = bank_.stride_, pitch = phase_ * stride, size = bank_.segment_;
        const std::size_t width = std::min(size, tile.frame.width - tile.x);
        double first[lanes], mean[lanes], variance[lanes];
        for (std::size_t c = 0; c < bank_.channels_; ++c)
            for (std::size_t phase = 0; phase < std::min(stride, lines); ++phase)
                for (std::size_t i = phase; i < lines; i += lanes * stride) {
                    const std::size_t some = std::min(lanes, (lines - 1 - i) / stride + 1);
                    if (some < lanes) std::fill_n(transformed_, size * block_units, 0.0);
                    for (std::size_t lane = 0; lane < some; ++lane)
                        first[lane] = kernels.spread_line[static_cast<int>(tile.frame.type)](
                            tile.lines(c, y + i + lane * stride, 1).first, width, bank_.order_.data(), size,
                            transformed_ + lane);
                    for (std::size_t k = 0; k < size; ++k)
                        std::fill_n(transformed_ + k * block_units + lanes, lanes, 0.0);
                    kernels.exact_spectra.transform(transformed_, size, bank_.exact_.factors.first);
                    T* to = reinterpret_cast<T*>(spectrum_) + c * 2 * pitch + phase * phase_ + i / stride;
                    kernels_of(kernels, T{})
                        .pack(transformed_, size, some, bank_.channels_ * 2 * pitch, pitch, to, mean, variance);
                    for (std::size_t lane = 0; lane < some; ++lane) {
                        line_mean_[c * lines_ + i + lane * stride] = first[lane] + mean[lane];
                        line_variance_[c * lines_ + i + lane * stride] = variance[lane];
                    }
                }
    }

    const FilterBank& bank_;
    WindowScaling scaling_;
    std::size_t lines_, phase_, cols_;
    double *line_mean_, *line_variance_, *scale_, *mean_, *level_, *transformed_;
    char *spectrum_, *products_;
};

void FilterBank::apply(const FrameView& frame, Scaling scaling, const double* centre, float* out) const {
    const WindowKernels& kernel = window_kernels();
    const Grid grid{frame.height, frame.width, height_, width_, stride_};
    const std::size_t rows = grid.rows(), cols = grid.cols(), most = (segment_ - width_) / stride_ + 1;
    const std::size_t chunks = (rows + rows_together - 1) / rows_together;
    const std::vector<double> centres = centres_of(frame, height_ * width_, centre);
    const auto tile_at = [&](std::size_t col) {
        return Tile{frame, height_, width_, stride_, col * stride_, std::min(most, cols - col)};
    };
    Arena layout;
    FilterWorker(layout, *this, tile_at(0));
    const Scratch scratch(layout.used(), 1);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk)
        for (std::size_t col = 0; col < cols; col += most) {
            const std::size_t first = rows * chunk / chunks, last = rows * (chunk + 1) / chunks;
            Arena arena(scratch.of(0));
            const Tile tile = tile_at(col);
            FilterWorker(arena, *this, tile)
                .run(kernel, tile, first, last - first, scaling, centres.data(), out + (first * cols + col) * units_,
                     cols * units_);
        }
}

}  // namespace shiftvae
