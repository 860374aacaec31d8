// The compiled module shiftvae_rt._core. It checks what memory safety needs, releases the GIL and calls. The messages
// for users are in shiftvae_rt/kernels; outputs are allocated there too.
#include "arrays.hpp"

#include <cstdlib>

#include "shiftvae/isa.hpp"

namespace shiftvae::bindings {
namespace {

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
    m.doc() = "Kernels of shiftvae_rt.kernels.";
    bind_windows(m);
    bind_latents(m);
    bind_network(m);
    bind_maps(m);
    m.def("stream_fill", &fill, py::arg("out").noconvert(), py::arg("value"));
    m.def("multiply_add", &multiply, py::arg("steps"));
    m.def("isas", &isas);
    m.def("isa", [] { return std::string(isa()); });
    m.def("use_isa", &choose_isa, py::arg("name"));
    if (const char* wanted = std::getenv("SHIFTVAE_ISA")) choose_isa(wanted);
}

}  // namespace shiftvae::bindings
