// Bytes of the fuzzer as small numbers and frames. Memory has the exact size, so that an access one byte beyond is
// seen.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "shiftvae/frame_view.hpp"

namespace shiftvae::fuzz {

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    // A number from low to high; low when the bytes are used up.
    std::size_t number(std::size_t low, std::size_t high) {
        std::uint16_t raw = 0;
        take(&raw, sizeof raw);
        return low + raw % (high - low + 1);
    }

    // `count` bytes; zeros when the input is used up.
    std::unique_ptr<std::uint8_t[]> bytes(std::size_t count) {
        std::unique_ptr<std::uint8_t[]> out(new std::uint8_t[count]());
        take(out.get(), count);
        return out;
    }

    std::vector<float> floats(std::size_t count) {
        std::vector<float> out(count);
        take(out.data(), count * sizeof(float));
        return out;
    }

    std::vector<double> doubles(std::size_t count) {
        std::vector<double> out(count);
        take(out.data(), count * sizeof(double));
        return out;
    }

private:
    void take(void* out, std::size_t count) {
        const std::size_t n = count < size_ ? count : size_;
        if (n) std::memcpy(out, data_, n);
        data_ += n;
        size_ -= n;
    }

    const std::uint8_t* data_;
    std::size_t size_;
};

// A frame with any dtype, any bits in its pixels (NaN and infinity too), and lines that may lie apart.
struct AnyFrame {
    explicit AnyFrame(Input& input) {
        static constexpr std::size_t sizes[] = {1, 2, 2, 4, 4, 4, 8};
        const std::size_t kind = input.number(0, 6), size = sizes[kind];
        view.type = static_cast<PixelType>(kind);
        view.channels = input.number(1, 3);
        view.height = input.number(1, 40);
        view.width = input.number(1, 70);
        const std::size_t line = (view.width + input.number(0, 3)) * size;
        view.line_stride = static_cast<std::ptrdiff_t>(line);
        view.channel_stride = static_cast<std::ptrdiff_t>(line * view.height);
        memory = input.bytes(line * view.height * view.channels);
        view.pixels = memory.get();
    }

    std::unique_ptr<std::uint8_t[]> memory;
    FrameView view;
};

inline Grid any_grid(Input& input, std::size_t height, std::size_t width) {
    Grid grid{height, width, 0, 0, 0};
    grid.window_height = input.number(1, height);
    grid.window_width = input.number(1, width);
    grid.stride = input.number(1, 9);
    return grid;
}

}  // namespace shiftvae::fuzz
