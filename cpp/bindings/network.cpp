// What encodes windows: banks of filters, and dense networks.
#include "arrays.hpp"
#include "shiftvae/dense_network.hpp"
#include "shiftvae/filter_bank.hpp"

namespace shiftvae::bindings {
namespace {

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

}  // namespace

void bind_network(py::module_& m) {
    const py::handle plain(reinterpret_cast<PyObject*>(&PyType_Type));  // the metaclass that a stub can name
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
}

}  // namespace shiftvae::bindings
