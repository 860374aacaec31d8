#include <atomic>
#include <cstring>

#include "kernels.hpp"
#include "shiftvae/isa.hpp"

#if defined(_MSC_VER) && defined(SHIFTVAE_X86)
#include <intrin.h>
#endif

namespace shiftvae {

#if defined(SHIFTVAE_X86)
namespace sse2 {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#elif defined(SHIFTVAE_ARM)
namespace neon {
extern const Kernels table;
}
#elif defined(SHIFTVAE_WASM)
namespace simd128 {
extern const Kernels table;
}
#else
namespace plain {
extern const Kernels table;
}
#endif

namespace {

struct Choices {
    const Kernels* tables[3] = {};
    std::size_t count = 0;

    Choices() noexcept {
#if defined(SHIFTVAE_X86)
        tables[count++] = &sse2::table;
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
        if (has_avx2) tables[count++] = &avx2::table;
        if (has_avx512) tables[count++] = &avx512::table;
#elif defined(SHIFTVAE_ARM)
        tables[count++] = &neon::table;
#elif defined(SHIFTVAE_WASM)
        tables[count++] = &simd128::table;
#else
        tables[count++] = &plain::table;
#endif
    }
};

const Choices& choices() noexcept {
    static const Choices found;
    return found;
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& kernels() noexcept {
    const Kernels* table = chosen.load(std::memory_order_relaxed);
    return table ? *table : *choices().tables[choices().count - 1];
}

const char* isa() noexcept { return kernels().name; }

std::size_t available_isas(const char** names, std::size_t room) noexcept {
    std::size_t written = 0;
    for (; written < choices().count && written < room; ++written) names[written] = choices().tables[written]->name;
    return written;
}

void stream_fill(float* out, std::size_t count, float value) noexcept { kernels().stream_fill(out, count, value); }

std::size_t multiply_add(std::size_t steps) noexcept {
    float sums[most_chains * longest_vector];
    return kernels().multiply_add(steps, sums);
}

bool use_isa(const char* name) noexcept {
    for (std::size_t i = 0; i < choices().count; ++i)
        if (std::strcmp(choices().tables[i]->name, name) == 0) {
            chosen.store(choices().tables[i], std::memory_order_relaxed);
            return true;
        }
    return false;
}

}  // namespace shiftvae
