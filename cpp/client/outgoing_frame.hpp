// A frame on its way to the service: filled by lines, sent in one message or several.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "shiftvae/frame_view.hpp"

namespace shiftvae::client {

// What the frames of a stream are made of.
struct Format {
    PixelType type = PixelType::uint8;
    std::size_t channels = 0, height = 0, width = 0;  // px; a line signal has height 1
    double edge_y_nm = 0, edge_x_nm = 0;              // of a pixel; 0: unknown

    std::size_t line_bytes() const noexcept;  // of one line of one channel
    std::size_t row_bytes() const noexcept { return channels * line_bytes(); }
};

// Lines in the caller's memory. A stride of 0: they follow each other.
struct Lines {
    const void* first;
    std::size_t count;
    std::ptrdiff_t line_stride, channel_stride;  // bytes
};

// Owns its pixels. Lines that were filled never change, so that they can be sent while others are filled.
class OutgoingFrame {
public:
    OutgoingFrame(const Format& format, std::uint64_t number, std::string context);

    // Copies in the next lines, at most those that the frame lacks.
    void fill(const Lines& lines, std::int64_t clock_ns, std::int64_t utc_ns);

    // The header of the message of lines `first` to `last` - 1, JSON.
    std::string header(const std::string& stream, std::size_t first, std::size_t last) const;

    // Writes the buffer of that message, (last - first) * row_bytes.
    void copy_lines(std::size_t first, std::size_t last, std::uint8_t* to) const;

    const Format format;
    const std::uint64_t number;
    const std::string context;
    std::uint64_t seq = 0;
    std::size_t filled = 0, sent = 0;  // lines that were offered, and of these given to the network
    std::int64_t clock_ns = 0;         // of the newest line
    bool replaced = false;             // a newer frame came
    bool over = false;                 // has its outcome

private:
    std::uint8_t* line(std::size_t channel, std::size_t y) const noexcept;

    std::int64_t utc_ns_ = 0;
    std::unique_ptr<std::uint8_t[]> pixels_;
};

// Name of a type on the wire, and bytes of a pixel.
const char* type_name(PixelType type) noexcept;
std::size_t type_bytes(PixelType type) noexcept;

}  // namespace shiftvae::client
