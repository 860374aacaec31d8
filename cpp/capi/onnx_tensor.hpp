// What both readers of ONNX graphs take from them: tensors and names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/bytes.hpp"

namespace shiftvae {

// Numbers in the order of C; none in `shape`: a single number.
struct Tensor {
    std::vector<std::size_t> shape;
    std::vector<float> values;
};

struct NamedTensor {
    std::string name;
    Tensor tensor;
};

enum class Numbers { float32, float32_or_int64 };

// Reads a constant, TensorProto. Refuses other numbers, and tensors with more than 4 axes, none or more than 2**24
// values; `file` is for the refusal.
NamedTensor read_tensor(Bytes message, Numbers numbers, const char* file);

// Text of the field with this number: empty if there is none, the last one if there are several.
std::string text_of(Bytes message, std::uint64_t number, const char* file);

}  // namespace shiftvae
