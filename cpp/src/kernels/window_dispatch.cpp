#include "kernels.hpp"
#include "shiftvae/isa.hpp"

namespace shiftvae {

#define SHIFTVAE_TABLE(isa)                  \
    namespace isa {                          \
    extern const WindowKernels window_table; \
    }
SHIFTVAE_EACH_ISA(SHIFTVAE_TABLE)
#undef SHIFTVAE_TABLE

const WindowKernels& window_kernels() noexcept {
#define SHIFTVAE_PLACE(isa) &isa::window_table,
    static const WindowKernels* const tables[] = {SHIFTVAE_EACH_ISA(SHIFTVAE_PLACE)};
#undef SHIFTVAE_PLACE
    return *tables[chosen_isa()];
}

void stream_fill(float* out, std::size_t count, float value) noexcept {
    window_kernels().stream_fill(out, count, value);
}

std::size_t multiply_add(std::size_t steps) noexcept {
    float sums[most_chains * longest_vector];
    return window_kernels().multiply_add(steps, sums);
}

}  // namespace shiftvae
