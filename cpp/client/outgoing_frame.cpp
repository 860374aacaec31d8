#include "outgoing_frame.hpp"

#include <charconv>
#include <cstring>
#include <utility>

#include "common/utf8.hpp"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire is little-endian, and so must be the machine"
#endif

namespace shiftvae::client {

namespace {

// The shortest digits that give the same number, whatever locale the host has chosen.
std::string digits(double value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace

const char* type_name(PixelType type) noexcept {
    constexpr const char* names[] = {"uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"};
    return names[static_cast<std::size_t>(type)];
}

std::size_t type_bytes(PixelType type) noexcept {
    constexpr std::size_t bytes[] = {1, 2, 2, 4, 4, 4, 8};
    return bytes[static_cast<std::size_t>(type)];
}

std::size_t Format::line_bytes() const noexcept { return width * type_bytes(type); }

OutgoingFrame::OutgoingFrame(const Format& format_of, std::uint64_t number_of, std::string context_of)
    : format(format_of),
      number(number_of),
      context(std::move(context_of)),
      pixels_(new std::uint8_t[format_of.height * format_of.row_bytes()]) {}  // without zeros: they are written once

std::uint8_t* OutgoingFrame::line(std::size_t channel, std::size_t y) const noexcept {
    return pixels_.get() + (channel * format.height + y) * format.line_bytes();
}

void OutgoingFrame::fill(const Lines& lines, std::int64_t now_ns, std::int64_t now_utc_ns) {
    const auto* const first = static_cast<const std::uint8_t*>(lines.first);
    const std::ptrdiff_t line_stride =
        lines.line_stride ? lines.line_stride : static_cast<std::ptrdiff_t>(format.line_bytes());
    const std::ptrdiff_t channel_stride =
        lines.channel_stride ? lines.channel_stride : static_cast<std::ptrdiff_t>(lines.count) * line_stride;
    for (std::size_t channel = 0; channel < format.channels; ++channel)
        for (std::size_t y = 0; y < lines.count; ++y)
            std::memcpy(line(channel, filled + y),
                        first + static_cast<std::ptrdiff_t>(channel) * channel_stride +
                            static_cast<std::ptrdiff_t>(y) * line_stride,
                        format.line_bytes());
    filled += lines.count;
    clock_ns = now_ns;
    utc_ns_ = now_utc_ns;
}

std::string OutgoingFrame::header(const std::string& stream, std::size_t first, std::size_t last) const {
    const std::string rows = std::to_string(last - first), width = std::to_string(format.width),
                      type = json_text(type_name(format.type));
    std::string shape = format.height == 1 ? width : rows + "," + width;  // a signal has no lines
    if (format.channels > 1) shape = std::to_string(format.channels) + "," + shape;
    const std::string edges =
        format.edge_y_nm > 0 ? "[" + digits(format.edge_y_nm) + "," + digits(format.edge_x_nm) + "]" : "null";
    return "{\"htype\":\"array-1.0\",\"type\":" + type + ",\"dtype\":" + type + ",\"shape\":[" + shape +
           "],\"encoding\":\"little\",\"order\":\"C\",\"frame\":" + std::to_string(number) +
           ",\"series\":0,\"source\":" + json_text(stream) + ",\"name\":\"\",\"context\":" + json_text(context) +
           ",\"frame_shape\":[" + std::to_string(format.height) + "," + width + "],\"roi\":[" + std::to_string(first) +
           ",0," + rows + "," + width + "],\"valid_rows\":" + std::to_string(last) +
           ",\"complete\":" + (last == format.height ? "true" : "false") + ",\"seq\":" + std::to_string(seq) +
           ",\"pixel_size_nm\":" + edges + ",\"clock_ns\":" + std::to_string(clock_ns) +
           ",\"utc_ns\":" + std::to_string(utc_ns_) + "}";
}

void OutgoingFrame::copy_lines(std::size_t first, std::size_t last, std::uint8_t* to) const {
    const std::size_t bytes = (last - first) * format.line_bytes();
    for (std::size_t channel = 0; channel < format.channels; ++channel)
        std::memcpy(to + channel * bytes, line(channel, first), bytes);
}

}  // namespace shiftvae::client
