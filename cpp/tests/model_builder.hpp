// Model files with made-up weights, written here as the exporter writes them: for tests and for the fuzzer.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/bytes.hpp"
#include "sha256.hpp"
#include "shiftvae/dense_rows.hpp"

namespace builder {

using Members = std::vector<std::pair<std::string, std::string>>;

inline shiftvae::Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string little(std::uint64_t value, unsigned size) {
    std::string text;
    for (unsigned i = 0; i < size; ++i) text += static_cast<char>(value >> (8 * i) & 0xffU);
    return text;
}

inline std::string varint(std::uint64_t value) {
    std::string text;
    for (; value > 0x7f; value >>= 7U) text += static_cast<char>((value & 0x7fU) | 0x80U);
    return text + static_cast<char>(value);
}

inline std::string field(unsigned number, const std::string& content) {
    return varint(number << 3U | 2U) + varint(content.size()) + content;
}

inline std::string field(unsigned number, std::uint64_t value) { return varint(number << 3U) + varint(value); }

inline std::uint32_t crc32(const std::string& data) {
    static const std::vector<std::uint32_t> table = [] {
        std::vector<std::uint32_t> values(256);
        for (std::uint32_t i = 0; i < 256; ++i) {
            values[i] = i;
            for (int bit = 0; bit < 8; ++bit)
                values[i] = values[i] & 1U ? values[i] >> 1U ^ 0xedb88320U : values[i] >> 1U;
        }
        return values;
    }();
    std::uint32_t value = 0xffffffffU;
    for (const char byte : data) value = table[(value ^ static_cast<std::uint8_t>(byte)) & 255U] ^ value >> 8U;
    return ~value;
}

// The records of Python's zipfile.
inline std::string zip(const Members& members) {
    const std::string kind = little(20, 2) + little(0, 6) + little(33, 2);
    std::string data, directory;
    for (const auto& [name, content] : members) {
        const std::string sizes = little(crc32(content), 4) + little(content.size(), 4) + little(content.size(), 4);
        directory += little(0x02014b50, 4) + little(3U << 8U | 20U, 2) + kind + sizes + little(name.size(), 2);
        directory += little(0, 8) + little(0600U << 16U, 4) + little(data.size(), 4) + name;
        data += little(0x04034b50, 4) + kind + sizes + little(name.size(), 2) + little(0, 2) + name + content;
    }
    const std::string count = little(members.size(), 2);
    const std::size_t size = directory.size(), place = data.size();
    return data + directory + little(0x06054b50, 4) + little(0, 4) + count + count + little(size, 4) +
           little(place, 4) + little(0, 2);
}

inline std::string array(const std::string& kind, const std::vector<std::size_t>& shape, const void* values,
                         std::size_t size) {
    std::string text = "{'descr': '" + kind + "', 'fortran_order': False, 'shape': (";
    for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    text += "), }";
    text += std::string(117 - text.size(), ' ') + "\n";
    return std::string("\x93NUMPY\x01\x00", 8) + little(text.size(), 2) + text +
           std::string(static_cast<const char*>(values), size);
}

// A network for windows of 8 x 8 px, with a shift on a lattice of two vectors and one content latent.
struct Weights {
    struct Layer {
        std::string name;
        std::vector<std::size_t> shape;
        std::vector<float> values;
    };
    std::vector<Layer> layers;
    shiftvae::Turn turn{2, {}, {1, 0, -1, 1}};
    std::uint32_t state = 1;

    float next(std::size_t inputs) {
        state = state * 1664525U + 1013904223U;
        return (static_cast<float>(state >> 8U) / 8388608.0f - 1.0f) / std::sqrt(static_cast<float>(inputs));
    }
    void add(const std::string& name, std::vector<std::size_t> shape) {
        std::size_t count = 1;
        for (const std::size_t size : shape) count *= size;
        std::vector<float> values(count);
        for (float& value : values) value = next(count / shape[0]);
        layers.push_back({name, std::move(shape), std::move(values)});
    }
    Weights() {
        add("stem0", {8, 2, 4, 3});
        add("stem1", {16, 8, 3, 3});
        add("head0_weight", {16, 16});
        add("head0_bias", {16});
        add("head1_weight", {10, 16});
        add("head1_bias", {10});
        for (int j = 0; j < 8; ++j) {
            turn.orders.push_back(j == 0 ? 1 : j % 5 - 2);
            turn.orders.push_back(j == 0 ? 0 : j == 1 ? 1 : j % 3 - 1);
        }
        turn.orders[2] = 0;
    }

    std::string graph() const {
        std::string nodes, constants, outputs;
        for (std::size_t i = 0; i < layers.size(); ++i) {
            const Layer& layer = layers[i];
            const std::string constant = "c" + std::to_string(i);
            nodes += field(1, field(1, constant) + field(2, layer.name) + field(4, std::string("Identity")));
            std::string tensor;
            for (const std::size_t size : layer.shape) tensor += field(1, size);
            const std::string raw(reinterpret_cast<const char*>(layer.values.data()), 4 * layer.values.size());
            constants += field(5, tensor + field(2, 1) + field(8, constant) + field(9, raw));
            outputs += field(12, field(1, layer.name));
        }
        const auto note = [](const char* key, const std::string& value) {
            return field(14, field(1, std::string(key)) + field(2, value));
        };
        const auto rows = [](const std::vector<int>& powers) {
            std::string text;
            for (std::size_t i = 0; i < powers.size(); i += 2)
                text += (i ? ",[" : "[[") + std::to_string(powers[i]) + "," + std::to_string(powers[i + 1]) + "]";
            return text + "]";
        };
        return field(1, 8) + field(7, nodes + field(2, std::string("layers")) + constants + outputs) +
               note("dilations", "1,2") + note("relu", "false") +
               note("turn", "{\"orders\":" + rows(turn.orders) + ",\"phases\":" + rows(turn.phases) + "}") +
               note("readout",
                    "{\"axes\":2,\"vectors\":[[6.0,0.5],[-0.5,5.0]],\"planar_px\":0.0,\"planar_reach_px\":0.0,"
                    "\"angle_period\":0.0,\"scale_prior\":0.0,\"content\":1,\"further\":[]}");
    }

    shiftvae::DenseModel model(std::size_t stride) const {
        const auto conv = [&](std::size_t i, std::size_t dilation) {
            const auto& s = layers[i].shape;
            return shiftvae::DenseNetwork::Convolution{s[0], s[1], s[2], s[3], dilation, layers[i].values.data()};
        };
        const auto linear = [&](std::size_t i) {
            const auto& s = layers[i].shape;
            return shiftvae::DenseNetwork::Linear{s[0], s[1], layers[i].values.data(), layers[i + 1].values.data()};
        };
        return {shiftvae::DenseNetwork({conv(0, 1), conv(1, 2)}, false, turn, {linear(2), linear(4)}, stride),
                shiftvae::Readout{2, 2, {{6, 0.5}, {-0.5, 5}}, 0, 0, 0, 0, 1},
                {{1.0f}, 1e-3f}};
    }
};

// A frame of counts, 19 x 21 px.
constexpr std::size_t golden_height = 19, golden_width = 21;

inline std::vector<std::uint16_t> golden_frame() {
    std::vector<std::uint16_t> frame;
    for (std::size_t i = 0; i < golden_height * golden_width; ++i)
        frame.push_back(static_cast<std::uint16_t>(100 + (i * i * 2654435761U >> 7U) % 61));
    return frame;
}

inline std::string golden(const Weights& weights) {
    const std::vector<std::uint16_t> frame = golden_frame();
    const shiftvae::FrameView view{frame.data(),    shiftvae::PixelType::uint16, 1, golden_height, golden_width, 0,
                                   2 * golden_width};
    Members members{{"frame.npy", array("<u2", {1, golden_height, golden_width}, frame.data(), 2 * frame.size())}};
    for (const std::size_t stride : {1u, 2u}) {
        const shiftvae::DenseModel model = weights.model(stride);
        shiftvae::DenseRows rows(model, golden_width, 1, {0.0});
        const std::size_t count = (golden_height - 8) / stride + 1, size = count * rows.cols();
        const std::size_t lines = (count - 1) * stride + 8;
        shiftvae::FrameView needed = view;
        needed.height = lines;
        std::vector<float> mean(3 * size), sd(3 * size);
        rows.push(needed, 0, count, mean.data(), sd.data(), size);
        const std::string ending = "_s" + std::to_string(stride) + ".npy";
        const std::vector<std::size_t> shape{3, count, rows.cols()};
        members.emplace_back("mean" + ending, array("<f4", shape, mean.data(), 4 * mean.size()));
        members.emplace_back("std" + ending, array("<f4", shape, sd.data(), 4 * sd.size()));
    }
    return zip(members);
}

inline std::string manifest(const Members& members) {
    std::string text =
        R"({"format": "shiftvae-model-3", "dimensions": 2, "channels": 1, "window": [8, 8], "strides": [1, 2],
 "latents": [{"name": "dy", "unit": "px", "spread": 3.0, "period": null},
  {"name": "dx", "unit": "px", "spread": 3.0, "period": null},
  {"name": "z1", "unit": "\u00b5\"", "spread": 0.5, "period": null}],
 "lattice": [[6.0, 0.5], [-0.5, 5.0]],
 "grains": [], "superlattice": [],
 "intensity": {"normalisation": "zscore", "channel_offset": [0.0], "channel_scale": [1.0], "sd_floor": 1e-3},
 "pixel_size_nm": [0.02, 0.02], "domain": {"strain": [[0.001, 0.0], [0.0, 0.002]],
  "most_strain": 1.0, "structure": 0.0, "most_structure": 1.0, "most_windows_out": 0.1, "centre": [0,0,0,0,0,0,0,0],
  "whitening": [[1,0,0,0,0,0,0,0],[0,1,0,0,0,0,0,0],[0,0,1,0,0,0,0,0],[0,0,0,1,0,0,0,0],
   [0,0,0,0,1,0,0,0],[0,0,0,0,0,1,0,0],[0,0,0,0,0,0,1,0],[0,0,0,0,0,0,0,1]]}, "members": {)";
    for (const auto& [name, content] : members)
        text += (&content == &members.front().second ? "\"" : ", \"") + name +
                "\": {\"size\": " + std::to_string(content.size()) + ", \"sha256\": \"" +
                shiftvae::sha256(bytes_of(content)) + "\"}";
    return text + "}}";
}

// A model file with these members, whose manifest has their hashes.
inline std::string pack(const Members& members) {
    Members all{{"manifest.json", manifest(members)}};
    all.insert(all.end(), members.begin(), members.end());
    return zip(all);
}

inline Members members() {
    const Weights weights;
    return {{"layers.onnx", weights.graph()}, {"golden.npz", golden(weights)}};
}

}  // namespace builder
