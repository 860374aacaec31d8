#include "layers_graph.hpp"

#include <cstring>
#include <map>

#include "protobuf.hpp"

namespace shiftvae {
namespace {

constexpr const char* file = "layers.onnx";
constexpr std::size_t most_axes = 4, most_on_an_axis = 4096, most_values = 1U << 22U, most_tensors = 1000;

[[noreturn]] void damaged(const std::string& why) { refuse_file("layers.onnx: " + why); }

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
    for (Message fields(message, file); fields.next(field);) {
        if (field.is(1, Field::varint))
            tensor.shape.push_back(checked_axis(tensor, field.value));
        else if (field.is(1, Field::bytes))
            for (Message packed(field.content, file); !packed.at_end();)
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
    for (Message fields(message, file); fields.next(field);)
        if (field.is(number, Field::bytes)) text = field.content.text();
    return text;
}

// GraphProto: node 1, initializer 5, output 12.
std::vector<Tensor> read_graph(Bytes message) {
    std::map<std::string, Tensor> constants;
    std::map<std::string, std::string> sources;
    std::vector<std::string> outputs;
    Field field;
    for (Message fields(message, file); fields.next(field);) {
        if (constants.size() > most_tensors || sources.size() > most_tensors || outputs.size() > most_tensors)
            damaged("more than 1000 tensors");
        if (field.is(1, Field::bytes)) {
            const std::string operation = text_of(field.content, 4);
            if (operation != "Identity") damaged("the operator " + shown(operation) + " has no place in it");
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
        if (constant == constants.end()) damaged("nothing gives the output " + shown(output));
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
    for (Message fields(graph, file); fields.next(field);) {
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
