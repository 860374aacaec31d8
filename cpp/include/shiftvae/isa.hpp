// The instruction sets that this machine runs.
#pragma once

#include <cstddef>

namespace shiftvae {

// Names, slowest first, and how many were written.
std::size_t available_isas(const char** names, std::size_t room) noexcept;

// The one in use: the fastest, or that of use_isa.
const char* isa() noexcept;

// For tests and fault finding. False if this machine does not run `name`. Calls under way keep theirs.
bool use_isa(const char* name) noexcept;

// Fills an output past the caches, as large results are written: the yardstick of the benchmarks. `out` is aligned to
// 64 bytes and `count` a multiple of 16.
void stream_fill(float* out, std::size_t count, float value) noexcept;

// Keeps the multiplier of one core busy for `steps` steps: the number of floating-point operations that it did, two for
// each multiply-add. The yardstick of the benchmarks.
std::size_t multiply_add(std::size_t steps) noexcept;

}  // namespace shiftvae
