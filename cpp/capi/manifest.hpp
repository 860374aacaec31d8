// What the library needs to know of a model file's manifest.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "common/bytes.hpp"
#include "shiftvae/dense_rows.hpp"

namespace shiftvae {

struct Manifest {
    struct Latent {
        std::string name, unit;
        double spread;
        double period;  // of an angle, in its unit; 0: none
    };
    struct Member {
        std::string name, sha256;
        std::size_t size;
    };
    using Vector = std::array<double, 2>;       // y, x
    struct Domain {                             // as in shiftvae_rt/model/manifest.py
        std::vector<double> centre, whitening;  // of the features of a window: (K), (K, K)
        std::vector<double> strain;             // (along, axis): mean displacement for a px along an axis, px
        double most_windows_out, most_strain, structure, most_structure;
    };

    std::string text;
    std::size_t dimensions, channels, window_height, window_width;
    std::vector<std::size_t> strides;  // px, rising
    std::vector<Latent> latents;
    std::vector<Vector> lattice;  // px
    struct Grain {
        Vector vectors[2];  // px
        Vector strain[2];   // as Domain::strain
    };
    std::vector<Grain> grains;         // none for a single one
    std::vector<Vector> superlattice;  // vectors of the order latents, in reciprocal vectors of the lattice
    Intensity intensity;
    double aspect;  // height of a pixel over its width
    std::optional<Domain> domain;
    std::vector<Member> members;
};

// Refuses another format, a field that is missing or wrong, and fields that contradict each other.
Manifest read_manifest(Bytes text);

}  // namespace shiftvae
