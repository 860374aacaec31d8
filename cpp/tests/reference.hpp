// Slow references of the kernels, written like their definitions, and frames to compare them on.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "shiftvae/windows.hpp"

namespace reference {

using shiftvae::FrameView;
using shiftvae::Grid;
using shiftvae::Normalisation;
using shiftvae::PixelType;
using shiftvae::Scaling;

constexpr PixelType types[] = {PixelType::uint8, PixelType::uint16,  PixelType::int16,  PixelType::uint32,
                               PixelType::int32, PixelType::float32, PixelType::float64};

// A frame of one type, its pixels as double, and its bytes exactly as large as they must be.
struct Frame {
    std::size_t channels, height, width;
    PixelType type;
    std::vector<double> pixels;
    std::vector<char> bytes;
    std::size_t size = 0;

    template <class T>
    void store() {
        size = sizeof(T);
        bytes.resize(pixels.size() * size);
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            const T value = static_cast<T>(pixels[i]);
            pixels[i] = static_cast<double>(value);
            std::memcpy(bytes.data() + i * size, &value, size);
        }
    }

    Frame(PixelType of, std::size_t c, std::size_t h, std::size_t w, double offset, double sd, unsigned seed)
        : channels(c), height(h), width(w), type(of), pixels(c * h * w) {
        std::mt19937 random(seed);
        std::normal_distribution<double> noise(offset, sd);
        const double low = type == PixelType::int16 || type == PixelType::int32 ? -32768 : 0;
        const double high = type == PixelType::uint8 ? 255 : type == PixelType::int16 ? 32767 : 65535;
        const bool integer = type != PixelType::float32 && type != PixelType::float64;
        for (double& pixel : pixels) {
            pixel = noise(random);
            if (integer) pixel = std::fmin(std::fmax(std::round(pixel), low), high);
        }
        switch (type) {
            case PixelType::uint8: store<std::uint8_t>(); break;
            case PixelType::uint16: store<std::uint16_t>(); break;
            case PixelType::int16: store<std::int16_t>(); break;
            case PixelType::uint32: store<std::uint32_t>(); break;
            case PixelType::int32: store<std::int32_t>(); break;
            case PixelType::float32: store<float>(); break;
            case PixelType::float64: store<double>(); break;
        }
    }

    FrameView view() const {
        return {bytes.data(),
                type,
                channels,
                height,
                width,
                static_cast<std::ptrdiff_t>(height * width * size),
                static_cast<std::ptrdiff_t>(width * size)};
    }
    double at(std::size_t c, std::size_t y, std::size_t x) const { return pixels[(c * height + y) * width + x]; }
};

struct Moments {
    double mean = 0, variance = 0, low = INFINITY, high = -INFINITY;
};

inline Moments moments(const Frame& f, std::size_t c, std::size_t y, std::size_t x, std::size_t h, std::size_t w) {
    Moments m;
    const double n = static_cast<double>(h * w), first = f.at(c, y, x);
    for (std::size_t i = 0; i < h * w; ++i) {
        const double v = f.at(c, y + i / w, x + i % w);
        m.mean += (v - first) / n;
        m.low = std::fmin(m.low, v);
        m.high = std::fmax(m.high, v);
    }
    m.mean += first;
    for (std::size_t i = 0; i < h * w; ++i) m.variance += std::pow(f.at(c, y + i / w, x + i % w) - m.mean, 2) / n;
    return m;
}

inline void window(const Frame& f, std::size_t y, std::size_t x, std::size_t h, std::size_t w, Scaling s, double* out) {
    double variance = 0;
    for (std::size_t c = 0; c < f.channels; ++c)
        variance += moments(f, c, y, x, h, w).variance / static_cast<double>(f.channels);
    const double sd = std::fmax(std::sqrt(variance), s.sd_floor);
    for (std::size_t c = 0; c < f.channels; ++c) {
        const Moments m = moments(f, c, y, x, h, w);
        double centre = 0, range = 1;
        if (s.kind == Normalisation::zscore) centre = m.mean, range = sd;
        if (s.kind == Normalisation::minmax) centre = m.low, range = m.high - m.low;
        for (std::size_t i = 0; i < h * w; ++i)
            *out++ = range > 0 ? (f.at(c, y + i / w, x + i % w) - centre) / range : 0;
    }
}

}  // namespace reference
