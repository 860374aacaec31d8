// The limits of memory and multiplier of this machine: the yardsticks of the benchmarks. Only for kernels.cpp.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"
#include "vectors.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

inline void stream_fill(float* out, std::size_t count, float value) noexcept {
    const Widest::Float all = Widest::all(value);
    for (std::size_t at = 0; at < count; at += Widest::lanes) Widest::stream(out + at, all);
    end_stream();
}

// Independent chains of multiply-adds: more than any processor has in flight, and all in registers. They are in groups,
// because compilers unroll two short loops and not one long one. Each begins at a different value, or they would be
// computed once.
constexpr std::size_t chains = 12, chain_groups = vector_registers == 32 ? 2 : 1;
static_assert(chain_groups * chains <= most_chains, "multiply_add has room for as many");

inline std::size_t multiply_add(std::size_t steps, float* sums) noexcept {
    using V = Vector<float>;
    const auto factor = V::all(0.999999f), term = V::all(1e-6f);
    typename V::Value sum[chain_groups][chains];
    for (std::size_t g = 0; g < chain_groups; ++g)
        for (std::size_t c = 0; c < chains; ++c) sum[g][c] = V::all(1e-6f * static_cast<float>(g * chains + c));
    for (std::size_t step = 0; step < steps; ++step)
        for (std::size_t g = 0; g < chain_groups; ++g)
            for (std::size_t c = 0; c < chains; ++c) sum[g][c] = V::product_plus(sum[g][c], factor, term);
    for (std::size_t g = 0; g < chain_groups; ++g)
        for (std::size_t c = 0; c < chains; ++c) V::store(sums + (g * chains + c) * V::lanes, sum[g][c]);
    return 2 * V::lanes * chain_groups * chains * steps;
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
