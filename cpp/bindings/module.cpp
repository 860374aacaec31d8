// The compiled module shiftvae_rt._core. It checks what memory safety needs, releases the GIL and calls. The messages
// for users are in windows.py, filter_bank.py, readout.py and assembly.py; outputs are allocated there too.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shiftvae/assembly.hpp"
#include "shiftvae/convert_frame.hpp"
#include "shiftvae/dense_network.hpp"
#include "shiftvae/filter_bank.hpp"
#include "shiftvae/isa.hpp"
#include "shiftvae/lattice_fields.hpp"
#include "shiftvae/order_fields.hpp"
#include "shiftvae/readout.hpp"
#include "shiftvae/rounds.hpp"
#include "shiftvae/windows.hpp"

namespace py = pybind11;
using namespace shiftvae;

namespace {

using Floats = py::array_t<float, 0>;
using Doubles = py::array_t<double, 0>;
using Origins = py::array_t<std::int64_t, 0>;
using Shape = std::vector<py::ssize_t>;
using Window = std::pair<std::size_t, std::size_t>;

constexpr unsigned most_threads = 256;

std::string text(const py::array& array) {
    std::string s = "(";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) s += (i ? ", " : "") + std::to_string(array.shape(i));
    return s + ") " + py::str(array.dtype()).cast<std::string>();
}

std::string text(const Shape& shape) {
    std::string s = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
    return s + ")";
}

PixelType pixel_type(const py::array& a) {
    if (py::isinstance<py::array_t<std::uint8_t>>(a)) return PixelType::uint8;
    if (py::isinstance<py::array_t<std::uint16_t>>(a)) return PixelType::uint16;
    if (py::isinstance<py::array_t<std::int16_t>>(a)) return PixelType::int16;
    if (py::isinstance<py::array_t<std::uint32_t>>(a)) return PixelType::uint32;
    if (py::isinstance<py::array_t<std::int32_t>>(a)) return PixelType::int32;
    if (py::isinstance<py::array_t<float>>(a)) return PixelType::float32;
    if (py::isinstance<py::array_t<double>>(a)) return PixelType::float64;
    throw py::value_error(
        "expected pixels of dtype uint8, uint16, int16, uint32, int32, float32 or float64 in native "
        "byte order, got " +
        py::str(a.dtype()).cast<std::string>());
}

FrameView frame_view(const py::array& a) {
    if (a.ndim() != 3 || a.size() == 0)
        throw py::value_error("expected a frame of shape (channels, height, width), got " + text(a));
    const PixelType type = pixel_type(a);
    if ((a.shape(2) > 1 && a.strides(2) != a.itemsize()) || !(a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_))
        throw py::value_error("expected a frame whose neighbouring pixels are adjacent in memory (stride " +
                              std::to_string(a.itemsize()) + " bytes, aligned), got a stride of " +
                              std::to_string(a.strides(2)) + " bytes: use numpy.ascontiguousarray");
    return {a.data(),
            type,
            static_cast<std::size_t>(a.shape(0)),
            static_cast<std::size_t>(a.shape(1)),
            static_cast<std::size_t>(a.shape(2)),
            a.strides(0),
            a.strides(1)};
}

template <class T>
void need(const py::array_t<T, 0>& a, const Shape& shape, const char* name) {
    bool same = a.ndim() == static_cast<py::ssize_t>(shape.size());
    for (std::size_t i = 0; same && i < shape.size(); ++i) same = a.shape(static_cast<py::ssize_t>(i)) == shape[i];
    if (!same || !(a.flags() & py::array::c_style) || !(a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_))
        throw py::value_error(std::string("expected ") + name + " as a contiguous array of shape " + text(shape) +
                              ", got " + text(a) + ((a.flags() & py::array::c_style) ? "" : ", not contiguous"));
}

Grid grid_of(std::size_t height, std::size_t width, Window window, std::size_t stride) {
    if (window.first < 1 || window.second < 1 || stride < 1 || window.first > height || window.second > width)
        throw py::value_error("expected a window of 1 x 1 to " + std::to_string(height) + " x " +
                              std::to_string(width) + " px and a stride of at least 1, got " +
                              std::to_string(window.first) + " x " + std::to_string(window.second) + " and " +
                              std::to_string(stride));
    return {height, width, window.first, window.second, stride};
}

Scaling scaling_of(const std::string& name, double sd_floor) {
    if (!(sd_floor >= 0)) throw py::value_error("expected sd_floor >= 0, got " + std::to_string(sd_floor));
    if (name == "none") return {Normalisation::none, sd_floor};
    if (name == "zscore") return {Normalisation::zscore, sd_floor};
    if (name == "minmax") return {Normalisation::minmax, sd_floor};
    throw py::value_error("expected normalisation none, zscore or minmax, got " + name);
}

unsigned checked(unsigned threads) {
    if (threads < 1 || threads > most_threads)
        throw py::value_error("expected 1 to 256 threads, got " + std::to_string(threads));
    return threads;
}

py::ssize_t extent(std::size_t n) { return static_cast<py::ssize_t>(n); }

const double* optional_centre(const std::optional<Doubles>& centre, const FrameView& view) {
    if (!centre) return nullptr;
    need(*centre, {extent(view.channels)}, "centre");
    return centre->data();
}

void extract(const py::array& frame, Window window, std::size_t stride, const std::string& normalisation,
             double sd_floor, const std::optional<Doubles>& centre, Floats out, unsigned threads) {
    const FrameView view = frame_view(frame);
    const Grid grid = grid_of(view.height, view.width, window, stride);
    const double* centre_data = optional_centre(centre, view);
    const Scaling scaling = scaling_of(normalisation, sd_floor);
    need(out,
         {extent(grid.rows()), extent(grid.cols()), extent(view.channels), extent(window.first), extent(window.second)},
         "out");
    float* target = out.mutable_data();
    checked(threads);
    const py::gil_scoped_release unlocked;
    extract_windows(view, grid, scaling, centre_data, target, threads);
}

void extract_at(const py::array& frame, const Origins& origins, Window window, const std::string& normalisation,
                double sd_floor, Floats out, unsigned threads) {
    const FrameView view = frame_view(frame);
    grid_of(view.height, view.width, window, 1);
    const Scaling scaling = scaling_of(normalisation, sd_floor);
    if (origins.ndim() != 2) throw py::value_error("expected origins of shape (count, 2), got " + text(origins));
    need(origins, {origins.shape(0), 2}, "origins");
    need(out, {origins.shape(0), extent(view.channels), extent(window.first), extent(window.second)}, "out");
    const std::size_t count = static_cast<std::size_t>(origins.shape(0));
    const std::int64_t* at = origins.data();
    const std::int64_t last_y = extent(view.height - window.first), last_x = extent(view.width - window.second);
    for (std::size_t i = 0; i < count; ++i)
        if (at[2 * i] < 0 || at[2 * i] > last_y || at[2 * i + 1] < 0 || at[2 * i + 1] > last_x)
            throw py::index_error("expected origins y in 0.." + std::to_string(last_y) + " and x in 0.." +
                                  std::to_string(last_x) + ", got " + std::to_string(at[2 * i]) + ", " +
                                  std::to_string(at[2 * i + 1]) + " for window " + std::to_string(i));
    float* target = out.mutable_data();
    checked(threads);
    const py::gil_scoped_release unlocked;
    extract_windows_at(view, at, count, window.first, window.second, scaling, target, threads);
}

void statistics(const py::array& frame, Window window, std::size_t stride, const std::optional<Doubles>& centre,
                Floats mean, Floats sd, unsigned threads) {
    const FrameView view = frame_view(frame);
    const Grid grid = grid_of(view.height, view.width, window, stride);
    const double* centre_data = optional_centre(centre, view);
    const Shape shape{extent(view.channels), extent(grid.rows()), extent(grid.cols())};
    need(mean, shape, "mean");
    need(sd, shape, "sd");
    float *mean_data = mean.mutable_data(), *sd_data = sd.mutable_data();
    checked(threads);
    const py::gil_scoped_release unlocked;
    window_statistics(view, grid, centre_data, mean_data, sd_data, threads);
}

bool convert(const py::array& frame, const Doubles& centre, Floats out, unsigned threads) {
    const FrameView view = frame_view(frame);
    need(centre, {extent(view.channels)}, "centre");
    need(out, {extent(view.channels), extent(view.height), extent(view.width)}, "out");
    const double* centre_data = centre.data();
    float* target = out.mutable_data();
    checked(threads);
    const py::gil_scoped_release unlocked;
    return convert_frame(view, centre_data, target, threads);
}

bool difference(const py::array& frame, Floats out, unsigned threads) {
    const FrameView view = frame_view(frame);
    if (view.width < 2) throw py::value_error("expected lines of at least two pixels, got " + text(frame));
    need(out, {extent(2 * view.channels), extent(view.height), extent(view.width - 1)}, "out");
    float* target = out.mutable_data();
    checked(threads);
    const py::gil_scoped_release unlocked;
    return difference_frame(view, target, threads);
}

bool power_of_two(std::size_t n) { return n && !(n & (n - 1)); }

std::unique_ptr<FilterBank> filter_bank_of(const Doubles& filters, std::size_t stride, std::size_t segment) {
    if (filters.ndim() != 4 || filters.size() == 0)
        throw py::value_error("expected filters of shape (units, channels, height, width), got " + text(filters));
    need(filters, {filters.shape(0), filters.shape(1), filters.shape(2), filters.shape(3)}, "filters");
    const auto size = [&](py::ssize_t axis) { return static_cast<std::size_t>(filters.shape(axis)); };
    if (!power_of_two(segment) || segment < 8 || segment > 4096 || segment < size(3) || !power_of_two(stride) ||
        stride > segment / 2)
        throw py::value_error(
            "expected a segment of 8 to 4096 px that holds the filters, and a stride of at most half "
            "of it, both powers of two, got " +
            std::to_string(segment) + " and " + std::to_string(stride));
    const double* data = filters.data();
    const py::gil_scoped_release unlocked;
    return std::make_unique<FilterBank>(data, size(0), size(1), size(2), size(3), stride, segment);
}

void apply_filters(const FilterBank& bank, const py::array& frame, const std::string& normalisation, double sd_floor,
                   const Doubles& centre, Floats out) {
    const FrameView view = frame_view(frame);
    const Grid grid = grid_of(view.height, view.width, {bank.height(), bank.width()}, bank.stride());
    need(centre, {extent(view.channels)}, "centre");
    const double* centre_data = centre.data();
    const Scaling scaling = scaling_of(normalisation, sd_floor);
    if (view.channels != bank.channels() || (scaling.kind == Normalisation::minmax && view.channels > 1))
        throw py::value_error("expected a frame of " + std::to_string(bank.channels()) +
                              " channels, one for minmax, got " + text(frame));
    need(out, {extent(grid.rows()), extent(grid.cols()), extent(bank.units())}, "out");
    float* target = out.mutable_data();
    const py::gil_scoped_release unlocked;
    bank.apply(view, scaling, centre_data, target);
}

using Layers = std::vector<std::pair<Floats, std::size_t>>;
using Heads = std::vector<std::pair<Floats, Floats>>;

std::unique_ptr<DenseNetwork> dense_network_of(const Layers& stem, const Heads& head, std::size_t stride) {
    constexpr std::size_t most = 4096;  // px of a kernel, a dilation or a stride, and units: no sum of them overflows
    const auto size = [](const Floats& a, py::ssize_t axis) { return static_cast<std::size_t>(a.shape(axis)); };
    const auto check = [&](const Floats& weights, py::ssize_t axes) {
        if (weights.ndim() != axes || weights.size() == 0)
            throw py::value_error("expected weights of " + std::to_string(axes) + " axes, got " + text(weights));
        Shape shape;
        for (py::ssize_t i = 0; i < axes; ++i) {
            shape.push_back(weights.shape(i));
            if (size(weights, i) > most) throw py::value_error("the layer " + text(weights) + " is too large");
        }
        need(weights, shape, "weights");
    };
    std::vector<DenseNetwork::Convolution> convolutions;
    for (const auto& [weights, dilation] : stem) {
        check(weights, 4);
        if (dilation < 1 || dilation > most) throw py::value_error("expected a dilation of 1 to 4096 px");
        convolutions.push_back(
            {size(weights, 0), size(weights, 1), size(weights, 2), size(weights, 3), dilation, weights.data()});
    }
    std::vector<DenseNetwork::Linear> linears;
    for (const auto& [weights, bias] : head) {
        check(weights, 2);
        need(bias, {weights.shape(0)}, "bias");
        linears.push_back({size(weights, 0), size(weights, 1), weights.data(), bias.data()});
    }
    if (stride < 1 || stride > most) throw py::value_error("expected a stride of 1 to 4096 px");
    return std::make_unique<DenseNetwork>(convolutions, linears, stride);
}

std::unique_ptr<DenseStream> dense_stream_of(const DenseNetwork& network, std::size_t width) {
    constexpr std::size_t most = std::size_t{1} << 24U;
    if (width < network.window_width() || width > most)
        throw py::value_error("expected lines of " + std::to_string(network.window_width()) + " to " +
                              std::to_string(most) + " px, got " + std::to_string(width));
    return std::make_unique<DenseStream>(network, width);
}

// True if all differences are finite.
bool push_lines(DenseStream& stream, const py::array& lines, const Floats& deviation, Floats code) {
    const FrameView view = frame_view(lines);
    if (!stream.accepts(view))
        throw py::value_error("expected lines of the channels, width and dtype of those before, got " + text(lines));
    const Shape grid{extent(stream.rows_with(view.height)), extent(stream.cols())};
    need(deviation, grid, "deviation");
    need(code, {extent(stream.planes()), grid[0], grid[1]}, "code");
    const float* divisor = deviation.data();
    float* to = code.mutable_data();
    DenseStream::Outcome outcome;
    {
        const py::gil_scoped_release unlocked;
        outcome = stream.push(view, divisor, to, static_cast<std::size_t>(grid[0] * grid[1]));
    }
    if (outcome == DenseStream::Outcome::stopped) throw std::runtime_error("the encoding was terminated");
    return outcome == DenseStream::Outcome::done;
}

using Square = std::array<std::array<double, 2>, 2>;

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

std::vector<std::string> isas() {
    const char* names[8];
    const std::size_t count = available_isas(names, 8);
    return {names, names + count};
}

void choose_isa(const std::string& name) {
    if (use_isa(name.c_str())) return;
    std::string known;
    for (const std::string& isa : isas()) known += (known.empty() ? "" : ", ") + isa;
    throw py::value_error("expected an instruction set that this machine has (" + known + "), got " + name +
                          ": set SHIFTVAE_ISA to one of them or not at all");
}

void fill(Floats out, float value) {
    float* target = out.mutable_data();
    if (!(out.flags() & py::array::c_style) || reinterpret_cast<std::uintptr_t>(target) % 64 || out.size() % 16)
        throw py::value_error("expected a contiguous out of a multiple of 16 floats, aligned to 64 bytes, got " +
                              text(out));
    const std::size_t count = static_cast<std::size_t>(out.size());
    const py::gil_scoped_release unlocked;
    stream_fill(target, count, value);
}

std::size_t multiply(std::size_t steps) {
    const py::gil_scoped_release unlocked;
    return multiply_add(steps);
}

}  // namespace

PYBIND11_MODULE(_core, m) {
    m.doc() = "Kernels of shiftvae_rt.kernels.windows and shiftvae_rt.kernels.assembly.";
    m.def("extract_windows", &extract, py::arg("frame").noconvert(), py::arg("window"), py::arg("stride"),
          py::arg("normalisation"), py::arg("sd_floor"), py::arg("centre").noconvert(), py::arg("out").noconvert(),
          py::arg("threads"));
    m.def("extract_windows_at", &extract_at, py::arg("frame").noconvert(), py::arg("origins").noconvert(),
          py::arg("window"), py::arg("normalisation"), py::arg("sd_floor"), py::arg("out").noconvert(),
          py::arg("threads"));
    m.def("window_statistics", &statistics, py::arg("frame").noconvert(), py::arg("window"), py::arg("stride"),
          py::arg("centre").noconvert(), py::arg("mean").noconvert(), py::arg("sd").noconvert(), py::arg("threads"));
    m.def("convert_frame", &convert, py::arg("frame").noconvert(), py::arg("centre").noconvert(),
          py::arg("out").noconvert(), py::arg("threads"));
    m.def("difference_frame", &difference, py::arg("frame").noconvert(), py::arg("out").noconvert(),
          py::arg("threads"));
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
    py::class_<FilterBank>(m, "FilterBank", py::metaclass(plain))
        .def(py::init(&filter_bank_of), py::arg("filters").noconvert(), py::arg("stride"), py::arg("segment"))
        .def("apply", &apply_filters, py::arg("frame").noconvert(), py::arg("normalisation"), py::arg("sd_floor"),
             py::arg("centre").noconvert(), py::arg("out").noconvert());
    py::class_<DenseNetwork>(m, "DenseNetwork", py::metaclass(plain))
        .def(py::init(&dense_network_of), py::arg("stem"), py::arg("head"), py::arg("stride"))
        .def_property_readonly("channels", &DenseNetwork::channels)
        .def_property_readonly("window",
                               [](const DenseNetwork& n) { return Window(n.window_height(), n.window_width()); })
        .def_property_readonly("planes", &DenseNetwork::planes);
    py::class_<DenseStream>(m, "DenseStream", py::metaclass(plain))
        .def(py::init(&dense_stream_of), py::arg("network"), py::arg("width"), py::keep_alive<1, 2>())
        .def("push", &push_lines, py::arg("lines").noconvert(), py::arg("deviation").noconvert(),
             py::arg("code").noconvert())
        .def("stop", &DenseStream::stop);
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
    m.def("stream_fill", &fill, py::arg("out").noconvert(), py::arg("value"));
    m.def("multiply_add", &multiply, py::arg("steps"));
    m.def("isas", &isas);
    m.def("isa", [] { return std::string(isa()); });
    m.def("use_isa", &choose_isa, py::arg("name"));
    if (const char* wanted = std::getenv("SHIFTVAE_ISA")) choose_isa(wanted);
}
