// Numbers for people, with a decimal point whatever locale the host has chosen.
#pragma once

#include <string>

namespace shiftvae {

// A number of at least 0 with this many digits after the point, 0 or 1.
std::string fixed_text(double number, int digits);

// A number with one digit that counts: 0.2, -3, 4e-06, 3e+01.
std::string one_digit_text(double number);

}  // namespace shiftvae
