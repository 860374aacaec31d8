// Rows of a latent map from the lines of a frame: deviations of the windows, the network, and the readout of its code.
#pragma once

#include <cstddef>
#include <vector>

#include "shiftvae/dense_network.hpp"
#include "shiftvae/frame_view.hpp"
#include "shiftvae/readout.hpp"

namespace shiftvae {

// What a network needs to know about the frames that it sees.
struct DenseModel {
    DenseNetwork network;
    Readout readout;                   // of as many planes as the network gives
    std::vector<float> channel_scale;  // one for each channel of the network
    float sd_floor;                    // least deviation of a window, in scaled units, above 0

    // out (rows, cols): the deviation that each window of `lines` is divided by, one for all channels. `centre` as for
    // window_statistics; sd: scratch memory, grows as needed.
    void deviations(const FrameView& lines, const double* centre, std::vector<float>& sd, float* out) const;
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

    // Number of windows in a row of the map.
    std::size_t cols() const noexcept { return (stream_.cols() - 1) / step_ + 1; }
    // The first line that the next push needs: the first of the next window, or the first new one.
    std::size_t first_line() const noexcept;

    // mean, sd: planes of the next `rows` rows of the map, plane_pitch apart. `lines` begin at line `top` of the frame
    // and end with the last line of the last of these rows. After another outcome than done it is unusable.
    DenseStream::Outcome push(const FrameView& lines, std::size_t top, std::size_t rows, float* mean, float* sd,
                              std::size_t plane_pitch);

private:
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
