// Arithmetic on the widest vectors of this compilation, with fused multiply-add if available. For kernels that the
// multiplier limits; all others leave vectors to the compiler. Only for kernels.cpp.
#pragma once

#include <cstddef>

#include "simd.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

template <class T>
struct Vector;

#define SHIFTVAE_VECTOR(Kind, Scalar, Register, count, set, get, put, plus, minus, multiply, divide, most, least) \
    template <>                                                                                                   \
    struct Vector<Kind> {                                                                                         \
        using Value = Register;                                                                                   \
        static constexpr std::size_t lanes = count;                                                               \
        static Value all(Scalar x) { return set(x); }                                                             \
        static Value load(const Scalar* from) { return get(from); }                                               \
        static void store(Scalar* to, Value x) { put(to, x); }                                                    \
        static Value sum(Value a, Value b) { return plus(a, b); }                                                 \
        static Value difference(Value a, Value b) { return minus(a, b); }                                         \
        static Value product(Value a, Value b) { return multiply(a, b); }                                         \
        static Value quotient(Value a, Value b) { return divide(a, b); }                                          \
        static Value larger(Value a, Value b) { return most(a, b); }                                              \
        static Value smaller(Value a, Value b) { return least(a, b); }                                            \
        static Value product_plus(Value a, Value b, Value c) { return SHIFTVAE_FUSED(a, b, c); }                  \
        static Value minus_product(Value c, Value a, Value b) { return SHIFTVAE_UNFUSED(c, a, b); }               \
    };

#if defined(__AVX512F__)
#define SHIFTVAE_FUSED(a, b, c) fused(a, b, c)
#define SHIFTVAE_UNFUSED(c, a, b) fused_negative(a, b, c)
inline __m512 fused(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
inline __m512d fused(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
inline __m512 fused_negative(__m512 a, __m512 b, __m512 c) { return _mm512_fnmadd_ps(a, b, c); }
inline __m512d fused_negative(__m512d a, __m512d b, __m512d c) { return _mm512_fnmadd_pd(a, b, c); }
SHIFTVAE_VECTOR(float, float, __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps,
                _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps, _mm512_max_ps, _mm512_min_ps)
SHIFTVAE_VECTOR(double, double, __m512d, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd,
                _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_max_pd, _mm512_min_pd)
struct EightFloats;
inline __m256 fused(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
inline __m256 fused_negative(__m256 a, __m256 b, __m256 c) { return _mm256_fnmadd_ps(a, b, c); }
SHIFTVAE_VECTOR(EightFloats, float, __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps,
                _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_max_ps, _mm256_min_ps)
constexpr std::size_t vector_registers = 32;
#elif defined(__AVX2__)
#define SHIFTVAE_FUSED(a, b, c) fused(a, b, c)
#define SHIFTVAE_UNFUSED(c, a, b) fused_negative(a, b, c)
inline __m256 fused(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
inline __m256d fused(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
inline __m256 fused_negative(__m256 a, __m256 b, __m256 c) { return _mm256_fnmadd_ps(a, b, c); }
inline __m256d fused_negative(__m256d a, __m256d b, __m256d c) { return _mm256_fnmadd_pd(a, b, c); }
SHIFTVAE_VECTOR(float, float, __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps,
                _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_max_ps, _mm256_min_ps)
SHIFTVAE_VECTOR(double, double, __m256d, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd,
                _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd, _mm256_max_pd, _mm256_min_pd)
constexpr std::size_t vector_registers = 16;
#elif defined(SHIFTVAE_SSE2)
#define SHIFTVAE_FUSED(a, b, c) sum(product(a, b), c)
#define SHIFTVAE_UNFUSED(c, a, b) difference(c, product(a, b))
SHIFTVAE_VECTOR(float, float, __m128, 4, _mm_set1_ps, _mm_loadu_ps, _mm_storeu_ps, _mm_add_ps, _mm_sub_ps, _mm_mul_ps,
                _mm_div_ps, _mm_max_ps, _mm_min_ps)
SHIFTVAE_VECTOR(double, double, __m128d, 2, _mm_set1_pd, _mm_loadu_pd, _mm_storeu_pd, _mm_add_pd, _mm_sub_pd,
                _mm_mul_pd, _mm_div_pd, _mm_max_pd, _mm_min_pd)
constexpr std::size_t vector_registers = 16;
#elif defined(__aarch64__) || defined(_M_ARM64)
#define SHIFTVAE_FUSED(a, b, c) fused(c, a, b)
#define SHIFTVAE_UNFUSED(c, a, b) fused_negative(c, a, b)
inline float32x4_t fused(float32x4_t c, float32x4_t a, float32x4_t b) { return vfmaq_f32(c, a, b); }
inline float64x2_t fused(float64x2_t c, float64x2_t a, float64x2_t b) { return vfmaq_f64(c, a, b); }
inline float32x4_t fused_negative(float32x4_t c, float32x4_t a, float32x4_t b) { return vfmsq_f32(c, a, b); }
inline float64x2_t fused_negative(float64x2_t c, float64x2_t a, float64x2_t b) { return vfmsq_f64(c, a, b); }
SHIFTVAE_VECTOR(float, float, float32x4_t, 4, vdupq_n_f32, vld1q_f32, vst1q_f32, vaddq_f32, vsubq_f32, vmulq_f32,
                vdivq_f32, vmaxq_f32, vminq_f32)
SHIFTVAE_VECTOR(double, double, float64x2_t, 2, vdupq_n_f64, vld1q_f64, vst1q_f64, vaddq_f64, vsubq_f64, vmulq_f64,
                vdivq_f64, vmaxq_f64, vminq_f64)
constexpr std::size_t vector_registers = 32;
#elif defined(__wasm_simd128__)
#define SHIFTVAE_FUSED(a, b, c) sum(product(a, b), c)
#define SHIFTVAE_UNFUSED(c, a, b) difference(c, product(a, b))
// The larger and the smaller of two in one instruction of x86, with its order of the arguments.
inline v128_t larger_floats(v128_t a, v128_t b) { return wasm_f32x4_pmax(b, a); }
inline v128_t smaller_floats(v128_t a, v128_t b) { return wasm_f32x4_pmin(b, a); }
inline v128_t larger_doubles(v128_t a, v128_t b) { return wasm_f64x2_pmax(b, a); }
inline v128_t smaller_doubles(v128_t a, v128_t b) { return wasm_f64x2_pmin(b, a); }
SHIFTVAE_VECTOR(float, float, v128_t, 4, wasm_f32x4_splat, wasm_v128_load, wasm_v128_store, wasm_f32x4_add,
                wasm_f32x4_sub, wasm_f32x4_mul, wasm_f32x4_div, larger_floats, smaller_floats)
SHIFTVAE_VECTOR(double, double, v128_t, 2, wasm_f64x2_splat, wasm_v128_load, wasm_v128_store, wasm_f64x2_add,
                wasm_f64x2_sub, wasm_f64x2_mul, wasm_f64x2_div, larger_doubles, smaller_doubles)
constexpr std::size_t vector_registers = 16;  // of x86, where most browsers run
#else
template <class T>
struct Vector {
    using Value = T;
    static constexpr std::size_t lanes = 1;
    static T all(T x) { return x; }
    static T load(const T* from) { return *from; }
    static void store(T* to, T x) { *to = x; }
    static T sum(T a, T b) { return a + b; }
    static T difference(T a, T b) { return a - b; }
    static T product(T a, T b) { return a * b; }
    static T quotient(T a, T b) { return a / b; }
    static T larger(T a, T b) { return a > b ? a : b; }
    static T smaller(T a, T b) { return a < b ? a : b; }
    static T product_plus(T a, T b, T c) { return a * b + c; }
    static T minus_product(T c, T a, T b) { return c - a * b; }
};
constexpr std::size_t vector_registers = 16;
#endif

#if !defined(__AVX512F__)
using EightFloats = float;  // all vectors have eight floats or fewer
#endif

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
