// The few vector operations that the compiler does not generate by itself, for the instruction set of this compilation.
//
// Only for kernels.cpp: each compilation has its own namespace, and nothing from the standard library is called, so
// that the linker never puts code for one instruction set into the place of another's.
#pragma once

#include <cstddef>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#define SHIFTVAE_SSE2
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define SHIFTVAE_SSE2
#elif defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

namespace shiftvae {
namespace SHIFTVAE_ISA {

// Each vector type has
//   (x - high) * scale - low   for floats, three roundings on every instruction set
//   (x - mean) * scale         for doubles, rounded to float once
// and a store, and a stream past the caches to an address aligned to the vector.

#if defined(__AVX512F__)
struct Floats16 {
    static constexpr std::size_t lanes = 16;
    using Float = __m512;
    using Double = __m512d;
    static Float all(float x) { return _mm512_set1_ps(x); }
    static Double all(double x) { return _mm512_set1_pd(x); }
    static Float scaled(const float* x, Float high, Float scale, Float low) {
        return _mm512_sub_ps(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x), high), scale), low);
    }
    static __m256 half(const double* x, Double mean, Double scale) {
        return _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_sub_pd(_mm512_loadu_pd(x), mean), scale));
    }
    static Float scaled(const double* x, Double mean, Double scale) {
        const __m512d low = _mm512_castps_pd(_mm512_castps256_ps512(half(x, mean, scale)));
        return _mm512_castpd_ps(_mm512_insertf64x4(low, _mm256_castps_pd(half(x + 8, mean, scale)), 1));
    }
    static Float load(const float* x) { return _mm512_loadu_ps(x); }
    static void store(float* to, Float v) { _mm512_storeu_ps(to, v); }
    static void stream(float* to, Float v) { _mm512_stream_ps(to, v); }
};
#endif

#if defined(__AVX2__)
struct Floats8 {
    static constexpr std::size_t lanes = 8;
    using Float = __m256;
    using Double = __m256d;
    static Float all(float x) { return _mm256_set1_ps(x); }
    static Double all(double x) { return _mm256_set1_pd(x); }
    static Float scaled(const float* x, Float high, Float scale, Float low) {
        return _mm256_sub_ps(_mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x), high), scale), low);
    }
    static __m128 half(const double* x, Double mean, Double scale) {
        return _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_sub_pd(_mm256_loadu_pd(x), mean), scale));
    }
    static Float scaled(const double* x, Double mean, Double scale) {
        const __m256 low = _mm256_castps128_ps256(half(x, mean, scale));
        return _mm256_insertf128_ps(low, half(x + 4, mean, scale), 1);
    }
    static Float load(const float* x) { return _mm256_loadu_ps(x); }
    static void store(float* to, Float v) { _mm256_storeu_ps(to, v); }
    static void stream(float* to, Float v) { _mm256_stream_ps(to, v); }
};
#endif

#if defined(SHIFTVAE_SSE2)
struct Floats4 {
    static constexpr std::size_t lanes = 4;
    using Float = __m128;
    using Double = __m128d;
    static Float all(float x) { return _mm_set1_ps(x); }
    static Double all(double x) { return _mm_set1_pd(x); }
    static Float scaled(const float* x, Float high, Float scale, Float low) {
        return _mm_sub_ps(_mm_mul_ps(_mm_sub_ps(_mm_loadu_ps(x), high), scale), low);
    }
    static __m128 half(const double* x, Double mean, Double scale) {
        return _mm_cvtpd_ps(_mm_mul_pd(_mm_sub_pd(_mm_loadu_pd(x), mean), scale));
    }
    static Float scaled(const double* x, Double mean, Double scale) {
        return _mm_movelh_ps(half(x, mean, scale), half(x + 2, mean, scale));
    }
    static Float load(const float* x) { return _mm_loadu_ps(x); }
    static void store(float* to, Float v) { _mm_storeu_ps(to, v); }
    static void stream(float* to, Float v) { _mm_stream_ps(to, v); }
};
inline void end_stream() { _mm_sfence(); }
#elif defined(__aarch64__) || defined(_M_ARM64)
struct Floats4 {
    static constexpr std::size_t lanes = 4;
    using Float = float32x4_t;
    using Double = float64x2_t;
    static Float all(float x) { return vdupq_n_f32(x); }
    static Double all(double x) { return vdupq_n_f64(x); }
    static Float scaled(const float* x, Float high, Float scale, Float low) {
        return vsubq_f32(vmulq_f32(vsubq_f32(vld1q_f32(x), high), scale), low);
    }
    static float32x2_t half(const double* x, Double mean, Double scale) {
        return vcvt_f32_f64(vmulq_f64(vsubq_f64(vld1q_f64(x), mean), scale));
    }
    static Float scaled(const double* x, Double mean, Double scale) {
        return vcombine_f32(half(x, mean, scale), half(x + 2, mean, scale));
    }
    static Float load(const float* x) { return vld1q_f32(x); }
    static void store(float* to, Float v) { vst1q_f32(to, v); }
    static void stream(float* to, Float v) { vst1q_f32(to, v); }  // these cores detect streams by themselves
};
inline void end_stream() {}
#elif defined(__wasm_simd128__)
struct Floats4 {
    static constexpr std::size_t lanes = 4;
    using Float = v128_t;
    using Double = v128_t;
    static Float all(float x) { return wasm_f32x4_splat(x); }
    static Double all(double x) { return wasm_f64x2_splat(x); }
    static Float scaled(const float* x, Float high, Float scale, Float low) {
        return wasm_f32x4_sub(wasm_f32x4_mul(wasm_f32x4_sub(load(x), high), scale), low);
    }
    static v128_t half(const double* x, Double mean, Double scale) {
        return wasm_f32x4_demote_f64x2_zero(wasm_f64x2_mul(wasm_f64x2_sub(wasm_v128_load(x), mean), scale));
    }
    static Float scaled(const double* x, Double mean, Double scale) {
        return wasm_i64x2_shuffle(half(x, mean, scale), half(x + 2, mean, scale), 0, 2);
    }
    static Float load(const float* x) { return wasm_v128_load(x); }
    static void store(float* to, Float v) { wasm_v128_store(to, v); }
    static void stream(float* to, Float v) { wasm_v128_store(to, v); }
};
inline void end_stream() {}
#else
struct Floats1 {
    static constexpr std::size_t lanes = 1;
    using Float = float;
    using Double = double;
    static Float all(float x) { return x; }
    static Double all(double x) { return x; }
    static Float scaled(const float* x, Float high, Float scale, Float low) { return (*x - high) * scale - low; }
    static Float scaled(const double* x, Double mean, Double scale) { return static_cast<float>((*x - mean) * scale); }
    static Float load(const float* x) { return *x; }
    static void store(float* to, Float v) { *to = v; }
    static void stream(float* to, Float v) { *to = v; }
};
inline void end_stream() {}
#endif

#if defined(__AVX512F__)
using Widest = Floats16;
#elif defined(__AVX2__)
using Widest = Floats8;
#elif defined(SHIFTVAE_SSE2) || defined(__aarch64__) || defined(_M_ARM64) || defined(__wasm_simd128__)
using Widest = Floats4;
#else
using Widest = Floats1;
#endif

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
