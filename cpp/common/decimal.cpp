#include "common/decimal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

namespace shiftvae {
namespace {

constexpr std::size_t longest_text = 1100;  // a double, or the middle between two, has at most 768 digits

// A whole number of any size; the least significant word comes first, and the last one is not 0.
class Whole {
public:
    explicit Whole(std::uint32_t value) {
        if (value) words_.push_back(value);
    }

    bool is_zero() const noexcept { return words_.empty(); }

    int bits() const noexcept {
        int count = 0;
        if (!is_zero()) {
            count = 32 * static_cast<int>(words_.size() - 1);
            for (std::uint32_t top = words_.back(); top; top >>= 1U) ++count;
        }
        return count;
    }

    void times_plus(std::uint32_t factor, std::uint32_t more) {
        std::uint64_t carry = more;
        for (std::uint32_t& word : words_) {
            carry += std::uint64_t{word} * factor;
            word = static_cast<std::uint32_t>(carry);
            carry >>= 32U;
        }
        if (carry) words_.push_back(static_cast<std::uint32_t>(carry));
    }

    void times_power(std::uint32_t factor, int power) {
        for (int i = 0; i < power; ++i) times_plus(factor, 0);
    }

    // -1, 0 or 1: less than, equal to, or more than the other.
    int compared_with(const Whole& other) const noexcept {
        if (words_.size() != other.words_.size()) return words_.size() < other.words_.size() ? -1 : 1;
        for (std::size_t i = words_.size(); i-- > 0;)
            if (words_[i] != other.words_[i]) return words_[i] < other.words_[i] ? -1 : 1;
        return 0;
    }

    // The other is not larger.
    void subtract(const Whole& other) noexcept {
        std::uint64_t borrow = 0;
        for (std::size_t i = 0; i < words_.size(); ++i) {
            const std::uint64_t taken = borrow + (i < other.words_.size() ? other.words_[i] : 0);
            borrow = words_[i] < taken;
            words_[i] -= static_cast<std::uint32_t>(taken);
        }
        while (!is_zero() && words_.back() == 0) words_.pop_back();
    }

private:
    std::vector<std::uint32_t> words_;
};

// Numerator over denominator, neither of which is 0; infinity or 0 beyond the range of doubles.
double nearest_quotient(Whole numerator, Whole denominator) {
    int exponent = numerator.bits() - denominator.bits();
    (exponent < 0 ? numerator : denominator).times_power(2, std::abs(exponent));
    if (numerator.compared_with(denominator) < 0) {
        numerator.times_plus(2, 0);
        --exponent;
    }
    // The quotient is now at least 1 and below 2. A double has 53 bits, fewer where its last one would be below
    // 2^-1074.
    const int digits = std::min(53, exponent + 1075);
    if (digits < 0) return 0;
    std::uint64_t quotient = 0;
    for (int i = 0; i < digits; ++i) {
        const bool one = numerator.compared_with(denominator) >= 0;
        if (one) numerator.subtract(denominator);
        quotient = 2 * quotient + one;
        numerator.times_plus(2, 0);
    }
    const int rest = numerator.compared_with(denominator);  // twice what is left over, against 1
    if (rest > 0 || (rest == 0 && quotient % 2 == 1)) ++quotient;
    return std::ldexp(static_cast<double>(quotient), exponent - digits + 1);
}

}  // namespace

std::optional<double> nearest_double(const std::string& text) {
    if (text.size() > longest_text) return std::nullopt;
    const char* at = text.c_str();
    const bool negative = *at == '-';
    Whole digits(0);
    int digits_seen = 0, power = 0;
    bool fraction = false;
    for (at += negative; *at == '.' || (*at >= '0' && *at <= '9'); ++at) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        const auto digit = static_cast<std::uint32_t>(*at - '0');
        if (digits.is_zero())
            digits = Whole(digit);
        else
            digits.times_plus(10, digit);
        digits_seen += !digits.is_zero();
        power -= fraction;
    }
    if (digits.is_zero()) return negative ? -0.0 : 0.0;
    if (*at != '\0') {
        const bool down = *++at == '-';
        int written = 0;
        for (at += *at == '-' || *at == '+'; *at != '\0' && written < 10000; ++at) written = 10 * written + (*at - '0');
        power += down ? -written : written;
    }
    if (digits_seen + power > 310 || digits_seen + power < -330) return std::nullopt;
    Whole denominator(1);
    (power < 0 ? denominator : digits).times_power(10, std::abs(power));
    const double size = nearest_quotient(std::move(digits), std::move(denominator));
    if (size == 0 || std::isinf(size)) return std::nullopt;
    return negative ? -size : size;
}

}  // namespace shiftvae
