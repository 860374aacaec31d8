// From what a network says to latents.
#include "arrays.hpp"
#include "shiftvae/readout.hpp"
#include "shiftvae/rounds.hpp"

namespace shiftvae::bindings {
namespace {

Readout readout_of(std::size_t axes, const std::vector<std::vector<double>>& vectors, double planar_px,
                   double planar_reach_px, double angle_period, double scale_prior, std::size_t content,
                   const std::vector<Square>& further) {
    if (axes < 1 || axes > 2 || vectors.size() > axes || content > 1024)
        throw py::value_error("expected 1 or 2 axes, no more vectors than these, and at most 1024 latents of content");
    Readout readout{axes, vectors.size(), {}, planar_px, planar_reach_px, angle_period, scale_prior, content, 0, {}};
    for (std::size_t j = 0; j < vectors.size(); ++j) {
        if (vectors[j].size() != axes) throw py::value_error("expected a coordinate of each vector for each axis");
        for (std::size_t axis = 0; axis < axes; ++axis) readout.vectors[j][axis] = vectors[j][axis];
    }
    if (further.size() > most_further || (!further.empty() && readout.phases != 2))
        throw py::value_error("expected at most 7 further lattices, and two vectors of the first beside them");
    for (const Square& lattice : further) {
        for (std::size_t j = 0; j < 2; ++j)
            for (std::size_t axis = 0; axis < 2; ++axis)
                readout.further_vectors[readout.further][j][axis] = lattice[j][axis];
        ++readout.further;
    }
    return readout;
}

void read_code(const Readout& readout, const Floats& code, Floats mean, Floats sd, unsigned threads) {
    if (code.ndim() != 3) throw py::value_error("expected a code of shape (planes, rows, cols), got " + text(code));
    need(code, {extent(readout.planes()), code.shape(1), code.shape(2)}, "code");
    const Shape shape{extent(readout.latents()), code.shape(1), code.shape(2)};
    need(mean, shape, "mean");
    need(sd, shape, "sd");
    const float* from = code.data();
    float *mean_data = mean.mutable_data(), *sd_data = sd.mutable_data();
    const std::size_t count = static_cast<std::size_t>(code.shape(1) * code.shape(2));
    checked(threads);
    const py::gil_scoped_release unlocked;
    read_latents(readout, from, count, mean_data, sd_data, threads);
}

std::unique_ptr<Rounds> rounds_of(const Floats& points, const Floats& motif, const Floats& inverse,
                                  const Floats& deviation, Window window, double period, bool grows) {
    if (motif.ndim() != 3 || motif.size() == 0 || motif.size() > (1 << 24))
        throw py::value_error("expected a motif of shape (1 + content, channels, points), got " + text(motif));
    if (window.first < 2 || window.second < 2 || window.first > 1024 || window.second > 1024 || !(period >= 0))
        throw py::value_error("expected a window of 2 to 1024 px and a period of at least 0");
    const auto size = [&](py::ssize_t axis) { return static_cast<std::size_t>(motif.shape(axis)); };
    const Rounds::Shape shape{size(1), size(2), size(0) - 1, window.first, window.second, period, grows};
    need(points, {2, motif.shape(2)}, "points");
    need(motif, {motif.shape(0), motif.shape(1), motif.shape(2)}, "motif");
    need(inverse, {extent(shape.latents()), motif.shape(1), motif.shape(2)}, "inverse");
    need(deviation, {extent(shape.latents())}, "deviation");
    return std::make_unique<Rounds>(shape, points.data(), motif.data(), inverse.data(), deviation.data());
}

void improve_latents(const Rounds& rounds, const Floats& windows, Floats mean, Floats sd) {
    const Rounds::Shape& shape = rounds.shape();
    if (windows.ndim() != 4) throw py::value_error("expected windows of four axes, got " + text(windows));
    const py::ssize_t count = windows.shape(0);
    need(windows, {count, extent(shape.channels), extent(shape.height), extent(shape.width)}, "windows");
    need(mean, {extent(shape.latents()), count}, "mean");
    need(sd, {extent(shape.latents()), count}, "sd");
    const float* from = windows.data();
    float *mean_data = mean.mutable_data(), *sd_data = sd.mutable_data();
    const py::gil_scoped_release unlocked;
    rounds.improve(from, static_cast<std::size_t>(count), static_cast<std::size_t>(count), mean_data, sd_data);
}

}  // namespace

void bind_latents(py::module_& m) {
    const py::handle plain(reinterpret_cast<PyObject*>(&PyType_Type));  // the metaclass that a stub can name
    py::class_<Readout>(m, "Readout", py::metaclass(plain))
        .def(py::init(&readout_of), py::kw_only(), py::arg("axes"), py::arg("vectors"), py::arg("planar_px"),
             py::arg("planar_reach_px"), py::arg("angle_period"), py::arg("scale_prior"), py::arg("content"),
             py::arg("further"))
        .def_property_readonly("planes", &Readout::planes)
        .def_property_readonly("latents", &Readout::latents)
        .def("read", &read_code, py::arg("code").noconvert(), py::arg("mean").noconvert(), py::arg("sd").noconvert(),
             py::arg("threads"));
    py::class_<Rounds>(m, "Rounds", py::metaclass(plain))
        .def(py::init(&rounds_of), py::kw_only(), py::arg("points").noconvert(), py::arg("motif").noconvert(),
             py::arg("inverse").noconvert(), py::arg("deviation").noconvert(), py::arg("window"), py::arg("period"),
             py::arg("grows"))
        .def("improve", &improve_latents, py::arg("windows").noconvert(), py::arg("mean").noconvert(),
             py::arg("sd").noconvert());
}

}  // namespace shiftvae::bindings
