#include "common/utf8.hpp"

#include <cstdint>

namespace shiftvae {

std::ptrdiff_t utf8_length(const std::string& text) noexcept {
    std::ptrdiff_t length = 0;
    for (std::size_t at = 0; at < text.size(); ++length) {
        const auto first = static_cast<unsigned char>(text[at++]);
        if (first < 0x80) continue;
        const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4) return -1;
        std::uint32_t code = first & (0x3fU >> static_cast<unsigned>(more));
        for (int i = 0; i < more; ++i) {
            if (at == text.size()) return -1;
            const auto next = static_cast<unsigned char>(text[at++]);
            if ((next & 0xc0U) != 0x80) return -1;
            code = code << 6U | (next & 0x3fU);
        }
        const bool too_long = code < (more == 3 ? 0x10000U : more == 2 ? 0x800U : 0x80U);
        if (too_long || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return -1;
    }
    return length;
}

std::string json_text(const std::string& text) {
    std::string json = "\"";
    for (const char one : text) {
        if (one == '"' || one == '\\') json += '\\';
        if (static_cast<unsigned char>(one) >= 0x20) {
            json += one;
        } else {
            json += one < 0x10 ? "\\u000" : "\\u001";
            json += "0123456789abcdef"[one % 16];
        }
    }
    return json + '"';
}

}  // namespace shiftvae
