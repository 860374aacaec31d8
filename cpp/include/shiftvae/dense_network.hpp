// A convolutional network that slides over a frame, line by line: neighbouring windows share their work, and what the
// layers hold of a frame stays in the caches.
//
//   lines -> differences -> stem: convolutions without bias, ReLU -> / deviation -> head: 1x1 layers, tanh between
//
// The first layer sums to zero over its kernel, so differences between neighbouring pixels are all that it sees of a
// frame; they are exact for counts, whatever steps the frame has. Its kernel is given for these.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "shiftvae/aligned.hpp"
#include "shiftvae/frame_view.hpp"

namespace shiftvae {

class DenseNetwork {
public:
    // weights: (units, inputs, height, width). The inputs of the first layer are 2 for each channel of the frame: right
    // neighbour minus pixel, and pixel minus the one above it (or only the first where its height is 1: a signal has
    // one line). Dilation in px along both axes, 1 in the first layer.
    struct Convolution {
        std::size_t units, inputs, height, width, dilation;
        const float* weights;
    };
    // weights: (units, inputs); bias: (units).
    struct Linear {
        std::size_t units, inputs;
        const float *weights, *bias;
    };

    // Windows `stride` px apart. std::invalid_argument if a layer does not take what the one before it gives.
    DenseNetwork(const std::vector<Convolution>& stem, const std::vector<Linear>& head, std::size_t stride);

    std::size_t channels() const noexcept { return channels_; }
    std::size_t stride() const noexcept { return stride_; }
    std::size_t window_height() const noexcept { return window_height_; }
    std::size_t window_width() const noexcept { return window_width_; }
    // Planes of the code: units of the last layer.
    std::size_t planes() const noexcept { return planes_; }

private:
    friend class DenseStream;
    // Taps of a kernel whose inputs are neighbours: of which line of those that it covers, of which plane of the line,
    // and how many floats from its beginning.
    struct Run {
        std::size_t line, plane, offset;
    };
    struct Layer {
        std::size_t blocks = 0, taps = 0;   // of unit_block units; of them all
        std::size_t pitch = 1;              // floats from value to value of its input
        std::size_t step = 1;               // values of its input from one output to the next, along both axes
        std::size_t height = 1, width = 1;  // values of its input that it covers
        std::size_t gap = 0;                // between the values of a pair, where these are made together
        std::vector<Run> runs;
        std::vector<std::uint32_t> lengths;
        Aligned<float> weights;
        std::vector<float> bias;

        std::size_t units() const noexcept;
    };
    struct Tap {
        std::size_t input, y, x;
    };
    static Layer convolution(const Convolution& of, std::size_t pitch, std::size_t grid, std::size_t step);
    static void add_planes(Layer& layer, const Convolution& of);
    static void add_neighbours(Layer& layer, const Convolution& of, std::size_t apart);
    static void pack(Layer& layer, const Convolution& of, const std::vector<Tap>& taps);
    static void pack_pairs(Layer& layer, const Convolution& of);

    std::size_t channels_, stride_, window_height_ = 1, window_width_ = 1, planes_ = 0;
    std::size_t sides_;  // kinds of differences, 1 or 2
    std::vector<Layer> stem_, head_;
};

// A frame on its way through a network, which it does not outlive. Each layer keeps the last lines that it needs.
class DenseStream {
public:
    // Of `width` px; at least a window.
    DenseStream(const DenseNetwork& network, std::size_t width);

    std::size_t cols() const noexcept { return cols_; }
    std::size_t planes() const noexcept { return network_.planes(); }
    // Rows of windows that are complete when so many more lines have come.
    std::size_t rows_with(std::size_t lines) const noexcept;

    enum class Outcome { done, not_finite, stopped };

    // Whether these lines can follow: channels, width and type.
    bool accepts(const FrameView& lines) const noexcept;

    // Takes the lines that follow. deviation (rows, cols): of each window that they complete, above 0; code: those
    // windows' planes, plane_pitch apart. After not_finite (differences beyond float32) and stopped it is of no use.
    Outcome push(const FrameView& lines, const float* deviation, float* code, std::size_t plane_pitch);

    // Makes the push that another thread is in end soon, or else the next one.
    void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }

private:
    struct Ring {
        float* first = nullptr;
        std::size_t line = 0, kept = 0, seen = 0;  // floats of a line; lines that are kept, and that came so far
        std::size_t next = 0;                      // line of its layer's output that comes next
        std::size_t values = 0, cols = 0;          // of a line of its layer's input and output

        float* at(std::size_t index) const noexcept { return first + index % kept * line; }
    };
    bool add_differences(const FrameView& lines, std::size_t y) noexcept;
    void advance(std::size_t layer) noexcept;
    void multiply(std::size_t layer, std::size_t top, float* out) noexcept;
    void finish() noexcept;

    const DenseNetwork& network_;
    std::size_t width_, cols_ = 0, lines_seen_ = 0;
    std::vector<Ring> rings_;  // before each layer of the stem; the first of planes of differences
    std::size_t plane_;        // floats of such a plane
    Aligned<float> memory_;
    float *unpaired_ = nullptr, *features_ = nullptr, *hidden_[2] = {nullptr, nullptr};
    std::vector<char> last_line_;  // of each channel, raw
    PixelType type_{};
    std::vector<const float*> runs_;
    const float* deviation_ = nullptr;  // of the row that comes next
    float* code_ = nullptr;
    std::size_t plane_pitch_ = 0;
    std::atomic<bool> stopped_{false};
};

}  // namespace shiftvae
