#include "array_file.hpp"

#include <charconv>
#include <cstring>

#include "refusal.hpp"

namespace shiftvae {
namespace {

struct Kind {
    const char* name;
    PixelType type;
};

constexpr Kind kinds[] = {{"|u1", PixelType::uint8},  {"<u2", PixelType::uint16}, {"<i2", PixelType::int16},
                          {"<u4", PixelType::uint32}, {"<i4", PixelType::int32},  {"<f4", PixelType::float32},
                          {"<f8", PixelType::float64}};

constexpr std::size_t head_size = 10;  // before the description
constexpr std::size_t most_on_an_axis = 1U << 20U, most_numbers = 1U << 28U;

}  // namespace

std::size_t pixel_size(PixelType type) noexcept {
    constexpr std::size_t sizes[] = {1, 2, 2, 4, 4, 4, 8};
    return sizes[static_cast<int>(type)];
}

ArrayFile read_array(Bytes data, const std::string& name) {
    const auto damaged = [&] { refuse_file(name + " is not an array of three axes as it was exported"); };
    if (data.size < head_size || std::memcmp(data.first, "\x93NUMPY\x01\x00", 8) != 0) damaged();
    const std::size_t length = number16(data.first + 8);
    if (data.size - head_size < length) damaged();
    const std::string text = Bytes{data.first + head_size, length}.text();
    const char *at = text.c_str(), *const end = at + text.size();
    const auto take = [&](const char* word) {
        const std::size_t size = std::strlen(word);
        const bool same = static_cast<std::size_t>(end - at) >= size && std::memcmp(at, word, size) == 0;
        if (same) at += size;
        return same;
    };
    ArrayFile array{};
    bool known = false;
    if (!take("{'descr': '")) damaged();
    for (const Kind& kind : kinds)
        if (!known && take(kind.name)) known = true, array.type = kind.type;
    if (!known || !take("', 'fortran_order': False, 'shape': (")) damaged();
    for (std::size_t axis = 0, count = 1; axis < 3; ++axis) {
        if (axis && !take(", ")) damaged();
        const auto [next, error] = std::from_chars(at, end, array.shape[axis]);
        const std::size_t size = array.shape[axis];
        if (error != std::errc() || size < 1 || size > most_on_an_axis || size > most_numbers / count) damaged();
        count *= size;
        at = next;
    }
    if (!take("), }")) damaged();
    const Bytes values = data.from(head_size + length);
    if (values.size / pixel_size(array.type) != array.size() || values.size % pixel_size(array.type)) damaged();
    array.values.assign(values.first, values.first + values.size);
    return array;
}

}  // namespace shiftvae
