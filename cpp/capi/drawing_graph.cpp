#include "drawing_graph.hpp"

#include <utility>

#include "drawing_operators.hpp"
#include "protobuf.hpp"
#include "refusal.hpp"

namespace shiftvae {
namespace {

constexpr const char* file = "decoder.onnx";
constexpr std::size_t most_nodes = 1000, most_axes = 4, most_values = 1U << 24U;
// AttributeProto: name 1, i 3, s 4, ints 8.
void read_attribute(Bytes message, DrawingNode& node) {
    std::string name, text;
    std::int64_t number = 0;
    std::vector<std::int64_t> numbers;
    Field field;
    for (Message fields(message, file); fields.next(field);) {
        if (field.is(1, Field::bytes)) name = field.content.text();
        if (field.is(3, Field::varint)) number = static_cast<std::int64_t>(field.value);
        if (field.is(4, Field::bytes)) text = field.content.text();
        if (field.is(8, Field::varint)) numbers.push_back(static_cast<std::int64_t>(field.value));
        if (field.is(8, Field::bytes))
            for (Message packed(field.content, file); !packed.at_end();)
                numbers.push_back(static_cast<std::int64_t>(packed.varint()));
        if (numbers.size() > most_axes) refuse_file("decoder.onnx: an attribute names more than four axes");
    }
    if (name == "axes" || name == "perm") node.axes = std::move(numbers);
    if (name == "axis") node.axis = number;
    if (name == "keepdims") node.keeps_dimensions = number;
    if (name == "align_corners") node.aligns_corners = number;
    if (name == "padding_mode") node.padding = text;
    if (name == "mode") node.mode = text;
}

// NodeProto: input 1, output 2, op_type 4, attribute 5.
DrawingNode read_node(Bytes message) {
    DrawingNode node;
    Field field;
    for (Message fields(message, file); fields.next(field);) {
        if (field.is(1, Field::bytes)) node.inputs.push_back(field.content.text());
        if (field.is(2, Field::bytes)) node.output = field.content.text();
        if (field.is(4, Field::bytes)) node.operation = field.content.text();
        if (field.is(5, Field::bytes)) read_attribute(field.content, node);
        if (node.inputs.size() > most_axes + 1) refuse_file("decoder.onnx: a node has too many inputs");
    }
    return node;
}

}  // namespace

// ModelProto: graph 7. GraphProto: node 1, initializer 5, input 11, output 12. ValueInfoProto: name 1.
DrawingGraph::DrawingGraph(Bytes graph) {
    Field outer, field;
    for (Message parts(graph, file); parts.next(outer);) {
        if (!outer.is(7, Field::bytes)) continue;
        for (Message fields(outer.content, file); fields.next(field);) {
            if (field.is(1, Field::bytes)) nodes_.push_back(read_node(field.content));
            if (field.is(11, Field::bytes)) inputs_.push_back(text_of(field.content, 1, file));
            if (field.is(12, Field::bytes)) outputs_.push_back(text_of(field.content, 1, file));
            if (field.is(5, Field::bytes)) {
                NamedTensor constant = read_tensor(field.content, Numbers::float32_or_int64, file);
                constants_.emplace(std::move(constant.name), std::move(constant.tensor));
            }
            if (nodes_.size() + constants_.size() + inputs_.size() + outputs_.size() > 2 * most_nodes)
                refuse_file("decoder.onnx: it has more than 2000 parts");
        }
    }
    if (outputs_.size() != 1 || inputs_.empty()) refuse_file("decoder.onnx: expected one output, and latents to draw");
}

std::vector<float> DrawingGraph::draw(const float* latents, std::size_t count, std::size_t latents_each,
                                      std::size_t size) const {
    if (inputs_.size() != 1)
        refuse(SV_UNSUPPORTED, "the decoder draws by classes: this library knows decoders of latents alone");
    std::map<std::string, Tensor> found;
    found[inputs_[0]] = {{count, latents_each}, std::vector<float>(latents, latents + count * latents_each)};
    const auto value = [&](const std::string& name) -> const Tensor& {
        const auto here = found.find(name);
        if (here != found.end()) return here->second;
        const auto constant = constants_.find(name);
        if (constant == constants_.end()) refuse_file("decoder.onnx: nothing gives " + shown(name));
        return constant->second;
    };
    std::size_t made = 0;
    for (const DrawingNode& node : nodes_) {
        std::vector<const Tensor*> inputs;
        inputs.reserve(node.inputs.size());
        for (const std::string& name : node.inputs) inputs.push_back(&value(name));
        Tensor result = run_operator(node, inputs);
        made += result.values.size();
        if (made > 4 * most_values) refuse_file("decoder.onnx: it makes more than 67108864 numbers");
        found[node.output] = std::move(result);
    }
    const Tensor& windows = value(outputs_[0]);
    if (windows.shape.empty() || windows.shape[0] != count || windows.values.size() != count * size)
        refuse_file("decoder.onnx: its windows have another size than the model's");
    return windows.values;
}

}  // namespace shiftvae
