#include "model.hpp"

#include <charconv>
#include <exception>

#include "common/json.hpp"
#include "golden_frame.hpp"
#include "layers_graph.hpp"
#include "refusal.hpp"
#include "sha256.hpp"
#include "stored_zip.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t drawn_together = 1U << 13U;  // pixels of windows that are drawn in one run

constexpr std::size_t most_file = 512U << 20U, most_member = 256U << 20U, most_manifest = 1U << 20U;
constexpr std::size_t most_px = 4096;      // of a dilation: no sum of them overflows
constexpr std::size_t most_turned = 2048;  // complex features: as many as a layer of 4096 units gives

const Bytes& needed(const std::vector<ZipMember>& members, const std::string& name) {
    const Bytes* content = find_member(members, name);
    if (!content) refuse_file("the model file lacks " + name);
    return *content;
}

void check_sizes(const std::vector<ZipMember>& members) {
    for (const ZipMember& member : members)
        if (member.content.size > (member.name == "manifest.json" ? most_manifest : most_member))
            refuse_file(member.name + " is larger than it may be");
}

void check_kind(const std::vector<ZipMember>& members) {
    for (const char* name : {"filters.onnx", "windows.onnx"})
        if (find_member(members, name))
            refuse(SV_UNSUPPORTED,
                   std::string("the model takes windows one by one (") + name +
                       ", as mlp and most imported models do), which this library lacks: use "
                       "shiftvae_rt in Python, encoder_s4.onnx in onnxruntime, or train a convolutional encoder");
    if (find_member(members, "rounds.onnx"))
        refuse(SV_UNSUPPORTED,
               "the model is of a motif that turns or differs in size (rounds.onnx), which this library lacks: use "
               "shiftvae_rt in Python, or encoder_s4.onnx in onnxruntime");
}

void check_hashes(const std::vector<ZipMember>& members, const Manifest& manifest) {
    std::size_t others = 1;  // manifest.json, and the signature if there is one
    if (find_member(members, "manifest.sig")) ++others;
    if (members.size() != manifest.members.size() + others) refuse_file("members and manifest disagree");
    for (const Manifest::Member& promised : manifest.members) {
        const Bytes& content = needed(members, promised.name);
        if (content.size != promised.size || sha256(content) != promised.sha256)
            refuse_file(promised.name + " is not what was exported (SHA-256 differs)");
    }
}

std::vector<std::size_t> dilations_of(const std::string& text) {
    std::vector<std::size_t> dilations;
    const char *at = text.data(), *const end = at + text.size();
    for (;;) {
        std::size_t dilation = 0;
        const auto [next, error] = std::from_chars(at, end, dilation);
        if (error != std::errc() || dilation < 1 || dilation > most_px || (next != end && *next != ','))
            refuse_file("layers.onnx: expected dilations of 1 to 4096 px");
        dilations.push_back(dilation);
        if (next == end) return dilations;
        at = next + 1;
    }
}

Json json_of(const std::string& text, const char* name) {
    return Json::parse({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, name);
}

std::vector<int> powers_of(const Json& rows, std::size_t most_rows, std::size_t bases) {
    std::vector<int> powers;
    for (const Json& row : rows.items(most_rows)) {
        const std::vector<Json>& of_row = row.items(bases);
        if (of_row.size() != bases) refuse_file("layers.onnx: expected a power of each base of the turn");
        for (const Json& power : of_row) {
            const double number = power.number(-Turn::most, Turn::most);
            powers.push_back(static_cast<int>(number));
            if (static_cast<double>(powers.back()) != number) refuse_file("layers.onnx: expected whole powers");
        }
    }
    return powers;
}

Turn turn_of(const std::string& text) {
    const Json json = json_of(text, "layers.onnx: turn");
    Turn turn;
    if (json.is_null()) return turn;
    json.only({"orders", "phases"});
    turn.bases = json.at("phases").items(2).size();
    if (turn.bases == 0) refuse_file("layers.onnx: expected phases of the turn");
    turn.phases = powers_of(json.at("phases"), 2, turn.bases);
    turn.orders = powers_of(json.at("orders"), most_turned, turn.bases);
    return turn;
}

Readout readout_of(const std::string& text) {
    const Json json = json_of(text, "layers.onnx: readout");
    Readout readout;
    readout.axes = json.at("axes").integer(1, 2);
    for (const Json& vector : json.at("vectors").items(readout.axes)) {
        const std::vector<Json>& coordinates = vector.items(readout.axes);
        if (coordinates.size() != readout.axes) refuse_file("layers.onnx: a lattice vector lacks a coordinate");
        for (std::size_t axis = 0; axis < readout.axes; ++axis)
            readout.vectors[readout.phases][axis] = coordinates[axis].number(-1e6, 1e6);
        ++readout.phases;
    }
    readout.planar_px = json.at("planar_px").number(0, 1e6);
    readout.planar_reach_px = json.at("planar_reach_px").number(0, 1e6);
    readout.angle_period = json.at("angle_period").number(0, 1e6);
    readout.scale_prior = json.at("scale_prior").number(0, 1e6);
    readout.content = json.at("content").integer(0, 1024);
    const std::vector<Json>& further = json.at("further").items(most_further);
    if (!further.empty() && readout.phases != 2)
        refuse_file("layers.onnx: further lattices beside none of two vectors");
    for (const Json& lattice : further) {
        const std::vector<Json>& vectors = lattice.items(2);
        if (vectors.size() != 2) refuse_file("layers.onnx: expected two vectors of each lattice");
        for (std::size_t j = 0; j < 2; ++j) {
            const std::vector<Json>& coordinates = vectors[j].items(2);
            if (coordinates.size() != 2) refuse_file("layers.onnx: a lattice vector lacks a coordinate");
            for (std::size_t axis = 0; axis < 2; ++axis)
                readout.further_vectors[readout.further][j][axis] = coordinates[axis].number(-1e6, 1e6);
        }
        ++readout.further;
    }
    return readout;
}

DenseNetwork network_of(const LayersGraph& layers, std::size_t stride) {
    const std::vector<std::size_t> dilations = dilations_of(layers.dilations);
    const bool relu = json_of(layers.relu, "layers.onnx: relu").boolean();
    const Turn turn = turn_of(layers.turn);
    const std::vector<Tensor>& tensors = layers.outputs;
    if (tensors.size() < dilations.size() || (tensors.size() - dilations.size()) % 2)
        refuse_file("layers.onnx: expected a kernel for each dilation, then pairs of weights and biases");
    std::vector<DenseNetwork::Convolution> stem;
    std::vector<DenseNetwork::Linear> head;
    std::size_t i = 0;
    for (const std::size_t dilation : dilations) {
        const Tensor& kernel = tensors[i++];
        if (kernel.shape.size() != 4) refuse_file("layers.onnx: expected kernels of four axes");
        stem.push_back(
            {kernel.shape[0], kernel.shape[1], kernel.shape[2], kernel.shape[3], dilation, kernel.values.data()});
    }
    for (; i < tensors.size(); i += 2) {
        const Tensor &weight = tensors[i], &bias = tensors[i + 1];
        if (weight.shape.size() != 2 || bias.shape.size() != 1 || weight.shape[0] != bias.shape[0])
            refuse_file("layers.onnx: expected weights (units, inputs) and a bias for each unit");
        head.push_back({weight.shape[0], weight.shape[1], weight.values.data(), bias.values.data()});
    }
    try {
        return DenseNetwork(stem, relu, turn, head, stride);
    } catch (const std::invalid_argument& error) {
        refuse_file(std::string("layers.onnx: ") + error.what());
    }
}

std::size_t network_stride(const Manifest& manifest, std::size_t stride) {
    std::size_t found = 0;
    std::string known;
    for (const std::size_t one : manifest.strides) {
        if (stride > 0 && stride % one == 0) found = one;
        known += (known.empty() ? "" : ", ") + std::to_string(one);
    }
    if (!found)
        refuse(SV_WINDOW, "the model has strides " + known + " px, got " + std::to_string(stride) +
                              ": choose one of them or a multiple");
    return found;
}

}  // namespace

std::vector<float> draw_windows(const Model& model, const float* latents, std::size_t count) {
    if (!model.decoder) refuse(SV_UNSUPPORTED, "the model has no decoder");
    const std::size_t size = model.manifest.channels * model.manifest.window_height * model.manifest.window_width;
    const std::size_t together = std::max<std::size_t>(1, drawn_together / size);
    std::vector<float> windows;
    for (std::size_t first = 0; first < count; first += together) {
        const std::size_t some = std::min(together, count - first), each = model.latents();
        const std::vector<float> drawn = model.decoder->draw(latents + first * each, some, each, size);
        windows.insert(windows.end(), drawn.begin(), drawn.end());
    }
    return windows;
}

std::shared_ptr<const Model> load_model(Bytes file, std::size_t stride) {
    if (file.size > most_file)
        refuse_file("a model file has at most 512 MiB, got " + std::to_string(file.size) + " bytes");
    const std::vector<ZipMember> members = read_stored_zip(file, "the model file");
    check_sizes(members);
    check_records(file, members, {"manifest.json", "manifest.sig"});
    check_kind(members);
    auto model = std::make_shared<Model>();
    const Manifest& manifest = model->manifest = read_manifest(needed(members, "manifest.json"));
    check_hashes(members, manifest);
    const std::size_t base = network_stride(manifest, stride);
    model->stride = stride;
    model->step = stride / base;
    const LayersGraph layers = read_layers(needed(members, "layers.onnx"));
    const Readout readout = readout_of(layers.readout);
    model->dense.reset(new DenseModel{network_of(layers, base), readout, manifest.intensity});
    const DenseNetwork& network = model->dense->network;
    if (network.channels() != manifest.channels || network.window_height() != manifest.window_height ||
        network.window_width() != manifest.window_width || network.planes() != readout.planes() ||
        readout.latents() != model->latents() || readout.axes != manifest.dimensions ||
        readout.further + (readout.further > 0) != manifest.grains.size())
        refuse_file("layers.onnx and manifest.json disagree about channels, window or latents");
    if (const Bytes* decoder = find_member(members, "decoder.onnx")) model->decoder.emplace(*decoder);
    check_golden_frame(*model, needed(members, "golden.npz"), base);
    return model;
}

}  // namespace shiftvae
