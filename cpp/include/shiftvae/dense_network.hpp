// A convolutional network that slides over a frame, line by line: neighbouring windows share their work, and the lines
// that the layers keep stay in the caches.
//
//   lines -> differences -> stem: convolutions without bias, ReLU -> / deviation -> head: 1x1 layers, tanh between
//
// Without ReLU the features can be complex numbers that turn with the lattice: see Turn.
//
// The kernel of the first layer sums to zero, so it can be applied to differences between neighbouring pixels, which
// are exact for counts, whatever steps the frame has. Its weights are given for these differences.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "shiftvae/aligned.hpp"
#include "shiftvae/frame_view.hpp"
#include "shiftvae/turn.hpp"

namespace shiftvae {

class DenseNetwork {
public:
    // weights: (units, inputs, height, width). The first layer has 2 inputs for each channel of the frame: the right
    // neighbour minus the pixel, and the pixel minus the one above it (only the former if its height is 1, for signals
    // of one line). Dilation in px along both axes, 1 in the first layer.
    struct Convolution {
        std::size_t units, inputs, height, width, dilation;
        const float* weights;
    };
    // weights: (units, inputs); bias: (units).
    struct Linear {
        std::size_t units, inputs;
        const float *weights, *bias;
    };

    // For windows `stride` px apart; `relu` after each layer of the stem. std::invalid_argument if a layer or the turn
    // does not fit the layer before it.
    DenseNetwork(const std::vector<Convolution>& stem, bool relu, const Turn& turn, const std::vector<Linear>& head,
                 std::size_t stride);

    std::size_t channels() const noexcept { return channels_; }
    std::size_t stride() const noexcept { return stride_; }
    std::size_t window_height() const noexcept { return window_height_; }
    std::size_t window_width() const noexcept { return window_width_; }
    // Number of planes of the code: units of the last layer.
    std::size_t planes() const noexcept { return planes_; }

private:
    friend class DenseStream;
    // The place of taps whose inputs are neighbours: the line among those that the kernel covers, the plane of the
    // line, and the offset in floats.
    struct Run {
        std::size_t line, plane, offset;
    };
    struct Layer {
        std::size_t blocks = 0, taps = 0;   // blocks of unit_block units; taps of the kernel
        std::size_t pitch = 1;              // floats from value to value of its input
        std::size_t step = 1;               // values of its input from one output to the next, along both axes
        std::size_t height = 1, width = 1;  // values of its input that it covers
        std::size_t gap = 0;                // between the two values of a pair; 0 if they are computed one by one
        std::vector<Run> runs;
        std::vector<std::uint32_t> lengths;
        Aligned<float> weights;
        std::vector<float> bias;

        std::size_t units() const noexcept;
    };
    struct Tap {
        std::size_t input, y, x;
    };
    static Layer convolution(const Convolution& conv, std::size_t pitch, std::size_t grid, std::size_t step);
    static void add_planes(Layer& layer, const Convolution& conv);
    static void add_neighbours(Layer& layer, const Convolution& conv, std::size_t apart);
    static void pack(Layer& layer, const Convolution& conv, const std::vector<Tap>& taps);
    static void pack_pairs(Layer& layer, const Convolution& conv);

    std::size_t channels_, stride_, window_height_ = 1, window_width_ = 1, planes_ = 0;
    std::size_t sides_;  // number of differences per channel, 1 or 2
    bool relu_;
    TurnSteps turn_;
    std::vector<Layer> stem_, head_;
};

// A frame whose lines arrive in a network, which must outlive it. Each layer keeps the last lines that it needs.
class DenseStream {
public:
    // width: of the frame in px, at least that of a window.
    DenseStream(const DenseNetwork& network, std::size_t width);

    std::size_t cols() const noexcept { return cols_; }
    std::size_t planes() const noexcept { return network_.planes(); }
    // Number of rows of windows that `lines` more lines complete.
    std::size_t rows_with(std::size_t lines) const noexcept;

    enum class Outcome { done, not_finite, stopped };

    // True if these lines can follow: same channels, width and type.
    bool accepts(const FrameView& lines) const noexcept;

    // Takes the next lines. deviation (rows, cols): of each window that they complete, above 0; code: the planes of
    // these windows, plane_pitch apart. After not_finite (differences beyond float32) or stopped, the stream is
    // unusable.
    Outcome push(const FrameView& lines, const float* deviation, float* code, std::size_t plane_pitch);

    // Makes the push that runs in another thread end soon, or else the next one.
    void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }

private:
    struct Ring {
        float* first = nullptr;
        std::size_t line = 0, kept = 0, seen = 0;  // floats of a line; lines that are kept; lines so far
        std::size_t next = 0;                      // the next line of its layer's output
        std::size_t values = 0, cols = 0;          // length of a line of its layer's input, and of its output

        float* at(std::size_t index) const noexcept { return first + index % kept * line; }
    };
    bool add_differences(const FrameView& lines, std::size_t y) noexcept;
    void advance(std::size_t layer) noexcept;
    void multiply(std::size_t layer, std::size_t top, float* out) noexcept;
    void finish() noexcept;

    const DenseNetwork& network_;
    std::size_t width_, cols_ = 0, lines_seen_ = 0;
    std::vector<Ring> rings_;  // the input of each layer of the stem; that of the first has planes of differences
    std::size_t plane_;        // floats of a plane of differences
    Aligned<float> memory_;
    float *unpaired_ = nullptr, *features_ = nullptr, *powers_ = nullptr, *hidden_[2] = {nullptr, nullptr};
    std::vector<char> last_line_;  // the last raw line of each channel
    PixelType type_{};
    std::vector<const float*> runs_;
    const float* deviation_ = nullptr;  // deviations of the next row
    float* code_ = nullptr;
    std::size_t plane_pitch_ = 0;
    std::atomic<bool> stopped_{false};
};

}  // namespace shiftvae
