#include "shiftvae/turn.hpp"

#include <algorithm>
#include <stdexcept>

#include "kernels/kernels.hpp"

namespace shiftvae {
namespace {

// Digits of a power in balanced ternary, the lowest first.
std::vector<signed char> digits_of(int power) {
    std::vector<signed char> digits;
    for (; power; power = (power - digits.back()) / 3)
        digits.push_back(static_cast<signed char>((power + 3 * Turn::most + 1) % 3 - 1));
    return digits;
}

signed char digit_of(int power, std::size_t place) {
    const std::vector<signed char> digits = digits_of(power);
    return place < digits.size() ? digits[place] : static_cast<signed char>(0);
}

void check(const Turn& turn, std::size_t features, std::size_t planes) {
    const std::size_t k = turn.bases;
    if (k < 1 || k > 2 || features % 2 || features / 2 < k || turn.orders.size() != features / 2 * k ||
        turn.phases.size() != k * k)
        throw std::invalid_argument("a turn has orders of each pair of features, and phases, for 1 or 2 vectors");
    if (planes < 2 * k) throw std::invalid_argument("the code lacks the phases of the turn");
    for (const std::vector<int>* powers : {&turn.orders, &turn.phases})
        for (const int power : *powers)
            if (power < -Turn::most || power > Turn::most)
                throw std::invalid_argument("orders and phases of a turn are -16 to 16");
    for (std::size_t j = 0; j < k * k; ++j)
        if (turn.orders[j] != (j / k == j % k))
            throw std::invalid_argument("the bases of a turn, its first features, turn by themselves alone");
}

}  // namespace

TurnSteps::TurnSteps(const Turn& turn, std::size_t features, std::size_t planes) : bases_(turn.bases) {
    check(turn, features, planes);
    const std::size_t k = bases_, numbers = features / 2;
    units_ = numbers <= unit_block / 2 ? unit_block / 2 : (numbers + unit_block - 1) / unit_block * unit_block;
    for (std::size_t base = 0; base < k; ++base)
        for (const std::vector<int>* powers : {&turn.orders, &turn.phases})
            for (std::size_t j = base; j < powers->size(); j += k)
                count_[base] = std::max(count_[base], digits_of((*powers)[j]).size());
    factors_ = Aligned<float>(all() * 3 * units_);
    float* to = factors_.first;
    for (std::size_t base = 0; base < k; ++base)
        for (std::size_t place = 0; place < count_[base]; ++place, to += 3 * units_)
            for (std::size_t j = 0; j < units_; ++j) {
                const int digit = j < numbers ? digit_of(turn.orders[j * k + base], place) : 0;
                to[j] = digit ? 0.0f : 1.0f;
                to[units_ + j] = digit ? 1.0f : 0.0f;
                to[2 * units_ + j] = static_cast<float>(digit);
            }
    for (std::size_t phase = 0; phase < k; ++phase)
        for (std::size_t base = 0; base < k; ++base)
            for (std::size_t place = 0; place < count_[base]; ++place)
                digits_.push_back(digit_of(turn.phases[phase * k + base], place));
}

}  // namespace shiftvae
