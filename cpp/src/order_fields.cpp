#include "shiftvae/order_fields.hpp"

#include <algorithm>
#include <cmath>

namespace shiftvae {

namespace {

constexpr double tau = 6.283185307179586;
constexpr double degrees = 360 / tau;
constexpr double unknown = 180 / 1.7320508075688772;  // deviation of an angle that may be any

}  // namespace

OrderOrigin origin_of(const OrderRow& row) noexcept {
    return {{static_cast<double>(row.shift[0][0]) - static_cast<double>(row.displacement[0][0]),
             static_cast<double>(row.shift[1][0]) - static_cast<double>(row.displacement[1][0])}};
}

void order_fields(const Superlattice& superlattice, const OrderOrigin& origin, const OrderRow& row, std::size_t count,
                  float* order, float* antiphase, float* order_sd, float* antiphase_sd) noexcept {
    const auto& a = superlattice.vectors;
    const double area = a[0][0] * a[1][1] - a[0][1] * a[1][0];
    const double inverse[2][2] = {{a[1][1] / area, -a[0][1] / area}, {-a[1][0] / area, a[0][0] / area}};
    for (std::size_t i = 0; i < count; ++i) {
        const double from[2] = {row.y, static_cast<double>(i) * row.stride};
        double shift[2], point[2];
        for (std::size_t axis = 0; axis < 2; ++axis) {
            const auto& gradient = superlattice.gradient[axis];
            shift[axis] = static_cast<double>(row.shift[axis][i]);
            point[axis] = from[axis] + shift[axis] - static_cast<double>(row.displacement[axis][i]) -
                          gradient[0] * from[0] - gradient[1] * from[1] - origin.place[axis];
        }
        double turns = 0;
        for (std::size_t k = 0; k < 2; ++k) {
            const double cells = std::nearbyint(point[0] * inverse[0][k] + point[1] * inverse[1][k]);
            const double shifted = shift[0] * inverse[0][k] + shift[1] * inverse[1][k];
            turns += superlattice.turns[k] * (shifted - cells);
        }
        const double angle = tau * (turns - std::nearbyint(turns)), cosine = std::cos(angle), sine = std::sin(angle);
        const double real = static_cast<double>(row.real[i]), imaginary = static_cast<double>(row.imaginary[i]);
        const double along = real * cosine - imaginary * sine, across = real * sine + imaginary * cosine;
        const double modulus = std::sqrt(real * real + imaginary * imaginary), sd = static_cast<double>(row.sd[i]);
        order[i] = static_cast<float>(modulus);
        antiphase[i] = static_cast<float>(degrees * std::atan2(across, along));
        order_sd[i] = row.sd[i];
        antiphase_sd[i] = static_cast<float>(sd < modulus ? std::min(degrees * sd / modulus, unknown) : unknown);
    }
}

}  // namespace shiftvae
