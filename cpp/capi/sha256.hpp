// SHA-256 (FIPS 180-4).
#pragma once

#include <string>

#include "common/bytes.hpp"

namespace shiftvae {

// 64 hexadecimal digits in lower case.
std::string sha256(Bytes data);

}  // namespace shiftvae
