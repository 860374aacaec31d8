// Model files for sv_open_bytes: any bytes; or a valid file of which one member, or the whole, was replaced or changed
// in places. The hashes fit, so that the fuzzer comes past them.
#include "input.hpp"
#include "model_builder.hpp"
#include "shiftvae.h"

using namespace shiftvae;

namespace {

// Changes, removes and adds bytes of a text where the fuzzer says.
void edit(fuzz::Input& input, std::string& text) {
    for (std::size_t edits = input.number(1, 12); edits && !text.empty(); --edits) {
        const std::size_t at = input.number(0, 65535) % text.size(), kind = input.number(0, 3);
        const char byte = static_cast<char>(input.number(0, 255));
        if (kind == 0) text.erase(at, input.number(1, 16));
        if (kind == 1) text.insert(at, 1, byte);
        if (kind > 1) text[at] = byte;
    }
}

void open(const std::string& file, int stride) {
    sv_model* model = nullptr;
    const int code = sv_open_bytes(file.data(), file.size(), stride, &model);
    if ((code == SV_OK) != (*sv_error(model) == 0)) __builtin_trap();
    if (code == SV_OK) {
        const std::vector<std::uint16_t> frame = builder::golden_frame();
        std::vector<float> mean(1U << 16U), sd(1U << 16U);
        int rows = 0, cols = 0;
        if (sv_grid(model, builder::golden_height, builder::golden_width, &rows, &cols) == SV_OK &&
            sv_channels(model) == 1 && static_cast<std::size_t>(sv_latents(model) * rows * cols) <= mean.size())
            sv_map(model, frame.data(), SV_UINT16, builder::golden_height, builder::golden_width, 0, 0, mean.data(),
                   sd.data());
    }
    sv_close(model);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const builder::Members valid = builder::members();
    fuzz::Input input(data, size);
    const std::size_t kind = input.number(0, 7);
    const int stride = static_cast<int>(input.number(0, 5));
    const std::string rest(size > 4 ? reinterpret_cast<const char*>(data) + 4 : "", size > 4 ? size - 4 : 0);
    builder::Members members = valid;
    if (kind < 2) {  // a member
        members[kind].second = rest;
        open(builder::pack(members), stride);
    } else if (kind < 4) {
        edit(input, members[kind - 2].second);
        open(builder::pack(members), stride);
    } else if (kind < 6) {  // the manifest
        std::string text = kind == 4 ? rest : builder::manifest(members);
        if (kind == 5) edit(input, text);
        members.insert(members.begin(), {"manifest.json", text});
        open(builder::zip(members), stride);
    } else {  // the whole
        std::string file = kind == 6 ? rest : builder::pack(members);
        if (kind == 7) edit(input, file);
        open(file, stride);
    }
    return 0;
}
