#include "golden_frame.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "array_file.hpp"
#include "common/number_text.hpp"
#include "refusal.hpp"
#include "scan.hpp"
#include "stored_zip.hpp"

namespace shiftvae {
namespace {

constexpr double tolerance = 1e-3;  // units of a latent's spread
constexpr double most_sure = 0.4;   // chance of another grain from which on rounding may decide

ArrayFile array_of(const std::vector<ZipMember>& members, const std::string& name) {
    const Bytes* content = find_member(members, name + ".npy");
    if (!content) refuse_file("golden.npz lacks " + name);
    return read_array(*content, "golden.npz: " + name);
}

struct Map {
    std::vector<float> mean, sd;
};

// Encodes a frame in parts that end at these lines.
Map encode(const std::shared_ptr<const Model>& model, const ArrayFile& frame, const std::vector<std::size_t>& ends) {
    const std::size_t height = frame.shape[1], line = frame.shape[2] * pixel_size(frame.type);
    Scan scan(model, height, frame.shape[2], frame.type);
    const std::size_t count = model->latents() * scan.grid().rows() * scan.grid().cols();
    Map map{std::vector<float>(count), std::vector<float>(count)};
    std::size_t first = 0;
    for (const std::size_t end : ends) {
        const FrameView lines{frame.values.data() + first * line,
                              frame.type,
                              frame.shape[0],
                              end - first,
                              frame.shape[2],
                              static_cast<std::ptrdiff_t>(height * line),
                              static_cast<std::ptrdiff_t>(line)};
        scan.push(lines, map.mean.data(), map.sd.data());
        first = end;
    }
    return map;
}

// Differences of the shift lie in the cell around 0 of the lattice.
class Cell {
public:
    Cell(std::vector<Manifest::Vector> vectors, std::size_t axes) : vectors_(std::move(vectors)), axes_(axes) {
        double gram[2][2] = {{1, 0}, {0, 1}};
        for (std::size_t k = 0; k < vectors_.size(); ++k)
            for (std::size_t l = 0; l < vectors_.size(); ++l)
                gram[k][l] = vectors_[k][0] * vectors_[l][0] + vectors_[k][1] * vectors_[l][1];
        const double area = gram[0][0] * gram[1][1] - gram[0][1] * gram[1][0];
        if (!(area > 0)) refuse_file("manifest.json: the lattice vectors are parallel");
        const double inverse[2][2] = {{gram[1][1] / area, -gram[0][1] / area}, {-gram[1][0] / area, gram[0][0] / area}};
        for (std::size_t k = 0; k < vectors_.size(); ++k)
            for (std::size_t axis = 0; axis < 2; ++axis) {
                dual_[k][axis] = 0;
                for (std::size_t l = 0; l < vectors_.size(); ++l) dual_[k][axis] += inverse[k][l] * vectors_[l][axis];
            }
    }

    // off: y, x in px; y alone is 0 in a model of line signals.
    void wrap(double* off) const noexcept {
        double cells[2] = {0, 0};
        for (std::size_t k = 0; k < vectors_.size(); ++k)
            cells[k] = std::nearbyint(dual_[k][0] * off[0] + dual_[k][1] * off[1]);
        for (std::size_t k = 0; k < vectors_.size(); ++k)
            for (std::size_t axis = 2 - axes_; axis < 2; ++axis) off[axis] -= cells[k] * vectors_[k][axis];
    }

private:
    std::vector<Manifest::Vector> vectors_;
    std::size_t axes_;
    double dual_[2][2] = {};
};

std::vector<Cell> cells_of(const Manifest& manifest) {
    std::vector<Cell> cells;
    cells.reserve(manifest.grains.size() + 1);
    for (const Manifest::Grain& grain : manifest.grains)
        cells.emplace_back(std::vector<Manifest::Vector>{grain.vectors[0], grain.vectors[1]}, manifest.dimensions);
    if (cells.empty()) cells.emplace_back(manifest.lattice, manifest.dimensions);
    return cells;
}

struct Golden {
    const ArrayFile &mean, &sd;
    std::size_t step;  // its windows from one of the map to the next
};

// The largest difference of a map from the golden one, in units of a latent's spread; NaN if there is any.
double error_of(const Model& model, const Map& map, const Grid& grid, const Golden& golden) {
    const std::size_t rows = grid.rows(), cols = grid.cols(), size = rows * cols, latents = model.latents();
    const std::size_t axes = model.manifest.dimensions;
    std::vector<double> off(latents * size), wanted_sd(latents * size), spread(latents, 0.0);
    for (std::size_t i = 0; i < latents * size; ++i) {
        const std::size_t latent = i / size, row = i % size / cols, col = i % cols;
        const std::size_t from =
            (latent * golden.mean.shape[1] + row * golden.step) * golden.mean.shape[2] + col * golden.step;
        off[i] = static_cast<double>(map.mean[i]) - static_cast<double>(golden.mean.floats()[from]);
        wanted_sd[i] = static_cast<double>(golden.sd.floats()[from]);
        spread[latent] += wanted_sd[i] / static_cast<double>(size);
    }
    const std::vector<Cell> cells = cells_of(model.manifest);
    std::vector<char> tie(size, 0);  // two grains are equally likely, and rounding decides between them
    for (std::size_t i = 0; i < size; ++i) {
        double shift[2] = {0, 0};
        for (std::size_t axis = 0; axis < axes; ++axis) shift[2 - axes + axis] = off[axis * size + i];
        const std::size_t at = axes * size + i;  // of the grain, if there are several
        const double label = cells.size() > 1 ? std::max(0.0, static_cast<double>(map.mean[at])) : 0.0;
        if (cells.size() > 1)
            tie[i] = off[at] != 0 && static_cast<double>(map.sd[at]) > most_sure && wanted_sd[at] > most_sure;
        cells[static_cast<std::size_t>(label)].wrap(shift);
        for (std::size_t axis = 0; axis < axes; ++axis) off[axis * size + i] = shift[2 - axes + axis];
    }
    double largest = 0;
    for (std::size_t i = 0; i < latents * size; ++i) {
        const Manifest::Latent& latent = model.manifest.latents[i / size];
        if (tie[i % size] && i / size <= axes) continue;
        if (latent.period > 0) off[i] -= latent.period * std::nearbyint(off[i] / latent.period);
        const double unit = std::max(latent.spread, spread[i / size]);
        const double sd_off = std::fabs(static_cast<double>(map.sd[i]) - wanted_sd[i]);
        const double error = std::max(std::fabs(off[i]), sd_off) / unit;
        if (!(error <= largest)) largest = error;
        if (std::isnan(largest) || std::isnan(sd_off)) return NAN;
    }
    return largest;
}

bool same_bits(const std::vector<float>& one, const std::vector<float>& other) {
    return std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
}

void check(const Model& model, Bytes archive, std::size_t network_stride) {
    const std::vector<ZipMember> members = read_stored_zip(archive, "golden.npz");
    const std::string ending = "_s" + std::to_string(network_stride);
    const ArrayFile frame = array_of(members, "frame");
    const ArrayFile mean = array_of(members, "mean" + ending), sd = array_of(members, "std" + ending);
    if (frame.shape[0] != model.manifest.channels)
        refuse_file("golden.npz: the frame has other channels than the model");
    const Grid grid = grid_of(model, frame.shape[1], frame.shape[2]);
    const Grid whole{frame.shape[1], frame.shape[2], grid.window_height, grid.window_width, network_stride};
    const std::size_t expected[] = {model.latents(), whole.rows(), whole.cols()};
    for (const ArrayFile* array : {&mean, &sd})
        if (array->type != PixelType::float32 || !std::equal(expected, expected + 3, array->shape))
            refuse_file("golden.npz: its maps have another shape than the model gives");
    // The model lives as long as the caller says: nothing here keeps it.
    const std::shared_ptr<const Model> borrowed(std::shared_ptr<const Model>(), &model);
    const std::size_t lines = frame.shape[1];
    const Map at_once = encode(borrowed, frame, {lines});
    const double error = error_of(model, at_once, grid, {mean, sd, model.step});
    if (!(error <= tolerance))
        refuse_file("the model's test frame comes out wrong by " + one_digit_text(error) + " of a latent's spread");
    const auto [one, other] = std::minmax({lines - lines / 4, std::max<std::size_t>(lines - 1, 1)});
    const Map in_parts = encode(borrowed, frame, {one, other, lines});
    if (!same_bits(at_once.mean, in_parts.mean) || !same_bits(at_once.sd, in_parts.sd))
        refuse_file("the model's test frame comes out differently in parts");
}

}  // namespace

void check_golden_frame(const Model& model, Bytes archive, std::size_t network_stride) {
    try {
        check(model, archive, network_stride);
    } catch (const Refusal& refusal) {
        if (refusal.code() == SV_FILE) throw;
        refuse_file(std::string("golden.npz: ") + refusal.what());
    }
}

}  // namespace shiftvae
