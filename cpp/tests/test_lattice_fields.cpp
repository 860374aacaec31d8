#include "each_isa.hpp"
#include "shiftvae/lattice_fields.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

using namespace shiftvae;

namespace {

constexpr std::size_t rows = 60, cols = 75, half = 4, planes = 2 * LatticeFields::fields;
constexpr double first = 15.5, stride = 4;
const LatticeFields::Lattice lattice{{{16, 0.5}, {-1, 15}}, {{0, 0}, {0, 0}}};
const LatticeFields::Map map{rows, cols, first, first, stride, 1};
const LatticeFields::Average average{half, {{0.01, 0.02}, {0.03, 0.04}}};

struct Shifts {
    std::vector<float> shift = std::vector<float>(2 * rows * cols), sd = std::vector<float>(2 * rows * cols, 0.1f);
};

// Shift of every window for a displacement u(y, x), modulo the lattice.
template <class Displacement>
Shifts shifts_of(Displacement u, double noise) {
    std::mt19937 random(3);
    std::normal_distribution<double> normal(0, 1);
    const auto& a = lattice.vectors;
    const double area = a[0][0] * a[1][1] - a[0][1] * a[1][0];
    Shifts out;
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c) {
            const double y = first + stride * static_cast<double>(r), x = first + stride * static_cast<double>(c);
            double move[2];
            u(y, x, move);
            const double to[2] = {move[0] - y, move[1] - x};
            double turns[2] = {(to[0] * a[1][1] - to[1] * a[1][0]) / area, (to[1] * a[0][0] - to[0] * a[0][1]) / area};
            for (double& t : turns) t -= std::nearbyint(t);
            for (std::size_t axis = 0; axis < 2; ++axis)
                out.shift[axis * rows * cols + r * cols + c] =
                    static_cast<float>(turns[0] * a[0][axis] + turns[1] * a[1][axis] + noise * normal(random));
        }
    return out;
}

// In parts of these numbers of rows in turn; the planes of the whole map.
std::vector<float> fields_of(const Shifts& in, const std::vector<std::size_t>& parts,
                             const LatticeFields::Lattice& of = lattice) {
    LatticeFields stream(map, of, average);
    std::vector<float> out(planes * rows * cols);
    std::size_t seen = 0, written = 0;
    for (std::size_t part = 0; seen < rows; ++part) {
        const std::size_t count = std::min(parts[part % parts.size()], stream.rows_left());
        const std::size_t complete = stream.rows_with(count);
        stream.push(in.shift.data() + seen * cols, in.sd.data() + seen * cols, rows * cols, count,
                    out.data() + written * cols, rows * cols);
        seen += count;
        written += complete;
        CHECK(written == (seen == rows ? rows : seen > 2 * half + 1 ? seen - 2 * half - 1 : 0));
    }
    CHECK(written == rows);
    return out;
}

float at(const std::vector<float>& out, std::size_t field, std::size_t r, std::size_t c) {
    return out[(field * rows + r) * cols + c];
}

}  // namespace

CASE("a homogeneous deformation has its displacement, strain and rotation, to the edges of the map") {
    const double e[2][2] = {{0.012, -0.004}, {0.009, -0.007}};  // [axis][along]
    const Shifts in = shifts_of(
        [&](double y, double x, double* u) {
            u[0] = e[0][0] * y + e[0][1] * x;
            u[1] = e[1][0] * y + e[1][1] * x;
        },
        0);
    on_each_isa([&] {
        const std::vector<float> out = fields_of(in, {rows});
        const double middle = stride * static_cast<double>(cols - 1) / 2;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < cols; ++c) {
                const double y = stride * static_cast<double>(r), x = stride * static_cast<double>(c) - middle;
                CHECK(std::fabs(at(out, 0, r, c) - (e[0][0] * y + e[0][1] * x)) < 2e-3);
                CHECK(std::fabs(at(out, 1, r, c) - (e[1][0] * y + e[1][1] * x)) < 2e-3);
                CHECK(std::fabs(at(out, 2, r, c) - 100 * e[1][1]) < 1e-2);
                CHECK(std::fabs(at(out, 3, r, c) - 100 * e[0][0]) < 1e-2);
                CHECK(std::fabs(at(out, 4, r, c) - 50 * (e[0][1] + e[1][0])) < 1e-2);
                CHECK(std::fabs(at(out, 5, r, c) - 90 / 3.14159265 * (e[0][1] - e[1][0])) < 1e-2);
            }
    });
}

CASE("a mean gradient is taken off") {
    const Shifts in = shifts_of(
        [&](double y, double x, double* u) {
            u[0] = 0.01 * y;
            u[1] = -0.02 * y + 0.005 * x;
        },
        0);
    const std::vector<float> out = fields_of(in, {rows}, {{{16, 0.5}, {-1, 15}}, {{0.01, 0}, {-0.02, 0.005}}});
    for (std::size_t i = 0; i < 2 * rows * cols; ++i) CHECK(std::fabs(out[i]) < 2e-3);
    for (std::size_t field = 2; field < LatticeFields::fields; ++field)
        for (std::size_t i = 0; i < rows * cols; ++i) CHECK(std::fabs(out[field * rows * cols + i]) < 1e-2);
}

CASE("rows are the same to the bit however they come, and with every instruction set") {
    const Shifts in = shifts_of(
        [](double y, double x, double* u) {
            u[0] = 2 * std::sin(x / 40) + 0.01 * y;
            u[1] = 3 * std::cos(y / 50);
        },
        0.3);
    std::vector<float> whole;
    on_each_isa([&] {
        for (const std::vector<std::size_t>& parts : {std::vector<std::size_t>{rows}, {1}, {7, 1, 13}, {rows - 1, 1}}) {
            const std::vector<float> out = fields_of(in, parts);
            if (whole.empty()) whole = out;
            CHECK(std::memcmp(out.data(), whole.data(), out.size() * sizeof(float)) == 0);
        }
    });
}

CASE("windows that know nothing of their shift are carried by their neighbours") {
    const auto wave = [](double, double x, double* u) {
        u[0] = 0;
        u[1] = 2 * std::sin(x / 40);
    };
    Shifts in = shifts_of(wave, 0);
    const std::vector<float> clean = fields_of(in, {rows});
    std::mt19937 random(5);
    std::uniform_real_distribution<float> anywhere(-8, 8);
    for (std::size_t r = 20; r < 23; ++r)
        for (std::size_t c = 30; c < 33; ++c)
            for (std::size_t axis = 0; axis < 2; ++axis) {
                in.shift[axis * rows * cols + r * cols + c] = anywhere(random);
                in.sd[axis * rows * cols + r * cols + c] = 5;
            }
    const std::vector<float> out = fields_of(in, {rows});
    for (std::size_t field = 2; field < LatticeFields::fields; ++field)
        for (std::size_t i = 0; i < rows * cols; ++i)
            CHECK(std::fabs(out[field * rows * cols + i] - clean[field * rows * cols + i]) < 0.5);  // of 5 %
    CHECK(std::fabs(at(out, 1, 40, 31) - at(clean, 1, 40, 31)) < 1e-3);
}

CASE("maps of a row, a column or a window have fields") {
    for (const auto& [r, c] : {std::pair<std::size_t, std::size_t>{1, 9}, {9, 1}, {1, 1}}) {
        LatticeFields stream({r, c, 8, 8, 4, 1}, lattice, average);
        const std::vector<float> shift(2 * r * c, 1.0f), sd(2 * r * c, 0.1f);
        std::vector<float> out(planes * r * c, NAN);
        CHECK(stream.rows_with(r) == r);
        stream.push(shift.data(), sd.data(), r * c, r, out.data(), r * c);
        for (const float value : out) CHECK(std::isfinite(value));
    }
}

CASE("a pixel that is higher than wide turns shear into strain of the specimen; deviations follow the shift's") {
    const Shifts in = shifts_of(
        [](double y, double x, double* u) {
            u[0] = 0.004 * x;
            u[1] = 0.002 * y;
        },
        0);
    LatticeFields stream({rows, cols, first, first, stride, 2}, lattice, average);
    std::vector<float> out(planes * rows * cols);
    stream.push(in.shift.data(), in.sd.data(), rows * cols, rows, out.data(), rows * cols);
    CHECK(std::fabs(at(out, 4, 30, 40) - 50 * (0.004 * 2 + 0.002 / 2)) < 1e-2);
    CHECK(std::fabs(at(out, 5, 30, 40) - 90 / 3.14159265 * (0.004 * 2 - 0.002 / 2)) < 1e-2);
    const double sd[] = {0.1, 0.1, 100 * 0.1 * 0.04, 100 * 0.1 * 0.01, 50 * std::hypot(0.1 * 0.03 / 2, 0.1 * 0.02 * 2)};
    for (std::size_t field = 0; field < 5; ++field) CHECK(std::fabs(at(out, 6 + field, 30, 40) - sd[field]) < 1e-5);
}
