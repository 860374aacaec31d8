#include "layers_graph.hpp"

#include <cstring>
#include <map>

#include "refusal.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t most_axes = 4, most_on_an_axis = 4096, most_values = 1U << 22U, most_tensors = 1000;

[[noreturn]] void damaged(const std::string& why) { refuse_file("layers.onnx: " + why); }

// A field of a message of Protocol Buffers.
struct Field {
    enum Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

    std::uint64_t number = 0;
    std::uint32_t wire = 0;
    std::uint64_t value = 0;  // of a varint
    Bytes content;            // of bytes

    bool is(std::uint64_t wanted, Wire kind) const noexcept { return number == wanted && wire == kind; }
};

class Message {
public:
    explicit Message(Bytes data) : at_(data.first), end_(data.first + data.size) {}

    // Reads the next field; false at the end.
    bool next(Field& field) {
        if (at_ == end_) return false;
        const std::uint64_t key = varint();
        field = Field{};
        field.number = key >> 3U;
        field.wire = key & 7U;
        switch (field.wire) {
            case Field::varint: field.value = varint(); break;
            case Field::fixed64: take(8); break;
            case Field::bytes: field.content = take(varint()); break;
            case Field::fixed32: take(4); break;
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
    Bytes take(std::uint64_t size) {
        if (size > static_cast<std::size_t>(end_ - at_)) damaged("it ends too soon");
        const Bytes taken{at_, static_cast<std::size_t>(size)};
        at_ += taken.size;
        return taken;
    }

    const std::uint8_t *at_, *end_;
};

std::size_t checked_axis(const Tensor& tensor, std::uint64_t size) {
    if (tensor.shape.size() == most_axes || size < 1 || size > most_on_an_axis)
        damaged("expected tensors of at most 4 axes with 1 to 4096 values");
    return static_cast<std::size_t>(size);
}

// TensorProto: dims 1, data_type 2, name 8, raw_data 9.
std::string read_tensor(Bytes message, Tensor& tensor) {
    std::string name;
    Bytes raw;
    std::uint64_t type = 0;
    Field field;
    for (Message fields(message); fields.next(field);) {
        if (field.is(1, Field::varint))
            tensor.shape.push_back(checked_axis(tensor, field.value));
        else if (field.is(1, Field::bytes))
            for (Message packed(field.content); !packed.at_end();)
                tensor.shape.push_back(checked_axis(tensor, packed.varint()));
        else if (field.is(2, Field::varint))
            type = field.value;
        else if (field.is(8, Field::bytes))
            name = field.content.text();
        else if (field.is(9, Field::bytes))
            raw = field.content;
        else
            damaged("a tensor has a field that the exporter does not write");
    }
    std::size_t count = 1;
    for (const std::size_t size : tensor.shape) {
        if (count > most_values / size) damaged("a tensor of more than 4194304 values");
        count *= size;
    }
    if (type != 1 || raw.size != count * sizeof(float)) damaged("expected constants as raw float32");
    tensor.values.resize(count);
    std::memcpy(tensor.values.data(), raw.first, raw.size);
    return name;
}

// NodeProto: input 1, output 2, name 3, op_type 4. ValueInfoProto: name 1. StringStringEntryProto: key 1, value 2.
std::string text_of(Bytes message, std::uint64_t number) {
    std::string text;
    Field field;
    for (Message fields(message); fields.next(field);)
        if (field.is(number, Field::bytes)) text = field.content.text();
    return text;
}

// GraphProto: node 1, initializer 5, output 12.
std::vector<Tensor> read_graph(Bytes message) {
    std::map<std::string, Tensor> constants;
    std::map<std::string, std::string> sources;
    std::vector<std::string> outputs;
    Field field;
    for (Message fields(message); fields.next(field);) {
        if (constants.size() > most_tensors || sources.size() > most_tensors || outputs.size() > most_tensors)
            damaged("more than 1000 tensors");
        if (field.is(1, Field::bytes)) {
            const std::string operation = text_of(field.content, 4);
            if (operation != "Identity") damaged("the operator " + operation + " has no place in it");
            if (!sources.emplace(text_of(field.content, 2), text_of(field.content, 1)).second) damaged("a name twice");
        } else if (field.is(5, Field::bytes)) {
            Tensor tensor;
            const std::string name = read_tensor(field.content, tensor);
            if (!constants.emplace(name, std::move(tensor)).second) damaged("a name twice");
        } else if (field.is(12, Field::bytes)) {
            outputs.push_back(text_of(field.content, 1));
        }
    }
    std::vector<Tensor> found;
    for (const std::string& output : outputs) {
        const auto source = sources.find(output);
        const auto constant = constants.find(source == sources.end() ? output : source->second);
        if (constant == constants.end()) damaged("nothing gives the output " + output);
        found.push_back(std::move(constant->second));
        constants.erase(constant);
    }
    return found;
}

}  // namespace

// ModelProto: graph 7, metadata_props 14.
LayersGraph read_layers(Bytes graph) {
    LayersGraph layers;
    bool seen = false;
    Field field;
    for (Message fields(graph); fields.next(field);) {
        if (field.is(7, Field::bytes)) {
            if (seen) damaged("two graphs");
            seen = true;
            layers.outputs = read_graph(field.content);
        } else if (field.is(14, Field::bytes)) {
            const std::string key = text_of(field.content, 1);
            if (key == "dilations") layers.dilations = text_of(field.content, 2);
            if (key == "readout") layers.readout = text_of(field.content, 2);
        }
    }
    if (layers.dilations.empty() || layers.readout.empty()) damaged("it lacks its dilations or its readout");
    return layers;
}

}  // namespace shiftvae
