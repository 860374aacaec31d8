// The instruction sets that this machine supports.
#pragma once

#include <cstddef>

namespace shiftvae {

// Writes their names, slowest first, and returns their number.
std::size_t available_isas(const char** names, std::size_t room) noexcept;

// The instruction set in use: the fastest, or that of use_isa.
const char* isa() noexcept;

// Chooses one, for tests and fault finding; false if this machine does not support it. Running calls keep theirs.
bool use_isa(const char* name) noexcept;

// Fills an output past the caches, as large results are written. A yardstick of the benchmarks. `out` is aligned to 64
// bytes and `count` a multiple of 16.
void stream_fill(float* out, std::size_t count, float value) noexcept;

// Keeps the multiplier of one core busy for `steps` steps and returns the number of floating-point operations, two for
// each multiply-add. A yardstick of the benchmarks.
std::size_t multiply_add(std::size_t steps) noexcept;

}  // namespace shiftvae
