#include "each_isa.hpp"
#include "shiftvae/rounds.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace shiftvae;

namespace {

constexpr std::size_t side = 32, content = 1, latents = 5;  // dy, dx, angle, size, content
constexpr double degree = 57.29577951308232, reach = 8;

// dy, dx px; angle rad; logarithm of the size; content.
using Pose = std::array<double, latents>;

// An elongated spot with an arm, which the content makes stronger, at (y, x) from the motif.
double motif_at(double y, double x, double z) {
    const auto spot = [&](double cy, double cx, double sy, double sx) {
        return std::exp(-0.5 * (std::pow((y - cy) / sy, 2) + std::pow((x - cx) / sx, 2)));
    };
    return spot(0, 0, 1.8, 3.2) + (0.6 + 0.2 * z) * spot(-3.5, 2.5, 1.6, 1.6);
}

// The value of a window whose motif lies at `pose`, in px from the window's middle.
double window_at(double y, double x, const Pose& pose) {
    const double size = std::exp(pose[3]), c = std::cos(pose[2]) / size, s = std::sin(pose[2]) / size;
    const double from_y = y - pose[0], from_x = x - pose[1];
    return motif_at(from_y * c + from_x * s, from_x * c - from_y * s, pose[4]);
}

std::vector<float> window_of(const Pose& pose) {
    std::vector<double> pixels(side * side);
    double mean = 0, square = 0;
    const double half = (side - 1) / 2.0, count = side * side;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
        pixels[i] = window_at(static_cast<double>(i / side) - half, static_cast<double>(i % side) - half, pose);
        mean += pixels[i] / count;
        square += pixels[i] * pixels[i] / count;
    }
    std::vector<float> out;
    for (const double value : pixels)
        out.push_back(static_cast<float>((value - mean) / std::sqrt(square - mean * mean)));
    return out;
}

// Solves a x = b for symmetric positive a; b has `columns` columns.
void solve(std::vector<std::vector<double>>& a, std::vector<std::vector<double>>& b) {
    for (std::size_t k = 0; k < a.size(); ++k)
        for (std::size_t row = 0; row < a.size(); ++row) {
            if (row == k) continue;
            const double factor = a[row][k] / a[k][k];
            for (std::size_t j = k; j < a.size(); ++j) a[row][j] -= factor * a[k][j];
            for (std::size_t j = 0; j < b[row].size(); ++j) b[row][j] -= factor * b[k][j];
        }
    for (std::size_t k = 0; k < a.size(); ++k)
        for (double& value : b[k]) value /= a[k][k];
}

Rounds rounds_of_spot(float deviation = 1) {
    std::vector<float> y, x, motif, change;
    for (double py = -reach; py <= reach; ++py)
        for (double px = -reach; px <= reach; ++px) {
            if (py * py + px * px > reach * reach) continue;
            y.push_back(static_cast<float>(py));
            x.push_back(static_cast<float>(px));
            motif.push_back(static_cast<float>(motif_at(py, px, 0)));
            change.push_back(static_cast<float>(motif_at(py, px, 1) - motif_at(py, px, 0)));
        }
    // What a point sees when a latent is larger than thought; beside them a constant and the contrast, which are free.
    const std::size_t points = y.size(), terms = latents + 2;
    std::vector<std::vector<double>> seen(terms, std::vector<double>(points));
    for (std::size_t p = 0; p < points; ++p) {
        const double at_y = static_cast<double>(y[p]), at_x = static_cast<double>(x[p]), step = 1e-4;
        for (std::size_t j = 0; j < latents; ++j) {
            Pose more{};
            more[j] = step;
            seen[j][p] = (window_at(at_y, at_x, more) - window_at(at_y, at_x, {})) / step;
        }
        seen[latents][p] = 1;
        seen[latents + 1][p] = window_at(at_y, at_x, {});
    }
    std::vector<std::vector<double>> square(terms, std::vector<double>(terms));
    for (std::size_t i = 0; i < terms; ++i)
        for (std::size_t j = 0; j < terms; ++j)
            for (std::size_t p = 0; p < points; ++p) square[i][j] += seen[i][p] * seen[j][p];
    solve(square, seen);
    std::vector<float> place(y), inverse, deviations(latents, deviation);
    place.insert(place.end(), x.begin(), x.end());
    motif.insert(motif.end(), change.begin(), change.end());
    for (std::size_t j = 0; j < latents; ++j)
        for (const double value : seen[j]) inverse.push_back(static_cast<float>(value));
    return Rounds({1, points, content, side, side, 360, true}, place.data(), motif.data(), inverse.data(),
                  deviations.data());
}

// Reported latents: px, degrees, percent, content.
std::array<float, latents> reported(const Pose& pose) {
    return {static_cast<float>(pose[0]), static_cast<float>(pose[1]), static_cast<float>(pose[2] * degree),
            static_cast<float>(100 * (std::exp(pose[3]) - 1)), static_cast<float>(pose[4])};
}

const std::vector<Pose> poses = {
    {0, 0, 0, 0, 0}, {1.3, -2.2, 0.4, 0.05, 0.5}, {-2.6, 0.7, 2.9, -0.06, -0.8}, {0.4, 3.1, -1.7, 0.1, 1}};

struct Windows {
    std::vector<float> pixels, mean, sd;  // mean, sd: (latents, windows)
};

// Windows of `poses` with latents that are wrong by `off`.
Windows windows_of(const Pose& off) {
    Windows out;
    out.mean.resize(latents * poses.size());
    out.sd.resize(out.mean.size(), -1);
    for (std::size_t i = 0; i < poses.size(); ++i) {
        const std::vector<float> window = window_of(poses[i]);
        out.pixels.insert(out.pixels.end(), window.begin(), window.end());
        Pose wrong = poses[i];
        for (std::size_t j = 0; j < latents; ++j) wrong[j] += off[j];
        for (std::size_t j = 0; j < latents; ++j) out.mean[j * poses.size() + i] = reported(wrong)[j];
    }
    return out;
}

}  // namespace

CASE("rounds find place, angle, size and content of a motif from latents that are wrong") {
    const Rounds rounds = rounds_of_spot();
    on_each_isa([&] {
        Windows windows = windows_of({0.8, -0.6, 0.15, 0.05, 0.5});
        rounds.improve(windows.pixels.data(), poses.size(), poses.size(), windows.mean.data(), windows.sd.data());
        constexpr double most[latents] = {0.05, 0.05, 1, 2, 0.15};  // pixels between which values are drawn straight
        for (std::size_t i = 0; i < poses.size(); ++i)
            for (std::size_t j = 0; j < latents; ++j) {
                const float error = windows.mean[j * poses.size() + i] - reported(poses[i])[j];
                CHECK(std::fabs(static_cast<double>(error)) < most[j]);
                CHECK(windows.sd[j * poses.size() + i] > 0);
            }
    });
}

CASE("an angle is reported within half a period of 0") {
    const Rounds rounds = rounds_of_spot();
    Windows windows = windows_of({0, 0, 2 * 3.141592653589793, 0, 0});
    rounds.improve(windows.pixels.data(), poses.size(), poses.size(), windows.mean.data(), windows.sd.data());
    for (std::size_t i = 0; i < poses.size(); ++i) {
        const float angle = windows.mean[2 * poses.size() + i];
        CHECK(std::fabs(static_cast<double>(angle - reported(poses[i])[2])) < 1);
    }
}

CASE("a window has the same bits with every instruction set, alone and beside others") {
    const Rounds rounds = rounds_of_spot();
    const Windows given = windows_of({0.8, -0.6, 0.15, 0.05, 0.5});
    std::vector<float> first;
    on_each_isa([&] {
        Windows all = given;
        rounds.improve(all.pixels.data(), poses.size(), poses.size(), all.mean.data(), all.sd.data());
        if (first.empty()) first = all.mean;
        CHECK(std::memcmp(first.data(), all.mean.data(), first.size() * sizeof(float)) == 0);
        for (std::size_t i = 0; i < poses.size(); ++i) {
            std::array<float, latents> mean{}, sd{};
            for (std::size_t j = 0; j < latents; ++j) mean[j] = given.mean[j * poses.size() + i];
            rounds.improve(given.pixels.data() + i * side * side, 1, 1, mean.data(), sd.data());
            for (std::size_t j = 0; j < latents; ++j) {
                CHECK(mean[j] == all.mean[j * poses.size() + i]);
                CHECK(sd[j] == all.sd[j * poses.size() + i]);
            }
        }
    });
}

CASE("deviations of latents are in proportion to those of the model") {
    Windows one = windows_of({0.3, 0, 0, 0, 0}), three = one;
    rounds_of_spot(1).improve(one.pixels.data(), poses.size(), poses.size(), one.mean.data(), one.sd.data());
    rounds_of_spot(3).improve(three.pixels.data(), poses.size(), poses.size(), three.mean.data(), three.sd.data());
    for (std::size_t i = 0; i < one.sd.size(); ++i)
        CHECK(std::fabs(three.sd[i] - 3 * one.sd[i]) <= 1e-5f * three.sd[i]);
}

CASE("a flat window keeps its latents") {
    const Rounds rounds = rounds_of_spot();
    on_each_isa([&] {
        const std::vector<float> flat(side * side, 0.0f);
        std::array<float, latents> mean = reported(poses[1]), sd{};
        const std::array<float, latents> before = mean;
        rounds.improve(flat.data(), 1, 1, mean.data(), sd.data());
        for (std::size_t j = 0; j < latents; ++j)
            CHECK(std::fabs(mean[j] - before[j]) < 1e-4f * (1 + std::fabs(before[j])));
    });
}

CASE("latents that are no numbers, or far away, lead nowhere outside the window") {
    const Rounds rounds = rounds_of_spot();
    const std::vector<float> window = window_of(poses[1]);
    constexpr float none = std::numeric_limits<float>::quiet_NaN(), far = std::numeric_limits<float>::infinity();
    on_each_isa([&] {
        for (const float start : {none, far, -far, 1e30f, -1e30f})
            for (std::size_t j = 0; j < latents; ++j) {
                std::array<float, latents> mean{}, sd{};
                mean[j] = start;
                rounds.improve(window.data(), 1, 1, mean.data(), sd.data());  // the sanitizers look on
                CHECK(!(std::fabs(mean[0]) > side) && !(std::fabs(mean[1]) > side) && !(std::fabs(mean[4]) > 6));
            }
    });
}
