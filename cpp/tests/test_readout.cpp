#include "check.hpp"
#include "reference.hpp"
#include "shiftvae/isa.hpp"
#include "shiftvae/readout.hpp"

#include <algorithm>
#include <cmath>
#include <random>

using namespace shiftvae;

namespace {

std::vector<float> random_code(const Readout& readout, std::size_t count) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 2);
    std::vector<float> code(readout.planes() * count);
    for (float& value : code) value = normal(random);
    return code;
}

// The readout in float64, for a shift on two vectors followed by content.
double place(const std::vector<float>& code, std::size_t count, std::size_t phase, std::size_t moved, std::size_t i) {
    const double turns = std::atan2(code[(2 + phase) * count + i], code[phase * count + i]) / 6.283185307179586 +
                         code[(moved + phase) * count + i];
    return turns - std::nearbyint(turns);
}

}  // namespace

CASE("latents on a lattice are those of float64, with every instruction set, for any number of windows") {
    const Readout readout{2, 2, {{24, 1}, {-2, 23}}, 0, 0, 0, 0, 2};
    const char* names[8];
    const std::size_t sets = available_isas(names, 8);
    for (const std::size_t count : {1u, 15u, 511u, 513u, 20000u}) {
        const std::vector<float> code = random_code(readout, count);
        for (std::size_t set = 0; set < sets; ++set) {
            CHECK(use_isa(names[set]));
            for (const unsigned threads : {1u, 3u}) {
                std::vector<float> mean(4 * count), sd(4 * count);
                read_latents(readout, code.data(), count, mean.data(), sd.data(), threads);
                for (std::size_t i = 0; i < count; ++i) {
                    const double a = place(code, count, 0, 10, i), b = place(code, count, 1, 10, i);
                    if (std::fabs(std::fabs(a) - 0.5) < 1e-5 || std::fabs(std::fabs(b) - 0.5) < 1e-5) continue;
                    CHECK(std::fabs(mean[i] - (24 * a - 2 * b)) < 2e-5);
                    CHECK(std::fabs(mean[count + i] - (a + 23 * b)) < 2e-5);
                    CHECK(mean[2 * count + i] == code[6 * count + i]);
                    const double log = std::min(std::max(static_cast<double>(code[9 * count + i]), -8.0), 2.0);
                    CHECK(std::fabs(sd[3 * count + i] / std::exp(log) - 1) < 1e-6);
                }
            }
        }
    }
}

CASE("a code at the origin, on an axis or a diagonal has the angle that it must have") {
    const Readout readout{1, 1, {{8, 0}, {0, 0}}, 0, 0, 0, 0, 0};
    const double directions[][3] = {{0, 0, 0},   {1, 0, 0},   {1, 1, 1},    {0, 1, 2},    {-1, 1, 3},
                                    {1, -1, -1}, {0, -1, -2}, {-1, -1, -3}, {2e-38, 0, 0}};
    for (const auto& direction : directions) {
        const float code[] = {static_cast<float>(direction[0]), static_cast<float>(direction[1]), 0, 0};
        float mean, sd;
        read_latents(readout, code, 1, &mean, &sd, 1);
        CHECK(std::fabs(mean - direction[2]) < 1e-6);
        CHECK(std::fabs(sd - 8 / 6.283185307179586) < 1e-6);
    }
}
