// Numbers of JSON as doubles, with a decimal point whatever locale the host has chosen.
#pragma once

#include <optional>
#include <string>

namespace shiftvae {

// The double nearest to a number that is written by the grammar of JSON, ties to even: the bits of std::from_chars,
// which would bring tables of 33 kB. Nothing if it is too large or too small for a double, or longer than 1100
// characters.
std::optional<double> nearest_double(const std::string& text);

}  // namespace shiftvae
