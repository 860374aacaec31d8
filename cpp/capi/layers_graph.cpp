#include "layers_graph.hpp"

#include <map>
#include <utility>

#include "protobuf.hpp"
#include "refusal.hpp"

namespace shiftvae {
namespace {

constexpr const char* file = "layers.onnx";
constexpr std::size_t most_on_an_axis = 4096, most_tensors = 1000;

[[noreturn]] void damaged(const std::string& why) { refuse_file("layers.onnx: " + why); }

// NodeProto: input 1, output 2, name 3, op_type 4. ValueInfoProto: name 1. StringStringEntryProto: key 1, value 2.
std::string text_of(Bytes message, std::uint64_t number) { return text_of(message, number, file); }

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
            NamedTensor constant = read_tensor(field.content, Numbers::float32, file);
            for (const std::size_t size : constant.tensor.shape)
                if (size > most_on_an_axis) damaged("expected tensors of at most 4096 values along an axis");
            if (!constants.emplace(std::move(constant.name), std::move(constant.tensor)).second)
                damaged("a name twice");
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
            if (key == "relu") layers.relu = text_of(field.content, 2);
            if (key == "turn") layers.turn = text_of(field.content, 2);
            if (key == "readout") layers.readout = text_of(field.content, 2);
        }
    }
    for (const std::string* text : {&layers.dilations, &layers.relu, &layers.turn, &layers.readout})
        if (text->empty()) damaged("it lacks its dilations, relu, turn or readout: export the model again");
    return layers;
}

}  // namespace shiftvae
