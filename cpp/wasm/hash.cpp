// SHA-256 for the page: a browser has one of its own only where the page came by https or from a file.
#include <algorithm>
#include <cstdint>
#include <string>

#include "sha256.hpp"

// Writes the hash of `size` bytes as 64 hexadecimal digits and a zero byte.
extern "C" __attribute__((visibility("default"))) void shiftvae_sha256(const std::uint8_t* data, std::size_t size,
                                                                       char* digits) {
    const std::string hash = shiftvae::sha256({data, size});
    std::copy_n(hash.c_str(), hash.size() + 1, digits);
}
