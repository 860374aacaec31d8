#include "sha256.hpp"

#include <cstring>

namespace shiftvae {
namespace {

constexpr std::size_t block = 64;

constexpr std::uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::uint32_t turned(std::uint32_t x, unsigned bits) noexcept { return x >> bits | x << (32U - bits); }

void add_block(std::uint32_t* hash, const std::uint8_t* data) noexcept {
    std::uint32_t w[64];
    for (std::size_t i = 0; i < 16; ++i, data += 4)
        w[i] = std::uint32_t{data[0]} << 24U | std::uint32_t{data[1]} << 16U | std::uint32_t{data[2]} << 8U | data[3];
    for (std::size_t i = 16; i < 64; ++i) {
        const std::uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3U) + w[i - 7] +
               (turned(b, 17) ^ turned(b, 19) ^ b >> 10U);
    }
    std::uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3];
    std::uint32_t e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (std::size_t i = 0; i < 64; ++i) {
        const std::uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
        const std::uint32_t one =
            h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + choice + round_constants[i] + w[i];
        const std::uint32_t two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + majority;
        h = g, g = f, f = e, e = d + one;
        d = c, c = b, b = a, a = one + two;
    }
    const std::uint32_t added[] = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) hash[i] += added[i];
}

}  // namespace

std::string sha256(Bytes data) {
    std::uint32_t hash[] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const std::size_t whole = data.size / block * block, left = data.size - whole;
    for (std::size_t at = 0; at < whole; at += block) add_block(hash, data.first + at);
    std::uint8_t tail[2 * block] = {};
    if (left) std::memcpy(tail, data.first + whole, left);
    tail[left] = 0x80;
    const std::size_t length = left < block - 8 ? block : 2 * block;
    const std::uint64_t bits = std::uint64_t{data.size} * 8;
    for (unsigned i = 0; i < 8; ++i) tail[length - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
    for (std::size_t at = 0; at < length; at += block) add_block(hash, tail + at);
    std::string text;
    for (const std::uint32_t word : hash)
        for (unsigned shift = 32; shift;) text += "0123456789abcdef"[word >> (shift -= 4) & 15U];
    return text;
}

}  // namespace shiftvae
