#include <algorithm>

#include "check.hpp"
#include "each_isa.hpp"
#include "reference.hpp"

using namespace shiftvae;
using reference::Frame;

namespace {

struct Shape {
    std::size_t channels, height, width, window_height, window_width, stride;
};

constexpr Shape shapes[] = {{1, 40, 50, 8, 8, 1},   {2, 21, 53, 7, 9, 3},    {1, 1, 300, 1, 17, 2},
                            {3, 33, 33, 33, 33, 1}, {1, 45, 60, 32, 32, 1},  {1, 9, 9, 1, 1, 1},
                            {2, 30, 40, 3, 5, 7},   {1, 20, 200, 2, 150, 1}, {1, 12, 700, 12, 24, 1}};
constexpr Normalisation normalisations[] = {Normalisation::none, Normalisation::zscore, Normalisation::minmax};
constexpr float guard = -12345.0f;

// The number of large differences from the reference, relative to the larger of 1 and the value.
std::size_t wrong(const std::vector<float>& got, std::size_t offset, const std::vector<double>& expected) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double difference = std::fabs(static_cast<double>(got[offset + i]) - expected[i]);
        count += !(difference <= 1e-6 * std::fmax(1.0, std::fabs(expected[i])));
    }
    return count;
}

Grid grid_of(const Shape& s) { return {s.height, s.width, s.window_height, s.window_width, s.stride}; }

std::vector<double> expected_windows(const Frame& frame, const Grid& grid, Scaling scaling) {
    const std::size_t size = frame.channels * grid.window_height * grid.window_width;
    std::vector<double> all(grid.rows() * grid.cols() * size);
    for (std::size_t i = 0; i < grid.rows() * grid.cols(); ++i)
        reference::window(frame, i / grid.cols() * grid.stride, i % grid.cols() * grid.stride, grid.window_height,
                          grid.window_width, scaling, all.data() + i * size);
    return all;
}

}  // namespace

CASE("windows of every type, shape, normalisation and instruction set agree with the twin and stay in their output") {
    for (const PixelType type : reference::types)
        for (const Shape& shape : shapes)
            for (const double offset : {100.0, 60000.0}) {
                const Frame frame(type, shape.channels, shape.height, shape.width, offset, 3, 1);
                const Grid grid = grid_of(shape);
                for (const Normalisation kind : normalisations) {
                    const std::vector<double> expected = expected_windows(frame, grid, {kind, 0});
                    on_each_isa([&] {
                        // An odd offset: the output is aligned to its floats only.
                        std::vector<float> out(expected.size() + 8, guard);
                        extract_windows(frame.view(), grid, {kind, 0}, nullptr, out.data() + 3, 1);
                        CHECK(wrong(out, 3, expected) == 0);
                        for (const std::size_t i : {std::size_t{0}, std::size_t{2}, out.size() - 5, out.size() - 1})
                            CHECK(out[i] == guard);
                    });
                }
            }
}

CASE("large outputs, which are streamed, agree with the twin and stay in their output at every alignment") {
    for (const PixelType type : {PixelType::uint16, PixelType::int32})
        for (const std::size_t width : {16u, 24u, 28u, 29u, 80u}) {
            const Frame frame(type, 1, 120, 92 + width, 60000, 3, 2);
            const Grid grid{120, 92 + width, 26, width, 1};
            const std::vector<double> expected = expected_windows(frame, grid, {Normalisation::zscore, 0});
            CHECK(expected.size() * sizeof(float) > std::size_t{8} << 20);
            std::vector<float> memory(expected.size() + 64);
            on_each_isa([&] {
                for (const std::size_t beyond_line : {0u, 8u, 4u, 5u}) {
                    const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(memory.data() + 1);
                    const std::size_t at = 1 + (64 - start % 64) % 64 / sizeof(float) + beyond_line;
                    std::fill(memory.begin(), memory.end(), guard);
                    extract_windows(frame.view(), grid, {Normalisation::zscore, 0}, nullptr, memory.data() + at,
                                    beyond_line == 5 ? 3 : 1);
                    CHECK(wrong(memory, at, expected) == 0);
                    CHECK(memory[at - 1] == guard && memory[at + expected.size()] == guard);
                }
            });
        }
}

CASE("every instruction set and number of threads gives the same bits") {
    for (const PixelType type : reference::types) {
        const Frame frame(type, 2, 90, 110, 20000, 40, 3);
        const Grid grid{90, 110, 16, 20, 1};
        for (const Normalisation kind : normalisations) {
            std::vector<float> first;
            on_each_isa([&] {
                for (const unsigned threads : {1u, 4u}) {
                    std::vector<float> out(grid.rows() * grid.cols() * 2 * 16 * 20);
                    extract_windows(frame.view(), grid, {kind, 0}, nullptr, out.data(), threads);
                    if (first.empty()) first = out;
                    CHECK(out == first);
                }
            });
        }
    }
}

CASE("windows at given places are the windows of the grid there, to the bit") {
    for (const PixelType type : reference::types) {
        const Frame frame(type, 2, 40, 45, 500, 30, 4);
        const Grid grid{40, 45, 9, 13, 1};
        const std::size_t size = 2 * 9 * 13;
        std::vector<float> all(grid.rows() * grid.cols() * size), some(3 * size);
        const std::int64_t origins[] = {0, 0, 31, 32, 7, 20};
        for (const Normalisation kind : normalisations) {
            extract_windows(frame.view(), grid, {kind, 0}, nullptr, all.data(), 1);
            extract_windows_at(frame.view(), origins, 3, 9, 13, {kind, 0}, some.data(), 2);
            for (std::size_t i = 0; i < 3; ++i) {
                const std::size_t at = static_cast<std::size_t>(origins[2 * i]) * grid.cols() +
                                       static_cast<std::size_t>(origins[2 * i + 1]);
                CHECK(std::memcmp(all.data() + at * size, some.data() + i * size, size * sizeof(float)) == 0);
            }
        }
    }
}

CASE("means and deviations agree with the twin at an offset of 60000 and a deviation of 3") {
    for (const PixelType type : reference::types)
        for (const Shape& shape : shapes) {
            const Frame frame(type, shape.channels, shape.height, shape.width,
                              type == PixelType::int16   ? 30000
                              : type == PixelType::uint8 ? 120
                                                         : 60000,
                              3, 5);
            const Grid grid = grid_of(shape);
            const std::size_t windows = grid.rows() * grid.cols();
            std::vector<double> mean, sd;
            for (std::size_t i = 0; i < shape.channels * windows; ++i) {
                const reference::Moments m =
                    reference::moments(frame, i / windows, i % windows / grid.cols() * grid.stride,
                                       i % grid.cols() * grid.stride, shape.window_height, shape.window_width);
                mean.push_back(m.mean);
                sd.push_back(std::sqrt(m.variance));
            }
            on_each_isa([&] {
                for (const unsigned threads : {1u, 2u}) {
                    std::vector<float> got_mean(mean.size()), got_sd(sd.size());
                    window_statistics(frame.view(), grid, nullptr, got_mean.data(), got_sd.data(), threads);
                    CHECK(wrong(got_mean, 0, mean) == 0);
                    CHECK(wrong(got_sd, 0, sd) == 0);
                }
            });
        }
}

CASE("a constant window gives zeros and a deviation of 0, also far from the frame's mean") {
    for (const PixelType type : reference::types) {
        Frame frame(type, 1, 40, 80, 60000, 3, 6);
        for (std::size_t y = 0; y < 40; ++y)
            for (std::size_t x = 0; x < 40; ++x) frame.pixels[y * 80 + x] = type == PixelType::float64 ? 0.1 : 7;
        if (type == PixelType::float64) frame.store<double>();
        if (type == PixelType::float32) frame.store<float>();
        if (type == PixelType::uint16) frame.store<std::uint16_t>();
        if (type == PixelType::uint8) frame.store<std::uint8_t>();
        if (type == PixelType::int16) frame.store<std::int16_t>();
        if (type == PixelType::int32) frame.store<std::int32_t>();
        if (type == PixelType::uint32) frame.store<std::uint32_t>();
        const Grid grid{40, 80, 16, 16, 8};
        for (const Normalisation kind : {Normalisation::zscore, Normalisation::minmax}) {
            std::vector<float> out(grid.rows() * grid.cols() * 256, guard);
            extract_windows(frame.view(), grid, {kind, 0}, nullptr, out.data(), 1);
            for (std::size_t i = 0; i < 256; ++i) CHECK(out[i] == 0);
            CHECK(wrong(out, 0, expected_windows(frame, grid, {kind, 0})) == 0);
        }
        std::vector<float> mean(grid.rows() * grid.cols()), sd(mean.size());
        window_statistics(frame.view(), grid, nullptr, mean.data(), sd.data(), 1);
        CHECK(sd[0] == 0);
        CHECK(mean[0] == static_cast<float>(frame.pixels[0]));
    }
}

CASE("a step from 200 to 60000 with a deviation of 3 on both sides keeps full accuracy on both sides") {
    for (const PixelType type : {PixelType::uint16, PixelType::float32, PixelType::float64, PixelType::int32}) {
        Frame frame(type, 1, 48, 96, 60000, 3, 7);
        for (std::size_t i = 0; i < frame.pixels.size(); ++i)
            if (i % 96 < 48) frame.pixels[i] -= 59800;
        if (type == PixelType::uint16) frame.store<std::uint16_t>();
        if (type == PixelType::float32) frame.store<float>();
        if (type == PixelType::float64) frame.store<double>();
        if (type == PixelType::int32) frame.store<std::int32_t>();
        const Grid grid{48, 96, 32, 32, 4};
        std::vector<float> out(grid.rows() * grid.cols() * 1024);
        extract_windows(frame.view(), grid, {Normalisation::zscore, 0}, nullptr, out.data(), 1);
        CHECK(wrong(out, 0, expected_windows(frame, grid, {Normalisation::zscore, 0})) == 0);
    }
}

CASE("one count in one pixel of a window at 65534 is measured exactly") {
    Frame frame(PixelType::uint16, 1, 64, 80, 65534, 0, 9);
    frame.pixels[30 * 80 + 40] += 1;
    frame.store<std::uint16_t>();
    const Grid grid{64, 80, 64, 64, 4};
    const std::vector<double> expected = expected_windows(frame, grid, {Normalisation::zscore, 0});
    on_each_isa([&] {
        std::vector<float> out(expected.size()), mean(grid.cols()), sd(grid.cols());
        extract_windows(frame.view(), grid, {Normalisation::zscore, 0}, nullptr, out.data(), 1);
        CHECK(wrong(out, 0, expected) == 0);
        window_statistics(frame.view(), grid, nullptr, mean.data(), sd.data(), 1);
        for (const float value : sd) CHECK(value == static_cast<float>(std::sqrt(4095.0) / 4096));
    });
}

CASE("the floor of the deviation limits the scale") {
    const Frame frame(PixelType::uint16, 1, 20, 20, 1000, 2, 8);
    const Grid grid{20, 20, 10, 10, 5};
    std::vector<float> out(grid.rows() * grid.cols() * 100);
    extract_windows(frame.view(), grid, {Normalisation::zscore, 50}, nullptr, out.data(), 1);
    CHECK(wrong(out, 0, expected_windows(frame, grid, {Normalisation::zscore, 50})) == 0);
}
