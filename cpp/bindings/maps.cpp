// From latents of windows to maps and fields.
#include <cmath>
#include "arrays.hpp"
#include "shiftvae/assembly.hpp"
#include "shiftvae/lattice_fields.hpp"
#include "shiftvae/order_fields.hpp"

namespace shiftvae::bindings {
namespace {

Grid grid_of_maps(const Floats& values, const Floats& precision, Window frame, Window window, std::size_t stride,
                  const Floats& out) {
    const Grid grid = grid_of(frame.first, frame.second, window, stride);
    if (values.ndim() != 3)
        throw py::value_error("expected values of shape (latents, rows, cols), got " + text(values));
    const Shape shape{values.shape(0), extent(grid.rows()), extent(grid.cols())};
    need(values, shape, "values");
    need(precision, shape, "precision");
    need(out, {values.shape(0), extent(frame.first), extent(frame.second)}, "out");
    return grid;
}

bool assemble(const Floats& values, const Floats& precision, Window frame, Window window, std::size_t stride,
              Floats out, unsigned threads) {
    const Grid grid = grid_of_maps(values, precision, frame, window, stride, out);
    const std::size_t latents = static_cast<std::size_t>(values.shape(0));
    const float *values_data = values.data(), *precision_data = precision.data();
    float* target = out.mutable_data();
    checked(threads);
    const py::gil_scoped_release unlocked;
    return assemble_latent_map(values_data, precision_data, latents, grid, target, threads);
}

bool place(const Floats& values, const Floats& precision, const Floats& shift_y, const Floats& shift_x, Window frame,
           Window window, std::size_t stride, Floats out, unsigned threads) {
    const Grid grid = grid_of_maps(values, precision, frame, window, stride, out);
    const Shape shape{extent(grid.rows()), extent(grid.cols())};
    need(shift_y, shape, "shift_y");
    need(shift_x, shape, "shift_x");
    const std::size_t latents = static_cast<std::size_t>(values.shape(0));
    const float *values_data = values.data(), *precision_data = precision.data();
    const float *y_data = shift_y.data(), *x_data = shift_x.data();
    float* target = out.mutable_data();
    checked(threads);
    const py::gil_scoped_release unlocked;
    return place_at_motifs(values_data, precision_data, y_data, x_data, latents, grid, target, threads);
}

std::unique_ptr<LatticeFields> lattice_fields_of(Window map, std::array<double, 2> first, double stride, double aspect,
                                                 const Square& vectors, const Square& gradient, std::size_t half,
                                                 const Square& slope) {
    constexpr std::size_t most = std::size_t{1} << 24U;
    const auto [rows, cols] = map;
    if (rows < 1 || cols < 1 || rows > most || cols > most || half < 1 || half > 4096 || !(stride > 0) || !(aspect > 0))
        throw py::value_error(
            "expected a map of 1 to 2**24 rows and columns, a stride and an aspect above 0, and half a box of 1 to "
            "4096 windows, got " +
            std::to_string(rows) + " x " + std::to_string(cols) + ", " + std::to_string(stride) + ", " +
            std::to_string(aspect) + " and " + std::to_string(half));
    LatticeFields::Lattice lattice{};
    LatticeFields::Average average{half, {}};
    for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t j = 0; j < 2; ++j) {
            lattice.vectors[i][j] = vectors[i][j];
            lattice.gradient[i][j] = gradient[i][j];
            average.slope[i][j] = slope[i][j];
        }
    const double area = vectors[0][0] * vectors[1][1] - vectors[0][1] * vectors[1][0];
    if (!(std::fabs(area) > 1e-9) || !std::isfinite(area))
        throw py::value_error("expected lattice vectors that are not parallel, got an area of " + std::to_string(area));
    const LatticeFields::Map shape{rows, cols, first[0], first[1], stride, aspect};
    return std::make_unique<LatticeFields>(shape, lattice, average);
}

void push_shifts(LatticeFields& stream, const Floats& shift, const Floats& sd, Floats out) {
    if (shift.ndim() != 3 || shift.shape(1) > extent(stream.rows_left()))
        throw py::value_error("expected shifts of shape (2, at most " + std::to_string(stream.rows_left()) + " rows, " +
                              std::to_string(stream.cols()) + "), got " + text(shift));
    const Shape shape{2, shift.shape(1), extent(stream.cols())};
    need(shift, shape, "shift");
    need(sd, shape, "sd");
    const std::size_t count = static_cast<std::size_t>(shape[1]), complete = stream.rows_with(count);
    need(out, {extent(2 * LatticeFields::fields), extent(complete), shape[2]}, "out");
    const float *from = shift.data(), *deviation = sd.data();
    float* to = out.mutable_data();
    const std::size_t cols = stream.cols();
    const py::gil_scoped_release unlocked;
    stream.push(from, deviation, count * cols, count, to, complete * cols);
}

Superlattice superlattice_of(std::array<double, 2> turns, const Square& vectors, const Square& gradient) {
    const double area = vectors[0][0] * vectors[1][1] - vectors[0][1] * vectors[1][0];
    if (!(std::fabs(area) > 1e-9) || !std::isfinite(area))
        throw py::value_error("expected lattice vectors that are not parallel, got an area of " + std::to_string(area));
    Superlattice superlattice{};
    for (std::size_t i = 0; i < 2; ++i) {
        superlattice.turns[i] = turns[i];
        for (std::size_t j = 0; j < 2; ++j) {
            superlattice.vectors[i][j] = vectors[i][j];
            superlattice.gradient[i][j] = gradient[i][j];
        }
    }
    return superlattice;
}

// Rows of the fields of one superlattice vector, from row `first` of the map on; gives the origin, which the first
// rows make. `planes`: shift along y and x, displacement along y and x, real and imaginary part, sd.
std::array<double, 2> fields_of_order(const Superlattice& superlattice, std::optional<std::array<double, 2>> origin,
                                      const Floats& planes, double first_y, double stride, Floats out) {
    if (planes.ndim() != 3 || planes.shape(0) != 7)
        throw py::value_error("expected planes of shape (7, rows, columns), got " + text(planes));
    need(out, {4, planes.shape(1), planes.shape(2)}, "out");
    const auto rows = static_cast<std::size_t>(planes.shape(1)), cols = static_cast<std::size_t>(planes.shape(2));
    if (rows == 0 || cols == 0) return origin.value_or(std::array<double, 2>{});
    const std::size_t size = rows * cols;
    const float* from = planes.data();
    float* to = out.mutable_data();
    OrderOrigin begin{};
    const py::gil_scoped_release unlocked;
    for (std::size_t row = 0; row < rows; ++row) {
        const float* line = from + row * cols;
        const OrderRow windows{line + 4 * size,
                               line + 5 * size,
                               line + 6 * size,
                               {line, line + size},
                               {line + 2 * size, line + 3 * size},
                               first_y + static_cast<double>(row) * stride,
                               stride};
        if (row == 0) begin = origin ? OrderOrigin{{(*origin)[0], (*origin)[1]}} : origin_of(windows);
        float* at = to + row * cols;
        order_fields(superlattice, begin, windows, cols, at, at + size, at + 2 * size, at + 3 * size);
    }
    return {begin.place[0], begin.place[1]};
}

}  // namespace

void bind_maps(py::module_& m) {
    const py::handle plain(reinterpret_cast<PyObject*>(&PyType_Type));  // the metaclass that a stub can name
    py::class_<LatticeFields>(m, "LatticeFields", py::metaclass(plain))
        .def(py::init(&lattice_fields_of), py::kw_only(), py::arg("shape"), py::arg("first"), py::arg("stride"),
             py::arg("aspect"), py::arg("vectors"), py::arg("gradient"), py::arg("half"), py::arg("slope"))
        .def("rows_with", &LatticeFields::rows_with, py::arg("more"))
        .def("push", &push_shifts, py::arg("shift").noconvert(), py::arg("sd").noconvert(), py::arg("out").noconvert());
    py::class_<Superlattice>(m, "Superlattice", py::metaclass(plain))
        .def(py::init(&superlattice_of), py::kw_only(), py::arg("turns"), py::arg("vectors"), py::arg("gradient"))
        .def("fields", &fields_of_order, py::arg("origin"), py::arg("planes").noconvert(), py::arg("first_y"),
             py::arg("stride"), py::arg("out").noconvert());
    m.def("assemble_latent_map", &assemble, py::arg("values").noconvert(), py::arg("precision").noconvert(),
          py::arg("frame_shape"), py::arg("window"), py::arg("stride"), py::arg("out").noconvert(), py::arg("threads"));
    m.def("place_at_motifs", &place, py::arg("values").noconvert(), py::arg("precision").noconvert(),
          py::arg("shift_y").noconvert(), py::arg("shift_x").noconvert(), py::arg("frame_shape"), py::arg("window"),
          py::arg("stride"), py::arg("out").noconvert(), py::arg("threads"));
}

}  // namespace shiftvae::bindings
