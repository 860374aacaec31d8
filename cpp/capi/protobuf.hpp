// Messages of Protocol Buffers, as far as ONNX needs them.
#pragma once

#include <string>

#include "common/bytes.hpp"
#include "refusal.hpp"

namespace shiftvae {

// A field of a message.
struct Field {
    enum Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

    std::uint64_t number = 0;
    std::uint32_t wire = 0;
    std::uint64_t value = 0;  // of a varint
    Bytes content;            // of bytes, fixed32 and fixed64

    bool is(std::uint64_t wanted, Wire kind) const noexcept { return number == wanted && wire == kind; }
};

// Reads the fields of a message one after another; `file` is for the refusal of one that is damaged.
class Message {
public:
    Message(Bytes data, const char* file) : at_(data.first), end_(data.first + data.size), file_(file) {}

    // Reads the next field; false at the end.
    bool next(Field& field) {
        if (at_ == end_) return false;
        const std::uint64_t key = varint();
        field = Field{};
        field.number = key >> 3U;
        field.wire = key & 7U;
        switch (field.wire) {
            case Field::varint: field.value = varint(); break;
            case Field::fixed64: field.content = take(8); break;
            case Field::bytes: field.content = take(varint()); break;
            case Field::fixed32: field.content = take(4); break;
            default: damaged("a field of an unknown kind");
        }
        return true;
    }

    bool at_end() const noexcept { return at_ == end_; }

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const std::uint8_t byte = *take(1).first;
            value |= std::uint64_t{byte & 0x7fU} << shift;
            if (!(byte & 0x80U)) return value;
        }
        damaged("a number without an end");
    }

private:
    [[noreturn]] void damaged(const char* why) const { refuse_file(std::string(file_) + ": " + why); }

    Bytes take(std::uint64_t size) {
        if (size > static_cast<std::size_t>(end_ - at_)) damaged("it ends too soon");
        const Bytes taken{at_, static_cast<std::size_t>(size)};
        at_ += taken.size;
        return taken;
    }

    const std::uint8_t *at_, *end_;
    const char* file_;
};

}  // namespace shiftvae
