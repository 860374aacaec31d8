// Rows of a latent map from the lines of a frame: deviations of the windows, the network, and the readout of its code.
#pragma once

#include <cstddef>
#include <vector>

#include "shiftvae/dense_network.hpp"
#include "shiftvae/frame_view.hpp"
#include "shiftvae/readout.hpp"

namespace shiftvae {

// The factor of each channel, and the least deviation of a window in these units, above 0.
struct Intensity {
    std::vector<float> channel_scale;
    float sd_floor;
};

// out (rows, cols): the deviation that each window of `lines` is divided by, one for all channels. `centre` as for
// window_statistics; sd: scratch memory, grows as needed.
void window_deviations(const FrameView& lines, const Grid& grid, const double* centre, const Intensity& intensity,
                       std::vector<float>& sd, float* out);

struct DenseModel {
    DenseNetwork network;
    Readout readout;      // of as many planes as the network gives
    Intensity intensity;  // a factor for each channel of the network
};

// The constant that is near the pixels of each channel of a frame, from the lines of its first row of windows alone, so
// that a frame that comes line by line is treated like a whole one. 0 for pixels of 8 and 16 bits, whose sums are
// exact. Rounded to a multiple of a power of two near a 500th of their range.
std::vector<double> frame_centre(const FrameView& lines, std::size_t window_height);

// A frame that arrives in parts. The bits of a window do not depend on the parts. The model must outlive it.
class DenseRows {
public:
    // width: of the frame in px, at least that of a window. The map takes every `step`-th window of the network, along
    // both axes.
    DenseRows(const DenseModel& model, std::size_t width, std::size_t step, std::vector<double> centre);

    std::size_t latents() const noexcept { return model_.readout.latents(); }
    // Number of windows in a row of the map.
    std::size_t cols() const noexcept { return (stream_.cols() - 1) / step_ + 1; }
    // The first line that the next push needs: the first of the next window, or the first new one.
    std::size_t first_line() const noexcept;
    // The line after the last one that the next `rows` rows of the map need; rows: at least 1.
    std::size_t end_line(std::size_t rows) const noexcept;
    bool accepts(const FrameView& lines) const noexcept { return stream_.accepts(lines); }

    // mean, sd: planes of the next `rows` rows of the map, plane_pitch apart. `lines` begin at line `top` of the frame
    // and end at end_line(rows). After another outcome than done every push gives `stopped`.
    DenseStream::Outcome push(const FrameView& lines, std::size_t top, std::size_t rows, float* mean, float* sd,
                              std::size_t plane_pitch);

    // Makes the push that runs in another thread end soon, or else the next one.
    void stop() noexcept { stream_.stop(); }

private:
    std::size_t skipped() const noexcept { return (step_ - rows_seen_ % step_) % step_; }
    void read(std::size_t first, std::size_t count, std::size_t code_rows, float* mean, float* sd,
              std::size_t plane_pitch);

    const DenseModel& model_;
    DenseStream stream_;
    std::size_t step_;
    std::vector<double> centre_;
    std::size_t lines_seen_ = 0, rows_seen_ = 0;  // lines of the frame; rows of windows of the network
    std::vector<float> channel_sd_, deviations_, code_, picked_, mean_, sd_;
};

}  // namespace shiftvae
