#include "shiftvae/filter_bank.hpp"

#include <algorithm>

#include "check.hpp"
#include "each_isa.hpp"
#include "reference.hpp"

using namespace shiftvae;
using reference::Frame;

namespace {

struct Case {
    std::size_t units, channels, height, width, window_height, window_width, stride, segment;
};

constexpr Case cases[] = {
    {40, 1, 40, 90, 8, 8, 1, 32},    {33, 2, 41, 70, 12, 9, 4, 64},   {5, 1, 70, 61, 16, 16, 8, 64},
    {32, 3, 9, 12, 5, 3, 2, 16},     {64, 1, 50, 33, 32, 32, 1, 128}, {1, 1, 1, 200, 1, 24, 2, 128},
    {70, 1, 17, 300, 16, 16, 1, 16}, {8, 1, 13, 40, 12, 12, 8, 32},   {9, 2, 30, 21, 3, 4, 8, 64}};

std::vector<double> random_filters(const Case& c, unsigned seed) {
    std::mt19937 random(seed);
    const std::size_t size = c.channels * c.window_height * c.window_width;
    std::normal_distribution<double> normal(0.1, 1 / std::sqrt(static_cast<double>(size)));
    std::vector<double> filters(c.units * size);
    for (double& value : filters) value = normal(random);
    return filters;
}

FilterBank bank_of(const Case& c, const std::vector<double>& filters) {
    return {filters.data(), c.units, c.channels, c.window_height, c.window_width, c.stride, c.segment};
}

Grid grid_of(const Case& c) { return {c.height, c.width, c.window_height, c.window_width, c.stride}; }

std::vector<float> applied(const FilterBank& bank, const FrameView& frame, Scaling scaling) {
    const Grid grid{frame.height, frame.width, bank.height(), bank.width(), bank.stride()};
    const std::vector<double> centre(frame.channels, 100.0);
    std::vector<float> out(grid.rows() * grid.cols() * bank.units() + 1, -12345.0f);
    bank.apply(frame, scaling, centre.data(), out.data());
    CHECK(out.back() == -12345.0f);
    out.pop_back();
    return out;
}

// The largest difference from products in double, in units of what rounding a window's values to float32 may cost.
double largest_error(const Case& c, const Frame& frame, Scaling scaling, const std::vector<double>& filters,
                     const std::vector<float>& got) {
    const Grid grid = grid_of(c);
    const std::size_t size = c.channels * c.window_height * c.window_width;
    std::vector<double> window(size);
    double largest = 0;
    for (std::size_t i = 0; i < grid.rows() * grid.cols(); ++i) {
        reference::window(frame, i / grid.cols() * c.stride, i % grid.cols() * c.stride, c.window_height,
                          c.window_width, scaling, window.data());
        for (std::size_t u = 0; u < c.units; ++u) {
            double sum = 0, weight = 0, value = 0;
            for (std::size_t k = 0; k < size; ++k) {
                sum += filters[u * size + k] * window[k];
                weight += filters[u * size + k] * filters[u * size + k];
                value += window[k] * window[k];
            }
            const double error = std::fabs(got[i * c.units + u] - sum);
            largest = std::fmax(largest, error / std::fmax(1e-3, std::sqrt(weight * value)));
        }
    }
    return largest;
}

}  // namespace

CASE("filters of every shape give the products of normalised windows, with every instruction set and type of pixels") {
    for (const Case& c : cases) {
        const std::vector<double> filters = random_filters(c, 1);
        on_each_isa([&] {
            const FilterBank bank = bank_of(c, filters);
            for (const PixelType type : reference::types)
                for (const Normalisation kind : {Normalisation::none, Normalisation::zscore, Normalisation::minmax}) {
                    if (kind == Normalisation::minmax && c.channels > 1) continue;
                    const Frame frame(type, c.channels, c.height, c.width, 100, 30, 2);
                    const Scaling scaling{kind, 0};
                    CHECK(largest_error(c, frame, scaling, filters, applied(bank, frame.view(), scaling)) < 2e-6);
                }
        });
    }
}

CASE("an offset of 60000, a step beside flat windows and a slope over the frame cost no digits") {
    const Case c{16, 1, 40, 200, 16, 16, 1, 64};
    const std::vector<double> filters = random_filters(c, 3);
    Frame offset(PixelType::uint16, 1, c.height, c.width, 60000, 3, 4);
    Frame step(PixelType::uint16, 1, c.height, c.width, 200, 3, 5);
    Frame slope(PixelType::float64, 1, c.height, c.width, 0, 1e-12, 6);
    for (std::size_t i = 0; i < step.pixels.size(); ++i) {
        if (i % c.width > 90) step.pixels[i] += 59800;
        slope.pixels[i] += 1e-9 * static_cast<double>(i % c.width + 3 * (i / c.width));
    }
    step.store<std::uint16_t>();
    slope.store<double>();
    const Scaling scaling{Normalisation::zscore, 0};
    on_each_isa([&] {
        const FilterBank bank = bank_of(c, filters);
        for (const Frame* frame : {&offset, &step, &slope})
            CHECK(largest_error(c, *frame, scaling, filters, applied(bank, frame->view(), scaling)) < 2e-6);
    });
}

CASE("rows give the same bits alone and in any band; a step in other rows changes nothing") {
    const Case c{40, 1, 90, 150, 12, 12, 2, 64};
    const std::vector<double> filters = random_filters(c, 7);
    for (const PixelType type : {PixelType::uint16, PixelType::float32}) {
        Frame frame(type, 1, c.height, c.width, 100, 30, 8);
        for (std::size_t x = 60; x < c.width; ++x) frame.pixels[50 * c.width + x] = 60000;  // some rows need double
        if (type == PixelType::uint16)
            frame.store<std::uint16_t>();
        else
            frame.store<float>();
        const Scaling scaling{Normalisation::zscore, 0};
        const Grid grid = grid_of(c);
        on_each_isa([&] {
            const FilterBank bank = bank_of(c, filters);
            const std::vector<float> whole = applied(bank, frame.view(), scaling);
            const std::size_t row = grid.cols() * c.units;
            for (const std::size_t rows : {std::size_t{1}, std::size_t{5}, std::size_t{13}})
                for (std::size_t first = 0; first + rows <= grid.rows(); first += rows) {
                    FrameView band = frame.view();
                    band.pixels = band.line(0, first * c.stride);
                    band.height = (rows - 1) * c.stride + c.window_height;
                    const std::vector<float> some = applied(bank, band, scaling);
                    CHECK(std::equal(some.begin(), some.end(), whole.begin() + static_cast<long>(first * row)));
                }
        });
    }
}

CASE("constant windows give zeros, beside any others and with any floor") {
    const Case c{8, 1, 16, 100, 8, 8, 1, 32};
    const std::vector<double> filters = random_filters(c, 9);
    Frame frame(PixelType::float32, 1, c.height, c.width, 100, 30, 10);
    for (std::size_t i = 0; i < frame.pixels.size(); ++i)
        if (i % c.width < 50) frame.pixels[i] = 0.1;
    frame.store<float>();
    for (const double floor : {0.0, 1e-15, 2.0}) {
        const FilterBank bank = bank_of(c, filters);
        const std::vector<float> out = applied(bank, frame.view(), {Normalisation::zscore, floor});
        const std::size_t cols = grid_of(c).cols();
        for (std::size_t i = 0; i < out.size(); ++i)
            if (i / c.units % cols <= 42) CHECK(out[i] == 0);
    }
}

CASE("numbers beyond float32 are no matter, nor are infinite windows beside constant ones") {
    const Case c{8, 1, 20, 100, 8, 8, 1, 32};
    const std::vector<double> filters = random_filters(c, 11);
    const FilterBank bank = bank_of(c, filters);
    const Scaling scaling{Normalisation::zscore, 0};
    for (const double factor : {1e-100, 1e-35, 1e-20, 1e20, 1e37, 1e100}) {
        Frame frame(PixelType::float64, 1, c.height, c.width, 100, 30, 12);
        for (double& pixel : frame.pixels) pixel *= factor;
        frame.store<double>();
        CHECK(largest_error(c, frame, scaling, filters, applied(bank, frame.view(), scaling)) < 2e-6);
    }
    Frame frame(PixelType::float32, 1, c.height, c.width, 5, 0, 13);
    for (std::size_t i = 0; i < frame.pixels.size(); ++i)
        if (i % c.width == 60) frame.pixels[i] = 3e38;
    frame.store<float>();
    const std::vector<float> out = applied(bank, frame.view(), scaling);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::size_t col = i / c.units % grid_of(c).cols();
        CHECK(col > 52 && col <= 60 ? std::fabs(out[i]) < 100 : out[i] == 0);
    }
}
