#include "manifest.hpp"

#include <algorithm>
#include <utility>

#include "common/json.hpp"
#include "refusal.hpp"
#include "shiftvae/readout.hpp"

namespace shiftvae {
namespace {

constexpr const char* format = "shiftvae-model-3";
constexpr double most = 1e30;                 // of any measure
constexpr double least_sd = 1e-15;            // a constant window becomes zeros
constexpr std::size_t most_size = 1U << 28U;  // of a member, bytes

Manifest::Vector vector_of(const Json& json, double low, double high) {
    const std::vector<Json>& items = json.items(2);
    if (items.size() != 2) refuse_file("manifest.json: expected pairs (y, x)");
    return {items[0].number(low, high), items[1].number(low, high)};
}

void read_latents(const Json& json, Manifest& manifest) {
    for (const Json& latent : json.items(1024)) {
        const Json& period = latent.at("period");
        manifest.latents.push_back({latent.at("name").text(), latent.at("unit").text(),
                                    latent.at("spread").number(0, most),
                                    period.is_null() ? 0 : period.number(0, most)});
    }
}

void read_intensity(const Json& json, Manifest& manifest) {
    const std::string& kind = json.at("normalisation").text();
    if (kind != "zscore")
        refuse(SV_UNSUPPORTED, "the model scales its windows by \"" + kind + "\": this library knows \"zscore\" alone");
    for (const Json& scale : json.at("channel_scale").items(1024))
        manifest.intensity.channel_scale.push_back(static_cast<float>(scale.number(-most, most)));
    if (manifest.intensity.channel_scale.size() != manifest.channels)
        refuse_file("manifest.json: a scale for each channel is not there");
    manifest.intensity.sd_floor = static_cast<float>(std::max(json.at("sd_floor").number(0, most), least_sd));
}

// The numbers of a square matrix.
std::vector<double> matrix_of(const Json& json, std::size_t size) {
    std::vector<double> numbers;
    for (const Json& row : json.items(size))
        for (const Json& number : row.items(size)) numbers.push_back(number.number(-most, most));
    if (numbers.size() != size * size) refuse_file("manifest.json: expected a matrix of as many rows as columns");
    return numbers;
}

void read_domain(const Json& json, Manifest& manifest) {
    if (json.is_null()) return;
    Manifest::Domain domain{};
    for (const Json& number : json.at("centre").items(1024)) domain.centre.push_back(number.number(-most, most));
    domain.whitening = matrix_of(json.at("whitening"), domain.centre.size());
    domain.strain = matrix_of(json.at("strain"), manifest.dimensions);
    domain.most_windows_out = json.at("most_windows_out").number(1e-30, most);
    domain.most_strain = json.at("most_strain").number(1e-30, most);
    domain.structure = json.at("structure").number(-most, most);
    domain.most_structure = json.at("most_structure").number(1e-30, most);
    manifest.domain = std::move(domain);
}

void read_grains(const Json& json, Manifest& manifest) {
    for (const Json& one : json.items(most_further + 1)) {
        Manifest::Grain grain{};
        const std::vector<Json>&vectors = one.at("vectors").items(2), &strain = one.at("strain").items(2);
        if (vectors.size() != 2 || strain.size() != 2)
            refuse_file("manifest.json: a grain lacks a vector or its strain");
        for (std::size_t i = 0; i < 2; ++i) {
            grain.vectors[i] = vector_of(vectors[i], -1e6, 1e6);
            grain.strain[i] = vector_of(strain[i], -most, most);
        }
        manifest.grains.push_back(grain);
    }
    if (!manifest.grains.empty() && (manifest.grains.size() < 2 || manifest.lattice.size() != 2))
        refuse_file("manifest.json: expected no grains, or several beside a lattice of two vectors");
}

void read_members(const Json& json, Manifest& manifest) {
    const std::vector<std::string>& names = json.keys();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Json& member = json.values()[i];
        manifest.members.push_back({names[i], member.at("sha256").text(), member.at("size").integer(0, most_size)});
    }
}

}  // namespace

Manifest read_manifest(Bytes text) {
    const Json json = Json::parse(text, "manifest.json");
    const std::string& found = json.at("format").text();
    if (found != format) refuse_file("the model file has the format " + found + ", this library reads " + format);
    Manifest manifest{};
    manifest.text = text.text();
    manifest.dimensions = json.at("dimensions").integer(1, 2);
    manifest.channels = json.at("channels").integer(1, 1024);
    const std::vector<Json>& window = json.at("window").items(2);
    if (window.size() != 2) refuse_file("manifest.json: expected a window (height, width)");
    manifest.window_height = window[0].integer(1, manifest.dimensions == 1 ? 1 : 1024);
    manifest.window_width = window[1].integer(1, 1024);
    for (const Json& stride : json.at("strides").items(64)) {
        manifest.strides.push_back(stride.integer(1, 4096));
        const std::size_t count = manifest.strides.size();
        if (count > 1 && manifest.strides[count - 2] >= manifest.strides[count - 1])
            refuse_file("manifest.json: the strides do not rise");
    }
    read_latents(json.at("latents"), manifest);
    for (const Json& vector : json.at("lattice").items(manifest.dimensions))
        manifest.lattice.push_back(vector_of(vector, -1e6, 1e6));
    read_grains(json.at("grains"), manifest);
    if (json.has("superlattice"))
        for (const Json& vector : json.at("superlattice").items(16))
            manifest.superlattice.push_back(vector_of(vector, -1, 1));
    if (!manifest.superlattice.empty() && manifest.latents.size() < 2 + 2 * manifest.superlattice.size())
        refuse_file("manifest.json: the latents of the superlattice are not there");
    read_intensity(json.at("intensity"), manifest);
    const Json& edges = json.at("pixel_size_nm");
    const Manifest::Vector edge = edges.is_null() ? Manifest::Vector{1, 1} : vector_of(edges, 1e-12, 1e12);
    manifest.aspect = edge[0] / edge[1];
    read_domain(json.at("domain"), manifest);
    read_members(json.at("members"), manifest);
    return manifest;
}

}  // namespace shiftvae
