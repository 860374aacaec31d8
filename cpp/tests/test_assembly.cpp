#include "shiftvae/assembly.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "shiftvae/isa.hpp"

using namespace shiftvae;

namespace {

constexpr float missing = std::numeric_limits<float>::quiet_NaN();
constexpr Grid grids[] = {{40, 50, 8, 8, 1},   {41, 53, 8, 12, 4},   {37, 53, 7, 9, 3}, {1, 100, 1, 16, 2},
                          {33, 33, 33, 33, 1}, {30, 40, 3, 5, 7},    {9, 11, 1, 1, 1},  {64, 64, 16, 16, 16},
                          {50, 40, 20, 6, 5},  {70, 30, 10, 30, 11}, {150, 9, 20, 5, 3}};

struct Input {
    std::size_t latents = 2;
    std::vector<float> values, precision, shift_y, shift_x;

    explicit Input(const Grid& grid, unsigned seed = 1) {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal(0, 2);
        std::uniform_real_distribution<float> exponent(-6, 6);
        const std::size_t windows = grid.rows() * grid.cols();
        for (std::size_t i = 0; i < latents * windows; ++i) {
            values.push_back(normal(random));
            precision.push_back(i % 5 == 0 ? 0 : std::pow(10.0f, exponent(random)));
            if (i % 10 == 0) values.back() = missing;  // has precision 0: must not count
        }
        for (std::size_t i = 0; i < windows; ++i) {
            shift_y.push_back(3 * normal(random));
            shift_x.push_back(i % 17 == 3 ? missing : 3 * normal(random));
        }
    }
};

void compare(const std::vector<float>& map, const std::vector<double>& sum, const std::vector<double>& weight) {
    for (std::size_t i = 0; i < map.size(); ++i) {
        if (weight[i] > 0)
            CHECK(std::fabs(static_cast<double>(map[i]) - sum[i] / weight[i]) < 2e-6);
        else
            CHECK(std::isnan(map[i]));
    }
}

template <class Body>
void on_each_isa_and_threads(Body body) {
    const char* names[8];
    const std::size_t count = available_isas(names, 8);
    for (std::size_t i = 0; i < count; ++i) {
        CHECK(use_isa(names[i]));
        for (const unsigned threads : {1u, 3u}) body(threads);
    }
}

}  // namespace

CASE("each pixel is the precision-weighted mean of the windows that cover it") {
    for (const Grid& grid : grids) {
        const Input in(grid);
        const std::size_t pixels = grid.frame_height * grid.frame_width, windows = grid.rows() * grid.cols();
        std::vector<double> sum(in.latents * pixels), weight(in.latents * pixels);
        for (std::size_t i = 0; i < in.latents * windows; ++i) {
            const std::size_t r = i % windows / grid.cols(), c = i % grid.cols();
            if (!(in.precision[i] > 0)) continue;
            for (std::size_t y = 0; y < grid.window_height; ++y)
                for (std::size_t x = 0; x < grid.window_width; ++x) {
                    const std::size_t at = (i / windows * grid.frame_height + r * grid.stride + y) * grid.frame_width +
                                           c * grid.stride + x;
                    sum[at] += static_cast<double>(in.precision[i]) * static_cast<double>(in.values[i]);
                    weight[at] += static_cast<double>(in.precision[i]);
                }
        }
        std::vector<float> first;
        on_each_isa_and_threads([&](unsigned threads) {
            std::vector<float> map(in.latents * pixels, -1);
            CHECK(assemble_latent_map(in.values.data(), in.precision.data(), in.latents, grid, map.data(), threads));
            compare(map, sum, weight);
            if (first.empty()) first = map;
            for (std::size_t i = 0; i < map.size(); ++i)
                CHECK(map[i] == first[i] || (std::isnan(map[i]) && std::isnan(first[i])));
        });
    }
}

CASE("each value is spread over the four pixels around its motif") {
    for (const Grid& grid : grids) {
        const Input in(grid, 2);
        const std::size_t pixels = grid.frame_height * grid.frame_width, windows = grid.rows() * grid.cols();
        std::vector<double> sum(in.latents * pixels), weight(in.latents * pixels);
        for (std::size_t i = 0; i < in.latents * windows; ++i) {
            const std::size_t w = i % windows;
            if (!(in.precision[i] > 0) || std::isnan(in.shift_x[w])) continue;
            const double y = static_cast<double>(w / grid.cols() * grid.stride) +
                             static_cast<double>(grid.window_height - 1) / 2 + static_cast<double>(in.shift_y[w]);
            const double x = static_cast<double>(w % grid.cols() * grid.stride) +
                             static_cast<double>(grid.window_width - 1) / 2 + static_cast<double>(in.shift_x[w]);
            for (std::size_t p = 0; p < pixels; ++p) {
                const double near_y = 1 - std::fabs(y - static_cast<double>(p / grid.frame_width));
                const double near_x = 1 - std::fabs(x - static_cast<double>(p % grid.frame_width));
                if (near_y <= 0 || near_x <= 0) continue;
                const double share = near_y * near_x * static_cast<double>(in.precision[i]);
                sum[i / windows * pixels + p] += share * static_cast<double>(in.values[i]);
                weight[i / windows * pixels + p] += share;
            }
        }
        for (const unsigned threads : {1u, 2u}) {
            std::vector<float> map(in.latents * pixels, -1);
            CHECK(place_at_motifs(in.values.data(), in.precision.data(), in.shift_y.data(), in.shift_x.data(),
                                  in.latents, grid, map.data(), threads));
            compare(map, sum, weight);
        }
    }
}

CASE("a precision that is negative or not finite, or a value that counts and is not finite, is refused") {
    const Grid grid = grids[0];
    on_each_isa_and_threads([&](unsigned threads) {
        for (const float bad : {-1.0f, missing, std::numeric_limits<float>::infinity()}) {
            Input in(grid);
            std::vector<float> map(in.latents * 40 * 50, 7);
            in.precision[in.precision.size() - 1] = bad;
            CHECK(!assemble_latent_map(in.values.data(), in.precision.data(), in.latents, grid, map.data(), threads));
            in = Input(grid);
            in.precision[1] = 1;
            in.values[1] = bad < 0 ? -std::numeric_limits<float>::infinity() : bad;
            CHECK(!assemble_latent_map(in.values.data(), in.precision.data(), in.latents, grid, map.data(), threads));
            CHECK(!place_at_motifs(in.values.data(), in.precision.data(), in.shift_y.data(), in.shift_x.data(),
                                   in.latents, grid, map.data(), threads));
            CHECK(map[0] == 7);
        }
    });
}
