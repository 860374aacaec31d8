#include "map_fields.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "refusal.hpp"
#include "shiftvae/lattice_fields.hpp"
#include "shiftvae/order_fields.hpp"

namespace shiftvae {
namespace {

// Width of the average, in periods of the longest lattice vector: the standard deviation of a Gaussian as wide.
constexpr double averaged_periods = 1.0;
constexpr std::size_t most_half = 4096;
constexpr std::size_t planes = LatticeFields::fields;

// The mean lattices of all grains, or of the only one.
std::vector<LatticeFields::Lattice> lattices_of(const Manifest& manifest) {
    std::vector<Manifest::Grain> grains = manifest.grains;
    if (grains.empty() && manifest.dimensions == 2 && manifest.lattice.size() == 2)
        grains.push_back({{manifest.lattice[0], manifest.lattice[1]}, {}});
    if (manifest.grains.empty() && !grains.empty() && manifest.domain)
        for (std::size_t i = 0; i < 4; ++i) grains[0].strain[i / 2][i % 2] = manifest.domain->strain[i];
    std::vector<LatticeFields::Lattice> lattices;
    for (const Manifest::Grain& grain : grains) {
        LatticeFields::Lattice lattice{};
        for (std::size_t k = 0; k < 2; ++k)
            for (std::size_t axis = 0; axis < 2; ++axis) {
                lattice.vectors[k][axis] = grain.vectors[k][axis];
                lattice.gradient[axis][k] = grain.strain[k][axis];
            }
        const auto& a = lattice.vectors;
        if (!(std::fabs(a[0][0] * a[1][1] - a[0][1] * a[1][0]) >= 1e-6))
            refuse(SV_UNSUPPORTED, "the lattice vectors of the model are parallel, so it has no fields");
        lattices.push_back(lattice);
    }
    if (lattices.empty()) refuse(SV_UNSUPPORTED, "the model has no lattice of two vectors, so it has no fields");
    return lattices;
}

std::size_t half_of(const std::vector<LatticeFields::Lattice>& lattices, std::size_t stride) {
    double longest = 0;
    for (const LatticeFields::Lattice& lattice : lattices)
        for (const auto& vector : lattice.vectors) longest = std::max(longest, std::hypot(vector[0], vector[1]));
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

LatticeFields::Average average_of(const Manifest& manifest, std::size_t half, std::size_t stride) {
    const std::size_t box = 2 * half + 1;
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

struct Shifts {
    const float *mean, *sd;
    std::size_t plane_pitch;
};
struct Shape {
    std::size_t rows, cols;
};

// The fields of a whole map, row by row: planes of `shape`.
void write_rows(LatticeFields& stream, const Shifts& shifts, const Shape& shape, float* fields, float* fields_sd) {
    const std::size_t rows = shape.rows, cols = shape.cols;
    std::vector<float> complete;
    for (std::size_t row = 0, written = 0; row < rows; ++row) {
        const std::size_t count = stream.rows_with(1), size = count * cols;
        complete.resize(2 * planes * size);
        stream.push(shifts.mean + row * cols, shifts.sd + row * cols, shifts.plane_pitch, 1, complete.data(), size);
        for (std::size_t plane = 0; plane < planes; ++plane) {
            const std::size_t to = (plane * rows + written) * cols;
            std::copy_n(complete.data() + plane * size, size, fields + to);
            std::copy_n(complete.data() + (planes + plane) * size, size, fields_sd + to);
        }
        written += count;
    }
}

}  // namespace

void write_fields(const Model& model, const Grid& grid, const float* mean, const float* sd, float* fields,
                  float* fields_sd) {
    const Manifest& manifest = model.manifest;
    const std::vector<LatticeFields::Lattice> lattices = lattices_of(manifest);
    const std::size_t rows = grid.rows(), cols = grid.cols();
    const LatticeFields::Map map{rows,
                                 cols,
                                 static_cast<double>(grid.window_height - 1) / 2,
                                 static_cast<double>(grid.window_width - 1) / 2,
                                 static_cast<double>(grid.stride),
                                 manifest.aspect};
    const LatticeFields::Average average = average_of(manifest, half_of(lattices, grid.stride), grid.stride);
    if (lattices.size() == 1) {
        LatticeFields stream(map, lattices[0], average);
        write_rows(stream, {mean, sd, rows * cols}, {rows, cols}, fields, fields_sd);
        return;
    }
    const std::size_t size = rows * cols;
    std::fill_n(fields, planes * size, NAN);
    std::fill_n(fields_sd, planes * size, NAN);
    const float* const label = mean + 2 * size;
    std::vector<float> own(2 * size), found(planes * size), found_sd(planes * size);
    for (std::size_t grain = 0; grain < lattices.size(); ++grain) {
        const auto mine = [&](std::size_t i) { return label[i] == static_cast<float>(grain); };
        for (std::size_t axis = 0; axis < 2; ++axis)
            for (std::size_t i = 0; i < size; ++i) own[axis * size + i] = mine(i) ? sd[axis * size + i] : INFINITY;
        LatticeFields stream(map, lattices[grain], average);
        write_rows(stream, {mean, own.data(), rows * cols}, {rows, cols}, found.data(), found_sd.data());
        for (std::size_t plane = 0; plane < planes; ++plane)
            for (std::size_t i = 0; i < size; ++i)
                if (mine(i)) {
                    fields[plane * size + i] = found[plane * size + i];
                    fields_sd[plane * size + i] = found_sd[plane * size + i];
                }
    }
}

void write_order(const Model& model, const Grid& grid, const float* mean, const float* sd, float* order,
                 float* order_sd) {
    const Manifest& manifest = model.manifest;
    if (manifest.superlattice.empty()) refuse(SV_UNSUPPORTED, "the model has no order latents");
    const std::size_t rows = grid.rows(), cols = grid.cols(), size = rows * cols;
    std::vector<float> fields(planes * size), deviations(planes * size);
    write_fields(model, grid, mean, sd, fields.data(), deviations.data());
    for (std::size_t vector = 0; vector < manifest.superlattice.size(); ++vector) {
        Superlattice superlattice{};
        for (std::size_t k = 0; k < 2; ++k) {
            superlattice.turns[k] = manifest.superlattice[vector][k];
            for (std::size_t axis = 0; axis < 2; ++axis) {
                superlattice.vectors[k][axis] = manifest.lattice[k][axis];
                superlattice.gradient[axis][k] = manifest.domain ? manifest.domain->strain[2 * k + axis] : 0;
            }
        }
        const std::size_t part = (2 + 2 * vector) * size, first = 2 * vector * size;
        OrderOrigin origin{};
        for (std::size_t row = 0; row < rows; ++row) {
            const std::size_t line = row * cols;
            const OrderRow windows{mean + part + line,
                                   mean + part + size + line,
                                   sd + part + line,
                                   {mean + line, mean + size + line},
                                   {fields.data() + line, fields.data() + size + line},
                                   static_cast<double>(row * grid.stride),
                                   static_cast<double>(grid.stride)};
            if (row == 0) origin = origin_of(windows);
            order_fields(superlattice, origin, windows, cols, order + first + line, order + first + size + line,
                         order_sd + first + line, order_sd + first + size + line);
        }
    }
}

}  // namespace shiftvae
