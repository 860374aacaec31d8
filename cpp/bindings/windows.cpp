// Windows of frames, their statistics, and frames as the networks take them.
#include "arrays.hpp"
#include "shiftvae/convert_frame.hpp"

namespace shiftvae::bindings {
namespace {

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

}  // namespace

void bind_windows(py::module_& m) {
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
}

}  // namespace shiftvae::bindings
