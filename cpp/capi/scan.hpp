// A frame on its way through a model: lines in, rows of the latent map out.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "domain.hpp"
#include "model.hpp"
#include "shiftvae/dense_rows.hpp"

namespace shiftvae {

class Scan {
public:
    struct Rows {
        std::size_t first, count;
    };

    // Refuses a frame smaller than a window.
    Scan(std::shared_ptr<const Model> model, std::size_t height, std::size_t width, PixelType type);

    const Grid& grid() const noexcept { return grid_; }
    PixelType type() const noexcept { return type_; }
    std::size_t channels() const noexcept { return model_->manifest.channels; }

    // Takes the next lines, of the width and type of the frame, and writes the rows of the map that become complete at
    // their place in mean, sd (latents, rows, cols). Refuses NaN, lines beyond the frame's end, and a constant frame
    // at its end; the scan stays as it was. It is unusable after any other error.
    Rows push(const FrameView& lines, float* mean, float* sd);

    // Takes all lines at once, in bands for several threads; the same bits. The scan has no use after it.
    void map(const FrameView& frame, float* mean, float* sd, unsigned threads);

    // The verdict on the rows so far of the map that push wrote.
    Verdict verdict(const float* mean, const float* sd) const;

private:
    void check(const FrameView& lines);
    Rows encode(const FrameView& lines, float* mean, float* sd);
    bool encode_band(const FrameView& frame, const std::vector<double>& centre, std::size_t first, std::size_t last,
                     float* mean, float* sd) const;
    FrameView with_kept(const FrameView& lines);
    void keep(const FrameView& lines);

    std::shared_ptr<const Model> model_;
    Grid grid_;
    PixelType type_;
    std::size_t line_;  // bytes of a line of all channels
    SampleWindows samples_;
    std::optional<DenseRows> rows_;
    std::vector<char> kept_;  // the lines that later windows need: (lines, channels, width)
    std::size_t top_ = 0;     // the first of them in the frame
    std::size_t lines_seen_ = 0, rows_done_ = 0;
    std::vector<char> first_pixel_;  // of each channel
    bool flat_ = true, failed_ = false;
};

// The grid of the windows of a frame. Refuses a frame smaller than a window.
Grid grid_of(const Model& model, std::size_t height, std::size_t width);

}  // namespace shiftvae
