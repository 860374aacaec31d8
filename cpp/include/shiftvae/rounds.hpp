// Rounds that improve the latents of motifs that turn or differ in size: each samples a window in the motif's frame and
// takes one Gauss-Newton step of the decoder.
#pragma once

#include <cstddef>
#include <vector>

namespace shiftvae {

class Rounds {
public:
    struct Shape {
        std::size_t channels, points, content;
        std::size_t height, width;  // of a window, px, at least 2
        double period;              // of the angle, degrees; 0: no angle
        bool grows;                 // whether the motif has a size

        std::size_t latents() const noexcept { return first_content() + content; }
        std::size_t first_content() const noexcept { return 2 + (period > 0) + grows; }
    };

    // points: (2, points) y, then x, px from the motif; motif: (1 + content, channels, points), the motif and its
    // change for a unit of each content; inverse: (latents, channels, points), steps for a residual; deviation:
    // (latents).
    Rounds(Shape shape, const float* points, const float* motif, const float* inverse, const float* deviation);

    const Shape& shape() const noexcept { return shape_; }

    // Improves mean (latents) of each of `count` windows (channels, height, width), of mean 0 and deviation 1, and
    // gives sd; values of a window lie `pitch` apart, those of neighbouring windows beside each other. The values of a
    // window do not depend on its neighbours.
    void improve(const float* windows, std::size_t count, std::size_t pitch, float* mean, float* sd) const;

private:
    void improve_one(const float* window, std::size_t pitch, float* scratch, float* mean, float* sd) const noexcept;

    Shape shape_;
    std::size_t padded_;  // points, and further ones without weight
    std::vector<float> y_, x_, use_, motif_, inverse_, deviation_;
};

}  // namespace shiftvae
