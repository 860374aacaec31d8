#include "ruler.hpp"

#include <algorithm>
#include <cmath>

#include "refusal.hpp"

namespace shiftvae {

Ruler::Ruler(const Manifest& manifest, std::size_t stride)
    : axes_(manifest.dimensions), steps_(1), stride_(static_cast<double>(stride)) {
    const double width = static_cast<double>(manifest.window_width);
    steps_ = std::max<std::size_t>(1, static_cast<std::size_t>(std::nearbyint(width / stride_)));
    for (const Manifest::Vector& vector : manifest.lattice)
        vectors_.push_back(axes_ == 2 ? std::vector<double>{vector[0], vector[1]} : std::vector<double>{vector[1]});
    // The pseudo-inverse: the rows of (V V^T)^-1 V.
    double gram[2][2] = {{1, 0}, {0, 1}};
    for (std::size_t k = 0; k < vectors_.size(); ++k)
        for (std::size_t l = 0; l < vectors_.size(); ++l) {
            gram[k][l] = 0;
            for (std::size_t axis = 0; axis < axes_; ++axis) gram[k][l] += vectors_[k][axis] * vectors_[l][axis];
        }
    const double area = gram[0][0] * gram[1][1] - gram[0][1] * gram[1][0];
    if (!(area > 0)) refuse_file("manifest.json: the lattice vectors are parallel");
    const double inverse[2][2] = {{gram[1][1] / area, -gram[0][1] / area}, {-gram[1][0] / area, gram[0][0] / area}};
    for (std::size_t k = 0; k < vectors_.size(); ++k) {
        turns_.emplace_back(axes_, 0.0);
        for (std::size_t axis = 0; axis < axes_; ++axis)
            for (std::size_t l = 0; l < vectors_.size(); ++l) turns_[k][axis] += inverse[k][l] * vectors_[l][axis];
    }
}

std::vector<float> Ruler::advance(const float* shift, std::size_t rows, std::size_t cols) const {
    const std::size_t size = rows * cols, vectors = vectors_.size();
    std::vector<float> found(axes_ * vectors * size, 0.0f);
    std::vector<double> phase(size);
    for (std::size_t k = 0; k < vectors; ++k) {
        for (std::size_t i = 0; i < size; ++i) {
            phase[i] = 0;
            for (std::size_t axis = 0; axis < axes_; ++axis)
                phase[i] += turns_[k][axis] * static_cast<double>(shift[axis * size + i]);
        }
        for (std::size_t axis = 0; axis < axes_; ++axis) {
            const bool down = axes_ == 2 && axis == 0;
            const double expected = stride_ * static_cast<double>(steps_) * turns_[k][axis];
            float* to = found.data() + (axis * vectors + k) * size;
            for (std::size_t row = down ? steps_ : 0; row < rows; ++row)
                for (std::size_t col = down ? 0 : steps_; col < cols; ++col) {
                    const std::size_t i = row * cols + col, before = down ? i - steps_ * cols : i - steps_;
                    const double turns = phase[i] - phase[before] + expected;
                    to[i] = static_cast<float>(turns - std::nearbyint(turns));
                }
        }
    }
    return found;
}

bool Ruler::strain(const std::vector<float>& advance, std::size_t rows, std::size_t cols,
                   std::vector<double>& strain) const {
    const std::size_t top = axes_ == 2 ? steps_ : 0, vectors = vectors_.size();
    strain.assign(axes_ * axes_, 0.0);
    if (rows <= top || cols <= steps_ || !vectors) return false;
    const double count = static_cast<double>((rows - top) * (cols - steps_)) * stride_ * static_cast<double>(steps_);
    for (std::size_t along = 0; along < axes_; ++along)
        for (std::size_t k = 0; k < vectors; ++k) {
            double sum = 0;
            for (std::size_t row = top; row < rows; ++row)
                for (std::size_t col = steps_; col < cols; ++col)
                    sum += static_cast<double>(advance[((along * vectors + k) * rows + row) * cols + col]);
            for (std::size_t axis = 0; axis < axes_; ++axis)
                strain[along * axes_ + axis] += sum / count * vectors_[k][axis];
        }
    return true;
}

}  // namespace shiftvae
