#include "onnx_tensor.hpp"

#include <cstring>

#include "protobuf.hpp"
#include "refusal.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t most_axes = 4, most_values = 1U << 24U;
enum DataType : std::uint64_t { float32 = 1, int64 = 7 };

}  // namespace

// TensorProto: dims 1, data_type 2, name 8, raw_data 9.
NamedTensor read_tensor(Bytes message, Numbers numbers, const char* file) {
    NamedTensor found;
    std::string& name = found.name;
    Tensor& tensor = found.tensor;
    Bytes raw;
    std::uint64_t type = 0;
    std::size_t count = 1;
    const auto add_axis = [&](std::uint64_t size) {
        if (tensor.shape.size() == most_axes || size < 1 || count > most_values / size)
            refuse_file(std::string(file) + ": expected tensors of at most 4 axes and 1 to 16777216 values");
        tensor.shape.push_back(static_cast<std::size_t>(size));
        count *= tensor.shape.back();
    };
    Field field;
    for (Message fields(message, file); fields.next(field);) {
        if (field.is(1, Field::varint)) add_axis(field.value);
        if (field.is(1, Field::bytes))
            for (Message packed(field.content, file); !packed.at_end();) add_axis(packed.varint());
        if (field.is(2, Field::varint)) type = field.value;
        if (field.is(8, Field::bytes)) name = field.content.text();
        if (field.is(9, Field::bytes)) raw = field.content;
    }
    const bool whole = type == int64 && numbers == Numbers::float32_or_int64;
    const std::size_t size = whole ? sizeof(std::int64_t) : sizeof(float);
    if ((type != float32 && !whole) || !raw.first || raw.size != count * size)
        refuse_file(std::string(file) + ": expected constants as raw float32" + (whole ? " or int64" : ""));
    tensor.values.resize(count);
    if (!whole) std::memcpy(tensor.values.data(), raw.first, raw.size);
    for (std::size_t i = 0; whole && i < count; ++i) {
        std::int64_t value = 0;
        std::memcpy(&value, raw.first + i * size, size);
        tensor.values[i] = static_cast<float>(value);
    }
    return found;
}

std::string text_of(Bytes message, std::uint64_t number, const char* file) {
    std::string text;
    Field field;
    for (Message fields(message, file); fields.next(field);)
        if (field.is(number, Field::bytes)) text = field.content.text();
    return text;
}

}  // namespace shiftvae
