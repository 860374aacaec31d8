#include "map_fields.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "refusal.hpp"
#include "shiftvae/lattice_fields.hpp"

namespace shiftvae {
namespace {

// Width of the average, in periods of the longest lattice vector: the standard deviation of a Gaussian as wide.
constexpr double averaged_periods = 1.0;
constexpr std::size_t most_half = 4096;
constexpr std::size_t planes = LatticeFields::fields;

std::size_t half_of(const Manifest& manifest, std::size_t stride) {
    double longest = 0;
    for (const Manifest::Vector& vector : manifest.lattice)
        longest = std::max(longest, std::hypot(vector[0], vector[1]));
    const double width = averaged_periods * longest / static_cast<double>(stride);
    const double half =
        std::nearbyint((std::sqrt(6 * width * width + 1) - 1) / 2);  // two boxes as wide as the Gaussian
    if (!(half <= most_half)) refuse(SV_UNSUPPORTED, "the lattice vectors are too long for fields at this stride");
    return std::max<std::size_t>(1, static_cast<std::size_t>(half));
}

// Deviation of a weighted sum of the shifts of windows `stride` px apart, for a deviation of 1 of each: they are as
// alike as the windows overlap.
double noise_under(const std::vector<double>& weights, double stride, double window) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i)
        for (std::size_t j = 0; j < weights.size(); ++j) {
            const double apart = std::fabs(static_cast<double>(i) - static_cast<double>(j)) * stride;
            sum += weights[i] * weights[j] * std::max(0.0, 1 - apart / window);
        }
    return std::sqrt(sum);
}

LatticeFields::Average average_of(const Manifest& manifest, std::size_t stride) {
    const std::size_t half = half_of(manifest, stride), box = 2 * half + 1;
    std::vector<double> average(2 * box - 1), slope(2 * box + 1);
    const double px = static_cast<double>(stride), weight = 1 / static_cast<double>(box * box);
    for (std::size_t i = 0; i < average.size(); ++i)
        average[i] = static_cast<double>(std::min(i + 1, average.size() - i)) * weight;
    for (std::size_t i = 0; i < slope.size(); ++i) {
        const double ahead = i < average.size() ? average[i] : 0, behind = i >= 2 ? average[i - 2] : 0;
        slope[i] = (ahead - behind) / (2 * px);
    }
    const double height = static_cast<double>(manifest.window_height),
                 width = static_cast<double>(manifest.window_width);
    const double down = noise_under(slope, px, height) * noise_under(average, px, width);
    const double along = noise_under(slope, px, width) * noise_under(average, px, height);
    return {half, {{down, along}, {down, along}}};
}

}  // namespace

void write_fields(const Model& model, const Grid& grid, const float* mean, const float* sd, float* fields,
                  float* fields_sd) {
    const Manifest& manifest = model.manifest;
    LatticeFields::Lattice lattice{};
    double area = 0;
    if (manifest.dimensions == 2 && manifest.lattice.size() == 2) {
        for (std::size_t k = 0; k < 2; ++k)
            for (std::size_t axis = 0; axis < 2; ++axis) {
                lattice.vectors[k][axis] = manifest.lattice[k][axis];
                lattice.gradient[axis][k] = manifest.domain ? manifest.domain->strain[2 * k + axis] : 0;
            }
        area = lattice.vectors[0][0] * lattice.vectors[1][1] - lattice.vectors[0][1] * lattice.vectors[1][0];
    }
    if (!(std::fabs(area) >= 1e-6))
        refuse(SV_UNSUPPORTED, "the model has no lattice of two vectors, so it has no fields");
    const std::size_t rows = grid.rows(), cols = grid.cols();
    const LatticeFields::Map map{rows,
                                 cols,
                                 static_cast<double>(grid.window_height - 1) / 2,
                                 static_cast<double>(grid.window_width - 1) / 2,
                                 static_cast<double>(grid.stride),
                                 manifest.aspect};
    LatticeFields stream(map, lattice, average_of(manifest, grid.stride));
    std::vector<float> complete;
    for (std::size_t row = 0, written = 0; row < rows; ++row) {
        const std::size_t count = stream.rows_with(1), size = count * cols;
        complete.resize(2 * planes * size);
        stream.push(mean + row * cols, sd + row * cols, rows * cols, 1, complete.data(), size);
        for (std::size_t plane = 0; plane < planes; ++plane) {
            const std::size_t to = (plane * rows + written) * cols;
            std::copy_n(complete.data() + plane * size, size, fields + to);
            std::copy_n(complete.data() + (planes + plane) * size, size, fields_sd + to);
        }
        written += count;
    }
}

}  // namespace shiftvae
