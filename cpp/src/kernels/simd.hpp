// The few vector operations that the compiler does not find by itself, for the instruction set of this compilation.
//
// Only for kernels.cpp: each compilation has its own namespace, and nothing from the standard library is called, so
// that the linker never puts code for one instruction set into the place of another's.
#pragma once

#include <cstddef>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define SHIFTVAE_SSE2
#elif defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#define SHIFTVAE_NEON
#endif

namespace shiftvae {
namespace SHIFTVAE_ISA {

#if defined(__AVX512F__)

constexpr std::size_t lanes = 16;
using Vector = __m512;
using Doubles = __m512d;
inline Vector all(float x) { return _mm512_set1_ps(x); }
inline Doubles all_doubles(double x) { return _mm512_set1_pd(x); }
// (x - high) * scale - low, three roundings on every instruction set
inline Vector normalised(const float* x, Vector high, Vector scale, Vector low) {
    return _mm512_sub_ps(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x), high), scale), low);
}
inline __m256 normalised_half(const double* x, Doubles mean, Doubles scale) {
    return _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_sub_pd(_mm512_loadu_pd(x), mean), scale));
}
inline Vector normalised(const double* x, Doubles mean, Doubles scale) {
    const __m512d low = _mm512_castps_pd(_mm512_castps256_ps512(normalised_half(x, mean, scale)));
    return _mm512_castpd_ps(_mm512_insertf64x4(low, _mm256_castps_pd(normalised_half(x + 8, mean, scale)), 1));
}
inline void store(float* to, Vector v) { _mm512_storeu_ps(to, v); }
inline void stream_line(float* to, const float* from) { _mm512_stream_ps(to, _mm512_load_ps(from)); }
inline void end_stream() { _mm_sfence(); }

#elif defined(__AVX2__)

constexpr std::size_t lanes = 8;
using Vector = __m256;
using Doubles = __m256d;
inline Vector all(float x) { return _mm256_set1_ps(x); }
inline Doubles all_doubles(double x) { return _mm256_set1_pd(x); }
inline Vector normalised(const float* x, Vector high, Vector scale, Vector low) {
    return _mm256_sub_ps(_mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x), high), scale), low);
}
inline __m128 normalised_half(const double* x, Doubles mean, Doubles scale) {
    return _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_sub_pd(_mm256_loadu_pd(x), mean), scale));
}
inline Vector normalised(const double* x, Doubles mean, Doubles scale) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(normalised_half(x, mean, scale)),
                                normalised_half(x + 4, mean, scale), 1);
}
inline void store(float* to, Vector v) { _mm256_storeu_ps(to, v); }
inline void stream_line(float* to, const float* from) {
    _mm256_stream_ps(to, _mm256_load_ps(from));
    _mm256_stream_ps(to + 8, _mm256_load_ps(from + 8));
}
inline void end_stream() { _mm_sfence(); }

#elif defined(SHIFTVAE_SSE2)

constexpr std::size_t lanes = 4;
using Vector = __m128;
using Doubles = __m128d;
inline Vector all(float x) { return _mm_set1_ps(x); }
inline Doubles all_doubles(double x) { return _mm_set1_pd(x); }
inline Vector normalised(const float* x, Vector high, Vector scale, Vector low) {
    return _mm_sub_ps(_mm_mul_ps(_mm_sub_ps(_mm_loadu_ps(x), high), scale), low);
}
inline __m128 normalised_half(const double* x, Doubles mean, Doubles scale) {
    return _mm_cvtpd_ps(_mm_mul_pd(_mm_sub_pd(_mm_loadu_pd(x), mean), scale));
}
inline Vector normalised(const double* x, Doubles mean, Doubles scale) {
    return _mm_movelh_ps(normalised_half(x, mean, scale), normalised_half(x + 2, mean, scale));
}
inline void store(float* to, Vector v) { _mm_storeu_ps(to, v); }
inline void stream_line(float* to, const float* from) {
    for (int i = 0; i < 16; i += 4) _mm_stream_ps(to + i, _mm_load_ps(from + i));
}
inline void end_stream() { _mm_sfence(); }

#elif defined(SHIFTVAE_NEON)

constexpr std::size_t lanes = 4;
using Vector = float32x4_t;
using Doubles = float64x2_t;
inline Vector all(float x) { return vdupq_n_f32(x); }
inline Doubles all_doubles(double x) { return vdupq_n_f64(x); }
inline Vector normalised(const float* x, Vector high, Vector scale, Vector low) {
    return vsubq_f32(vmulq_f32(vsubq_f32(vld1q_f32(x), high), scale), low);
}
inline float32x2_t normalised_half(const double* x, Doubles mean, Doubles scale) {
    return vcvt_f32_f64(vmulq_f64(vsubq_f64(vld1q_f64(x), mean), scale));
}
inline Vector normalised(const double* x, Doubles mean, Doubles scale) {
    return vcombine_f32(normalised_half(x, mean, scale), normalised_half(x + 2, mean, scale));
}
inline void store(float* to, Vector v) { vst1q_f32(to, v); }
inline void stream_line(float* to, const float* from) {
    for (int i = 0; i < 16; i += 4) vst1q_f32(to + i, vld1q_f32(from + i));
}
inline void end_stream() {}

#else

constexpr std::size_t lanes = 1;
using Vector = float;
using Doubles = double;
inline Vector all(float x) { return x; }
inline Doubles all_doubles(double x) { return x; }
inline Vector normalised(const float* x, Vector high, Vector scale, Vector low) { return (*x - high) * scale - low; }
inline Vector normalised(const double* x, Doubles mean, Doubles scale) {
    return static_cast<float>((*x - mean) * scale);
}
inline void store(float* to, Vector v) { *to = v; }
inline void stream_line(float* to, const float* from) {
    for (int i = 0; i < 16; ++i) to[i] = from[i];
}
inline void end_stream() {}

#endif

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
