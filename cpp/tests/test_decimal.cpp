// Numbers of JSON against std::from_chars, bit for bit.
#include "check.hpp"
#include "common/decimal.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <system_error>

using namespace shiftvae;

namespace {

bool is_read_alike(const std::string& text) {
    double wanted = 0;
    const bool in_range = std::from_chars(text.data(), text.data() + text.size(), wanted).ec == std::errc();
    const std::optional<double> found = nearest_double(text);
    return in_range ? found && std::memcmp(&*found, &wanted, sizeof wanted) == 0 : !found;
}

double with_bits(std::uint64_t bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

std::string text_of(double value, int digits) {
    char text[1200];
    return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::scientific, digits).ptr};
}

}  // namespace

CASE("doubles of any bits, written with 1 to 20 digits, are read as by the standard library") {
    std::mt19937_64 random(1);
    for (int i = 0; i < 200000; ++i) {
        const double value = with_bits(random());
        if (std::isfinite(value)) CHECK(is_read_alike(text_of(value, static_cast<int>(random() % 20))));
    }
}

CASE("numbers as people write them are read as by the standard library") {
    std::mt19937_64 random(2);
    for (int i = 0; i < 200000; ++i) {
        std::string text = std::to_string(static_cast<std::int64_t>(random()) >> random() % 64);
        if (random() % 2) text += '.' + std::to_string(random() >> random() % 64);
        if (random() % 4 == 0) text += "e" + std::to_string(static_cast<int>(random() % 60) - 30);
        CHECK(is_read_alike(text));
    }
}

CASE("the middle between two doubles goes to the even one, and a digit more or less to its own side") {
    std::mt19937_64 random(3);
    for (int i = 0; i < 2000; ++i) {
        const std::uint64_t middle = (random() >> 10U) | (std::uint64_t{1} << 53U) | 1U;  // of 54 bits
        const std::string text = std::to_string(middle);
        CHECK(is_read_alike(text));
        CHECK(is_read_alike(text + '.' + std::string(700, '0')));
        CHECK(is_read_alike(text + '.' + std::string(700, '0') + '1'));
        CHECK(is_read_alike(std::to_string(middle - 1) + '.' + std::string(700, '9')));
    }
}

CASE("the ends of the range are read as by the standard library") {
    const char* const texts[] = {"0",
                                 "-0",
                                 "0.0",
                                 "-0.000e5",
                                 "0e999",
                                 "1",
                                 "-1",
                                 "10",
                                 "0.1",
                                 "1E+2",
                                 "1e-2",
                                 "123456789012345678901234567890",
                                 "1.7976931348623157e308",
                                 "1.7976931348623158e308",
                                 "1.7976931348623159e308",
                                 "-1.8e308",
                                 "1e309",
                                 "1e99999",
                                 "2.2250738585072014e-308",
                                 "2.2250738585072011e-308",
                                 "4.9406564584124654e-324",
                                 "2.4703282292062328e-324",
                                 "2.4703282292062327e-324",
                                 "7.4109846876186981e-324",
                                 "1e-324",
                                 "-1e-400",
                                 "1e-99999",
                                 "9007199254740993",
                                 "9007199254740992.5",
                                 "0.000000000000000000000000000000000000001"};
    for (const char* const text : texts) CHECK(is_read_alike(text));
    CHECK(is_read_alike("0." + std::string(330, '0') + std::string(20, '7')));
    CHECK(is_read_alike("0." + std::string(300, '0') + std::string(500, '7')));
    CHECK(is_read_alike(std::string(309, '1')));
    CHECK(is_read_alike(std::string(310, '9')));
    CHECK(!nearest_double("0." + std::string(1200, '1')));
}
