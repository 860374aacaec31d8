// Is a frame like the training data? The checks of shiftvae_rt/domain.py, with the limits in the manifest.
#pragma once

#include <string>
#include <vector>

#include "model.hpp"
#include "shiftvae/frame_view.hpp"

namespace shiftvae {

// A few windows of a frame on a coarse grid, kept as its lines arrive, to be compared with what the decoder draws.
class SampleWindows {
public:
    explicit SampleWindows(const Grid& grid);

    // Keeps the samples among the map rows first to last; `lines` begin at line `top` of the frame.
    void take(const Manifest& manifest, const FrameView& lines, std::size_t top, std::size_t first, std::size_t last);

    // Map rows of the samples so far, and columns of all of them.
    std::size_t count() const noexcept { return contrast.size(); }
    std::size_t row(std::size_t sample) const noexcept { return rows_[sample / cols_.size()]; }
    std::size_t col(std::size_t sample) const noexcept { return cols_[sample % cols_.size()]; }

    std::vector<float> windows;           // (count, C, h, w) in units of their deviation
    std::vector<double> contrast, grain;  // deviations, and steps between floats of their size; in scaled units

private:
    Grid grid_;
    std::vector<std::size_t> rows_, cols_;
};

struct Verdict {
    double score;        // above 1: out of domain
    double windows_out;  // share of the windows that are unlike those of the training data
    std::string reason;  // why it is out of domain
};

// The verdict on the first `rows` rows of a map; planes of mean and sd are plane_pitch apart.
Verdict judge(const Model& model, const Grid& grid, std::size_t rows, const float* mean, const float* sd,
              const SampleWindows& samples);

}  // namespace shiftvae
