// What encodes windows: banks of filters, and dense networks.
#include "arrays.hpp"

#include <algorithm>

#include "shiftvae/dense_rows.hpp"
#include "shiftvae/filter_bank.hpp"

namespace shiftvae::bindings {
namespace {

constexpr std::size_t most_px = std::size_t{1} << 24U;

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

using Powers = std::vector<std::vector<int>>;
using Turning = std::optional<std::pair<Powers, Powers>>;  // orders (n, k) and phases (k, k)

Turn turn_of(const Turning& powers) {
    Turn turn;
    if (!powers) return turn;
    turn.bases = powers->second.size();
    if (turn.bases == 0) throw py::value_error("expected phases of the turn");
    const auto flat = [&](const Powers& rows) {
        std::vector<int> out;
        for (const std::vector<int>& row : rows) {
            if (row.size() != turn.bases) throw py::value_error("expected a power of each base of the turn");
            out.insert(out.end(), row.begin(), row.end());
        }
        return out;
    };
    turn.orders = flat(powers->first);
    turn.phases = flat(powers->second);
    return turn;
}

DenseNetwork dense_network_of(const Layers& stem, bool relu, const Turning& turn, const Heads& head,
                              std::size_t stride) {
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
    return {convolutions, relu, turn_of(turn), linears, stride};
}

Intensity intensity_of(std::vector<float> channel_scale, std::size_t channels, float sd_floor) {
    if (channel_scale.size() != channels || !(sd_floor > 0))
        throw py::value_error("expected a scale for each of " + std::to_string(channels) +
                              " channel(s) and an sd_floor above 0, got " + std::to_string(channel_scale.size()) +
                              " and " + std::to_string(sd_floor));
    return {std::move(channel_scale), sd_floor};
}

std::unique_ptr<DenseModel> dense_model_of(const Layers& stem, bool relu, const Turning& turn, const Heads& head,
                                           std::size_t stride, const Readout& readout, std::vector<float> channel_scale,
                                           float sd_floor) {
    DenseNetwork network = dense_network_of(stem, relu, turn, head, stride);
    if (network.planes() != readout.planes())
        throw py::value_error("its network gives " + std::to_string(network.planes()) +
                              " planes, its readout expects " + std::to_string(readout.planes()));
    Intensity intensity = intensity_of(std::move(channel_scale), network.channels(), sd_floor);
    return std::unique_ptr<DenseModel>(new DenseModel{std::move(network), readout, std::move(intensity)});
}

std::unique_ptr<DenseRows> dense_rows_of(const DenseModel& model, std::size_t width, std::size_t step,
                                         const Doubles& centre) {
    const DenseNetwork& network = model.network;
    if (width < network.window_width() || width > most_px || step < 1 || step > most_px)
        throw py::value_error("expected lines of " + std::to_string(network.window_width()) + " to " +
                              std::to_string(most_px) + " px and a step of 1 or more, got " + std::to_string(width) +
                              " and " + std::to_string(step));
    need(centre, {extent(network.channels())}, "centre");
    return std::make_unique<DenseRows>(model, width, step,
                                       std::vector<double>(centre.data(), centre.data() + centre.size()));
}

// True if all differences are finite.
bool push_lines(DenseRows& stream, const py::array& lines, std::size_t top, Floats mean, Floats sd) {
    const FrameView view = frame_view(lines);
    if (!stream.accepts(view))
        throw py::value_error("expected lines of the channels, width and dtype of those before, got " + text(lines));
    const py::ssize_t rows = mean.ndim() == 3 ? mean.shape(1) : 0;
    need(mean, {extent(stream.latents()), std::max<py::ssize_t>(rows, 1), extent(stream.cols())}, "mean");
    need(sd, {mean.shape(0), rows, mean.shape(2)}, "sd");
    const std::size_t count = static_cast<std::size_t>(rows), end = stream.end_line(count);
    if (top > stream.first_line() || view.height != end - top)
        throw py::value_error("expected lines from line " + std::to_string(stream.first_line()) + " or before it to " +
                              std::to_string(end) + ", got " + std::to_string(view.height) + " from line " +
                              std::to_string(top));
    float *mean_data = mean.mutable_data(), *sd_data = sd.mutable_data();
    DenseStream::Outcome outcome;
    {
        const py::gil_scoped_release unlocked;
        outcome = stream.push(view, top, count, mean_data, sd_data, count * stream.cols());
    }
    if (outcome == DenseStream::Outcome::stopped) throw std::runtime_error("the encoding was terminated");
    return outcome == DenseStream::Outcome::done;
}

void deviations(const py::array& lines, Window window, std::size_t stride, const Doubles& centre,
                std::vector<float> channel_scale, float sd_floor, Floats out) {
    const FrameView view = frame_view(lines);
    const Grid grid = grid_of(view.height, view.width, window, stride);
    need(centre, {extent(view.channels)}, "centre");
    const Intensity intensity = intensity_of(std::move(channel_scale), view.channels, sd_floor);
    need(out, {extent(grid.rows()), extent(grid.cols())}, "out");
    const double* centre_data = centre.data();
    float* target = out.mutable_data();
    const py::gil_scoped_release unlocked;
    std::vector<float> scratch;
    window_deviations(view, grid, centre_data, intensity, scratch, target);
}

std::vector<double> centre_of(const py::array& lines, std::size_t window_height) {
    const FrameView view = frame_view(lines);
    if (window_height < 1 || window_height > view.height)
        throw py::value_error("expected a window of 1 to " + std::to_string(view.height) + " lines, got " +
                              std::to_string(window_height));
    const py::gil_scoped_release unlocked;
    return frame_centre(view, window_height);
}

}  // namespace

void bind_network(py::module_& m) {
    const py::handle plain(reinterpret_cast<PyObject*>(&PyType_Type));  // the metaclass that a stub can name
    py::class_<FilterBank>(m, "FilterBank", py::metaclass(plain))
        .def(py::init(&filter_bank_of), py::arg("filters").noconvert(), py::arg("stride"), py::arg("segment"))
        .def("apply", &apply_filters, py::arg("frame").noconvert(), py::arg("normalisation"), py::arg("sd_floor"),
             py::arg("centre").noconvert(), py::arg("out").noconvert());
    py::class_<DenseModel>(m, "DenseModel", py::metaclass(plain))
        .def(py::init(&dense_model_of), py::arg("stem"), py::arg("relu"), py::arg("turn"), py::arg("head"),
             py::arg("stride"), py::arg("readout"), py::arg("channel_scale"), py::arg("sd_floor"))
        .def_property_readonly("channels", [](const DenseModel& model) { return model.network.channels(); })
        .def_property_readonly("window", [](const DenseModel& model) {
            return Window(model.network.window_height(), model.network.window_width());
        });
    py::class_<DenseRows>(m, "DenseRows", py::metaclass(plain))
        .def(py::init(&dense_rows_of), py::arg("model"), py::arg("width"), py::arg("step"),
             py::arg("centre").noconvert(), py::keep_alive<1, 2>())
        .def_property_readonly("first_line", &DenseRows::first_line)
        .def_property_readonly("latents", &DenseRows::latents)
        .def_property_readonly("cols", &DenseRows::cols)
        .def("push", &push_lines, py::arg("lines").noconvert(), py::arg("top"), py::arg("mean").noconvert(),
             py::arg("sd").noconvert())
        .def("stop", &DenseRows::stop);
    m.def("window_deviations", &deviations, py::arg("lines").noconvert(), py::arg("window"), py::arg("stride"),
          py::arg("centre").noconvert(), py::arg("channel_scale"), py::arg("sd_floor"), py::arg("out").noconvert());
    m.def("frame_centre", &centre_of, py::arg("lines").noconvert(), py::arg("window_height"));
}

}  // namespace shiftvae::bindings
