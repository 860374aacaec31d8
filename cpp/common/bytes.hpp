// Bytes in the caller's memory, and little-endian numbers among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace shiftvae {

struct Bytes {
    const std::uint8_t* first = nullptr;
    std::size_t size = 0;

    std::string text() const { return size ? std::string(reinterpret_cast<const char*>(first), size) : std::string(); }
    // The bytes from `at` on, which is not beyond the end.
    Bytes from(std::size_t at) const noexcept { return {first + at, size - at}; }
};

inline std::uint32_t number16(const std::uint8_t* at) noexcept {
    return at[0] | static_cast<std::uint32_t>(at[1]) << 8U;
}
inline std::uint32_t number32(const std::uint8_t* at) noexcept { return number16(at) | number16(at + 2) << 16U; }

}  // namespace shiftvae
