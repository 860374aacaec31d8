// What the files of bindings/ share: arrays of NumPy, checked for what memory safety needs.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shiftvae/windows.hpp"

namespace shiftvae::bindings {

namespace py = pybind11;

using Floats = py::array_t<float, 0>;
using Doubles = py::array_t<double, 0>;
using Origins = py::array_t<std::int64_t, 0>;
using Shape = std::vector<py::ssize_t>;
using Window = std::pair<std::size_t, std::size_t>;

constexpr unsigned most_threads = 256;

inline std::string text(const py::array& array) {
    std::string s = "(";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) s += (i ? ", " : "") + std::to_string(array.shape(i));
    return s + ") " + py::str(array.dtype()).cast<std::string>();
}

inline std::string text(const Shape& shape) {
    std::string s = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
    return s + ")";
}

inline PixelType pixel_type(const py::array& a) {
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

inline FrameView frame_view(const py::array& a) {
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

inline Grid grid_of(std::size_t height, std::size_t width, Window window, std::size_t stride) {
    if (window.first < 1 || window.second < 1 || stride < 1 || window.first > height || window.second > width)
        throw py::value_error("expected a window of 1 x 1 to " + std::to_string(height) + " x " +
                              std::to_string(width) + " px and a stride of at least 1, got " +
                              std::to_string(window.first) + " x " + std::to_string(window.second) + " and " +
                              std::to_string(stride));
    return {height, width, window.first, window.second, stride};
}

inline Scaling scaling_of(const std::string& name, double sd_floor) {
    if (!(sd_floor >= 0)) throw py::value_error("expected sd_floor >= 0, got " + std::to_string(sd_floor));
    if (name == "none") return {Normalisation::none, sd_floor};
    if (name == "zscore") return {Normalisation::zscore, sd_floor};
    if (name == "minmax") return {Normalisation::minmax, sd_floor};
    throw py::value_error("expected normalisation none, zscore or minmax, got " + name);
}

inline unsigned checked(unsigned threads) {
    if (threads < 1 || threads > most_threads)
        throw py::value_error("expected 1 to 256 threads, got " + std::to_string(threads));
    return threads;
}

inline py::ssize_t extent(std::size_t n) { return static_cast<py::ssize_t>(n); }

inline const double* optional_centre(const std::optional<Doubles>& centre, const FrameView& view) {
    if (!centre) return nullptr;
    need(*centre, {extent(view.channels)}, "centre");
    return centre->data();
}

using Square = std::array<std::array<double, 2>, 2>;

void bind_windows(py::module_& m);
void bind_network(py::module_& m);
void bind_latents(py::module_& m);
void bind_maps(py::module_& m);

}  // namespace shiftvae::bindings
