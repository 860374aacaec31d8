// Convolution along lines by their spectra, for 16 complex numbers at a time: two filters each, one in the real and
// one in the imaginary part. Only for kernels.cpp.
#pragma once

#include "lines.hpp"
#include "vectors.hpp"

namespace shiftvae {
namespace SHIFTVAE_ISA {

template <class T>
struct Complex {
    typename Vector<T>::Value re, im;

    static Complex load(const T* from) { return {Vector<T>::load(from), Vector<T>::load(from + spectrum_lanes)}; }
    void store(T* to) const {
        Vector<T>::store(to, re);
        Vector<T>::store(to + spectrum_lanes, im);
    }
    Complex operator+(Complex b) const { return {Vector<T>::sum(re, b.re), Vector<T>::sum(im, b.im)}; }
    Complex operator-(Complex b) const { return {Vector<T>::difference(re, b.re), Vector<T>::difference(im, b.im)}; }
    Complex times_i() const { return {Vector<T>::difference(Vector<T>::all(0), im), re}; }
    Complex times(const T* factor) const {
        const auto c = Vector<T>::all(factor[0]), s = Vector<T>::all(factor[1]);
        return {Vector<T>::minus_product(Vector<T>::product(re, c), im, s),
                Vector<T>::product_plus(re, s, Vector<T>::product(im, c))};
    }
};

// Four parts that lie `step` apart: a transform of 4 m values from four of m.
template <class T>
inline void join_four(T* at, std::size_t step, Complex<T> a, Complex<T> b, Complex<T> c, Complex<T> d) {
    const Complex<T> sum = a + b, gap = a - b, far_sum = c + d, far_gap = (c - d).times_i();
    (sum + far_sum).store(at);
    (gap + far_gap).store(at + step);
    (sum - far_sum).store(at + 2 * step);
    (gap - far_gap).store(at + 3 * step);
}

template <class T>
void transform(T* values, std::size_t size, const T* factors) noexcept {
    constexpr std::size_t one = 2 * spectrum_lanes;
    std::size_t log = 0;
    while (std::size_t{1} << log < size) ++log;
    for (std::size_t lane = 0; lane < spectrum_lanes; lane += Vector<T>::lanes) {
        T* own = values + lane;
        const T* factor = factors;
        std::size_t m = 1;
        if (log % 2) {
            for (std::size_t i = 0; i < size; i += 2) {
                const Complex<T> a = Complex<T>::load(own + i * one), b = Complex<T>::load(own + (i + 1) * one);
                (a + b).store(own + i * one);
                (a - b).store(own + (i + 1) * one);
            }
            m = 2;
        }
        for (; m < size; m *= 4) {
            const std::size_t step = m * one;
            for (std::size_t j = 0; j < m; ++j, factor += 6)
                for (std::size_t i = j; i < size; i += 4 * m) {
                    T* at = own + i * one;
                    const Complex<T> a = Complex<T>::load(at), b = Complex<T>::load(at + step),
                                     c = Complex<T>::load(at + 2 * step), d = Complex<T>::load(at + 3 * step);
                    if (j == 0)
                        join_four(at, step, a, b, c, d);
                    else
                        join_four(at, step, a, b.times(factor), c.times(factor + 2), d.times(factor + 4));
                }
        }
    }
}

template <class T>
double spread_line(const void* line, std::size_t width, const std::uint32_t* SHIFTVAE_RESTRICT order, std::size_t size,
                   double* SHIFTVAE_RESTRICT values) noexcept {
    const T* SHIFTVAE_RESTRICT pixels = static_cast<const T*>(line);
    const double first = static_cast<double>(pixels[0]), last = static_cast<double>(pixels[width - 1]) - first;
    for (std::size_t x = 0; x < width; ++x) values[order[x]] = static_cast<double>(pixels[x]) - first;
    for (std::size_t x = width; x < size; ++x) values[order[x]] = last;
    return first;
}

template <class T>
void pack_spectra(const double* SHIFTVAE_RESTRICT values, std::size_t size, std::size_t lines, std::size_t step,
                  std::size_t imaginary, T* SHIFTVAE_RESTRICT out, double* SHIFTVAE_RESTRICT mean,
                  double* SHIFTVAE_RESTRICT variance) noexcept {
    constexpr std::size_t n = spectrum_lanes;
    const double share = 1 / static_cast<double>(size);
    double power[n] = {}, first[n];
    for (std::size_t i = 0; i < n; ++i) first[i] = values[i];
    for (std::size_t k = 0; k < size; ++k, values += 2 * n, out += step) {
        T re[n], im[n];
        for (std::size_t i = 0; i < n; ++i) re[i] = static_cast<T>(k ? values[i] : 0);
        for (std::size_t i = 0; i < n; ++i) im[i] = static_cast<T>(k ? -values[n + i] : 0);
        for (std::size_t i = 0; i < n; ++i) power[i] += values[i] * values[i] + values[n + i] * values[n + i];
        if (lines == n) {
            for (std::size_t i = 0; i < n; ++i) out[i] = re[i];
            for (std::size_t i = 0; i < n; ++i) out[imaginary + i] = im[i];
        } else {
            for (std::size_t i = 0; i < lines; ++i) out[i] = re[i];
            for (std::size_t i = 0; i < lines; ++i) out[imaginary + i] = im[i];
        }
    }
    for (std::size_t i = 0; i < n; ++i) mean[i] = first[i] * share;
    for (std::size_t i = 0; i < n; ++i) variance[i] = (power[i] - first[i] * first[i]) * share * share;
}

template <class T, std::size_t rows>
inline void multiply_rows(const T* spectrum, const SpectrumBlocks& blocks, const T* weights, T* out,
                          std::size_t pitch) {
    using V = Vector<T>;
    for (std::size_t lane = 0; lane < spectrum_lanes; lane += V::lanes) {
        typename V::Value re[rows], im[rows];
        for (std::size_t r = 0; r < rows; ++r) re[r] = im[r] = V::all(0);
        const T* weight = weights + lane;
        for (std::size_t alias = 0; alias < blocks.aliases; ++alias)
            for (std::size_t channel = 0; channel < blocks.channels; ++channel)
                for (std::size_t phase = 0; phase < blocks.stride; ++phase) {
                    const T* real = spectrum + alias * blocks.alias_step + channel * blocks.channel_step +
                                    phase * blocks.phase_step;
                    const T* imaginary = real + blocks.imaginary_step;
                    for (std::size_t line = phase; line < blocks.height; line += blocks.stride) {
                        const auto w_re = V::load(weight), w_im = V::load(weight + spectrum_lanes);
                        for (std::size_t r = 0; r < rows; ++r) {
                            const auto x_re = V::all(real[r]), x_im = V::all(imaginary[r]);
                            re[r] = V::product_plus(x_re, w_re, re[r]);
                            im[r] = V::product_plus(x_re, w_im, im[r]);
                            re[r] = V::minus_product(re[r], x_im, w_im);
                            im[r] = V::product_plus(x_im, w_re, im[r]);
                        }
                        weight += 2 * spectrum_lanes;
                        ++real;
                        ++imaginary;
                    }
                }
        for (std::size_t r = 0; r < rows; ++r) Complex<T>{re[r], im[r]}.store(out + r * pitch + lane);
    }
}

// `rows` is at most `most`, a constant for the compiler: the sums of all of them stay in registers.
template <class T, std::size_t most>
inline void multiply_some(const T* spectrum, const SpectrumBlocks& blocks, const T* weights, std::size_t rows, T* out,
                          std::size_t pitch) {
    if constexpr (most > 1) {
        if (rows < most) return multiply_some<T, most - 1>(spectrum, blocks, weights, rows, out, pitch);
    }
    multiply_rows<T, most>(spectrum, blocks, weights, out, pitch);
}

template <class T>
void multiply_spectra(const T* spectrum, const SpectrumBlocks& blocks, const T* weights, std::size_t rows, T* out,
                      std::size_t pitch) noexcept {
    constexpr std::size_t most = vector_registers == 32 ? 12 : 6;
    const std::size_t groups = (rows + most - 1) / most;
    for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t first = rows * g / groups, last = rows * (g + 1) / groups;
        multiply_some<T, most>(spectrum + first, blocks, weights, last - first, out + first * pitch, pitch);
    }
}

template <class T>
void scale_products(const T* values, std::size_t count, const SpectrumScaling& scaling, std::size_t units, float* out,
                    std::size_t pitch) noexcept {
    constexpr std::size_t block_units = 2 * spectrum_lanes;
    double total[block_units] = {};
    for (std::size_t c = 0; c < scaling.channels; ++c)
        for (std::size_t y = 0; y < scaling.height; ++y) {
            const double mean = scaling.line_mean[c * scaling.line_pitch + y] - scaling.level[c];
            const double* line = scaling.line_sums + (c * scaling.height + y) * scaling.unit_pitch;
            for (std::size_t u = 0; u < block_units; ++u) total[u] += mean * line[u];
        }
    T base[block_units];
    for (std::size_t u = 0; u < block_units; ++u) base[u] = static_cast<T>(total[u]);
    for (std::size_t i = 0; i < count; ++i) {
        T sum[block_units];
        for (std::size_t u = 0; u < block_units; ++u) sum[u] = values[i * block_units + u] + base[u];
        for (std::size_t c = 0; c < (scaling.sums ? scaling.channels : 0); ++c) {
            const T offset = static_cast<T>(scaling.level[c] - scaling.mean[c * scaling.window_pitch + i]);
            const double* weight = scaling.sums + c * scaling.unit_pitch;
            for (std::size_t u = 0; u < block_units; ++u) sum[u] += offset * static_cast<T>(weight[u]);
        }
        const T scale = static_cast<T>(scaling.scale[i]);
        for (std::size_t u = 0; u < block_units; ++u) sum[u] = scale == 0 ? 0 : sum[u] * scale;
        if (units == block_units)
            for (std::size_t u = 0; u < block_units; ++u) out[i * pitch + u] = static_cast<float>(sum[u]);
        else
            for (std::size_t u = 0; u < units; ++u) out[i * pitch + u] = static_cast<float>(sum[u]);
    }
}

}  // namespace SHIFTVAE_ISA
}  // namespace shiftvae
