#include <atomic>
#include <cstdint>
#include <cstring>

#include "kernels.hpp"
#include "shiftvae/isa.hpp"

#if defined(_MSC_VER) && defined(SHIFTVAE_X86)
#include <intrin.h>
#endif

namespace shiftvae {

#define SHIFTVAE_TABLE(isa)     \
    namespace isa {             \
    extern const Kernels table; \
    }
SHIFTVAE_EACH_ISA(SHIFTVAE_TABLE)
#undef SHIFTVAE_TABLE

namespace {

#define SHIFTVAE_PLACE(isa) &isa::table,
constexpr const Kernels* tables[] = {SHIFTVAE_EACH_ISA(SHIFTVAE_PLACE)};
#undef SHIFTVAE_PLACE

// Number of the tables that this machine runs.
std::size_t count_runnable() noexcept {
#if defined(SHIFTVAE_X86)
#if defined(_MSC_VER)
    int leaf1[4], leaf7[4];
    __cpuid(leaf1, 1);
    __cpuidex(leaf7, 7, 0);
    const bool saved = leaf1[2] >> 27 & 1;  // the system saves the registers that XCR0 names
    const unsigned long long state = saved ? _xgetbv(0) : 0;
    const bool has_avx2 = (state & 0x6) == 0x6 && leaf7[1] >> 5 & 1 && leaf1[2] >> 12 & 1;  // with FMA
    const int needed = 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31;                               // F, DQ, BW, VL
    const bool has_avx512 = has_avx2 && (state & 0xe0) == 0xe0 && (leaf7[1] & needed) == needed;
#else
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    return has_avx512 ? 3 : has_avx2 ? 2 : 1;
#else
    return 1;
#endif
}

std::size_t runnable() noexcept {
    static const std::size_t count = count_runnable();
    return count;
}

constexpr std::size_t none = SIZE_MAX;
std::atomic<std::size_t> chosen{none};

}  // namespace

std::size_t chosen_isa() noexcept {
    const std::size_t one = chosen.load(std::memory_order_relaxed);
    return one == none ? runnable() - 1 : one;
}

const Kernels& kernels() noexcept { return *tables[chosen_isa()]; }

const char* isa() noexcept { return kernels().name; }

std::size_t available_isas(const char** names, std::size_t room) noexcept {
    std::size_t written = 0;
    for (; written < runnable() && written < room; ++written) names[written] = tables[written]->name;
    return written;
}

bool use_isa(const char* name) noexcept {
    for (std::size_t i = 0; i < runnable(); ++i)
        if (std::strcmp(tables[i]->name, name) == 0) {
            chosen.store(i, std::memory_order_relaxed);
            return true;
        }
    return false;
}

}  // namespace shiftvae
