#include "number_text.hpp"

#include <cmath>
#include <cstdlib>

namespace shiftvae {

std::string fixed_text(double number, int digits) {
    if (!(number < 1e15)) return "more than 1e15";
    const auto tenths = static_cast<long long>(std::nearbyint(digits ? 10 * number : number));
    return digits ? std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) : std::to_string(tenths);
}

std::string one_digit_text(double number) {
    if (!std::isfinite(number) || number == 0) return number == 0 ? "0" : std::isnan(number) ? "nan" : "infinity";
    if (number < 0) return '-' + one_digit_text(-number);
    int exponent = static_cast<int>(std::floor(std::log10(number)));
    int digit = static_cast<int>(std::nearbyint(number / std::pow(10.0, exponent)));
    if (digit == 10) digit = 1, ++exponent;
    std::string text = std::to_string(digit);
    if (exponent == 0) return text;
    if (exponent < 0 && exponent >= -4) return "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + text;
    const std::string size = std::to_string(std::abs(exponent));
    return text + (exponent < 0 ? "e-" : "e+") + (size.size() < 2 ? "0" : "") + size;
}

}  // namespace shiftvae
