#include "shiftvae/dense_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "shiftvae/windows.hpp"

namespace shiftvae {
namespace {

// Numbers of a code that are computed before the latents are read from them, while they are still in the cache.
constexpr std::size_t code_values = 1U << 17U;

// `count` lines of every channel, from line `first` on.
FrameView part_of(const FrameView& lines, std::size_t first, std::size_t count) noexcept {
    FrameView part = lines;
    part.pixels = lines.line(0, first);
    part.height = count;
    return part;
}

template <class T>
double channel_centre(const FrameView& lines, std::size_t channel, std::size_t height) noexcept {
    double sum = 0;
    const T first = *static_cast<const T*>(lines.line(channel, 0));
    T low = first, high = first;
    for (std::size_t y = 0; y < height; ++y) {
        const T* line = static_cast<const T*>(lines.line(channel, y));
        for (std::size_t x = 0; x < lines.width; ++x) {
            sum += static_cast<double>(line[x]);
            low = std::min(low, line[x]);
            high = std::max(high, line[x]);
        }
    }
    const double extent = static_cast<double>(high) - static_cast<double>(low);
    if (!(extent > 0)) return static_cast<double>(first);
    int exponent = 0;
    std::frexp(extent, &exponent);
    const double grain = std::ldexp(1.0, exponent - 9);
    return std::nearbyint(sum / static_cast<double>(height * lines.width) / grain) * grain;
}

}  // namespace

void window_deviations(const FrameView& lines, const Grid& grid, const double* centre, const Intensity& intensity,
                       std::vector<float>& sd, float* out) {
    const auto& [channel_scale, sd_floor] = intensity;
    const std::size_t count = grid.rows() * grid.cols(), channels = lines.channels;
    sd.resize(2 * channels * count);
    float* const means = sd.data() + channels * count;  // not used
    window_statistics(lines, grid, centre, means, sd.data(), 1);
    if (channels == 1) {
        for (std::size_t i = 0; i < count; ++i) out[i] = std::max(sd[i] * channel_scale[0], sd_floor);
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        double sum = 0;
        for (std::size_t c = 0; c < channels; ++c) {
            const double scaled = static_cast<double>(channel_scale[c] * sd[c * count + i]);
            sum += scaled * scaled;
        }
        out[i] = std::max(static_cast<float>(std::sqrt(sum / static_cast<double>(channels))), sd_floor);
    }
}

std::vector<double> frame_centre(const FrameView& lines, std::size_t window_height) {
    std::vector<double> centre(lines.channels, 0.0);
    for (std::size_t c = 0; c < lines.channels; ++c) switch (lines.type) {
            case PixelType::uint8:
            case PixelType::uint16:
            case PixelType::int16: break;
            case PixelType::uint32: centre[c] = channel_centre<std::uint32_t>(lines, c, window_height); break;
            case PixelType::int32: centre[c] = channel_centre<std::int32_t>(lines, c, window_height); break;
            case PixelType::float32: centre[c] = channel_centre<float>(lines, c, window_height); break;
            case PixelType::float64: centre[c] = channel_centre<double>(lines, c, window_height); break;
        }
    return centre;
}

DenseRows::DenseRows(const DenseModel& model, std::size_t width, std::size_t step, std::vector<double> centre)
    : model_(model), stream_(model.network, width), step_(step), centre_(std::move(centre)) {}

std::size_t DenseRows::first_line() const noexcept {
    return std::min(rows_seen_ * model_.network.stride(), lines_seen_);
}

std::size_t DenseRows::end_line(std::size_t rows) const noexcept {
    return (rows_seen_ + skipped() + (rows - 1) * step_) * model_.network.stride() + model_.network.window_height();
}

DenseStream::Outcome DenseRows::push(const FrameView& lines, std::size_t top, std::size_t rows, float* mean, float* sd,
                                     std::size_t plane_pitch) {
    const std::size_t stride = model_.network.stride(), cols = stream_.cols(), planes = model_.readout.planes();
    const std::size_t window_height = model_.network.window_height();
    const std::size_t skip = skipped();  // rows of the network before the next of the map
    const std::size_t together = std::max<std::size_t>(1, code_values / (planes * cols * step_));
    const std::size_t first_seen = rows_seen_ * stride - top;
    const FrameView windows = part_of(lines, first_seen, lines.height - first_seen);
    const Grid grid{windows.height, windows.width, window_height, model_.network.window_width(), stride};
    deviations_.resize(grid.rows() * cols);
    window_deviations(windows, grid, centre_.data(), model_.intensity, channel_sd_, deviations_.data());
    std::size_t begun = 0;  // rows of the network done in this call
    for (std::size_t row = 0; row < rows; row += together) {
        const std::size_t until = std::min(row + together, rows), end = skip + (until - 1) * step_ + 1;
        const std::size_t more = end - begun, last = (rows_seen_ + more - 1) * stride + window_height;
        const FrameView fresh = part_of(lines, lines_seen_ - top, last - lines_seen_);
        code_.resize(planes * more * cols);
        const auto outcome = stream_.push(fresh, deviations_.data() + begun * cols, code_.data(), more * cols);
        if (outcome != DenseStream::Outcome::done) {
            stop();  // the counts below no longer hold
            return outcome;
        }
        lines_seen_ = last;
        rows_seen_ += more;
        const std::size_t at = row * this->cols();
        read(skip + row * step_ - begun, until - row, more, mean + at, sd + at, plane_pitch);
        begun = end;
    }
    return DenseStream::Outcome::done;
}

// Reads `count` rows of the map from the code of `code_rows` rows of the network, beginning at its row `first`.
void DenseRows::read(std::size_t first, std::size_t count, std::size_t code_rows, float* mean, float* sd,
                     std::size_t plane_pitch) {
    const std::size_t planes = model_.readout.planes(), from_cols = stream_.cols(), to_cols = cols();
    const float* code = code_.data();
    if (step_ > 1) {
        picked_.resize(planes * count * to_cols);
        float* to = picked_.data();
        for (std::size_t plane = 0; plane < planes; ++plane)
            for (std::size_t row = 0; row < count; ++row) {
                const float* from = code + (plane * code_rows + first + row * step_) * from_cols;
                for (std::size_t col = 0; col < to_cols; ++col) *to++ = from[col * step_];
            }
        code = picked_.data();
    }
    const std::size_t size = count * to_cols, latents = model_.readout.latents();
    mean_.resize(latents * size);
    sd_.resize(latents * size);
    read_latents(model_.readout, code, size, mean_.data(), sd_.data(), 1);
    for (std::size_t latent = 0; latent < latents; ++latent) {
        std::copy_n(mean_.data() + latent * size, size, mean + latent * plane_pitch);
        std::copy_n(sd_.data() + latent * size, size, sd + latent * plane_pitch);
    }
}

}  // namespace shiftvae
