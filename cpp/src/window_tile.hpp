// The state of a worker that walks down a tile: some columns of windows, row after row.
#pragma once

#include <vector>

#include "kernels/kernels.hpp"
#include "scratch.hpp"
#include "shiftvae/windows.hpp"

namespace shiftvae {

// A tile of the grid of windows, and the frame that it reads.
struct Tile {
    FrameView frame;
    std::size_t window_height, window_width, stride;
    std::size_t x, cols;  // leftmost pixel; windows in a row

    std::size_t width() const noexcept { return (cols - 1) * stride + window_width; }
    Lines lines(std::size_t channel, std::size_t y, std::size_t count) const noexcept;
    Lines window(std::size_t channel, std::size_t y, std::size_t col) const noexcept;
};

// True for 8 and 16 bit: column sums are exact integers below 2**53 and can slide without end.
bool sums_are_exact(PixelType type, std::size_t window_pixels) noexcept;
// True for 32 bit integers and float64, which are held as double; all others are held as float.
bool held_as_double(PixelType type) noexcept;

// For each channel a constant near its pixels, `given` or found in the frame; 0 if sums are exact.
std::vector<double> centres_of(const FrameView& frame, std::size_t window_pixels, const double* given);

// Mean and variance of the windows of one row after another, in one channel.
class SlidingMoments {
public:
    SlidingMoments() = default;
    SlidingMoments(Arena& arena, std::size_t width) noexcept;

    // The memory that channels share.
    struct Work {
        double *window_sum, *window_square, *scratch_a, *scratch_b;
        Work() = default;
        Work(Arena& arena, std::size_t width) noexcept;
    };

    void start() noexcept { started_ = false; }
    // The windows whose top line is y; rows come in order, stride apart. centre: a constant near the pixels, 0 if
    // exact.
    void row(const Kernels& kernels, const Tile& tile, std::size_t channel, std::size_t y, double centre,
             const Work& work, double* mean, double* variance) noexcept;

private:
    double *sum_ = nullptr, *square_ = nullptr;
    bool started_ = false;
};

// Minimum and maximum of the windows of a row, one value a window each.
void window_bounds(const WindowKernels& kernels, const Tile& tile, std::size_t channel, std::size_t y,
                   const SlidingMoments::Work& work, double* low, double* high) noexcept;

// The normalisation (pixel - mean) * scale of one row of windows after another: `cols` values for each channel.
class WindowScaling {
public:
    WindowScaling(Arena& arena, const Tile& tile) noexcept;

    void start() noexcept { fresh_ = true; }
    // The windows whose top line is y; rows come in order, stride apart.
    void row(const WindowKernels& kernels, const Tile& tile, std::size_t y, Scaling scaling,
             const double* centres) noexcept;

    const double* mean() const noexcept { return mean_; }
    const double* scale() const noexcept { return scale_; }

private:
    void zscore(const WindowKernels& kernels, const Tile& tile, std::size_t y, double floor,
                const double* centres) noexcept;

    SlidingMoments::Work work_;
    double *mean_, *scale_, *variance_;
    SlidingMoments* moments_;
    bool fresh_ = true;
};

// The lines under the current row of windows, each converted once. In memory they do not alias in L1: lines 4096 bytes
// apart share their cache sets, lines an odd number of cache lines apart do not.
class LineRing {
public:
    LineRing() = default;
    LineRing(Arena& arena, const Tile& tile) noexcept;

    void start() noexcept { started_ = false; }
    // Pointers to channels x window_height lines, leftmost pixel of the tile first.
    const void* const* row(const WindowKernels& kernels, const Tile& tile, std::size_t y) noexcept;

private:
    char* lines_ = nullptr;
    const void** pointers_ = nullptr;
    std::size_t pitch_ = 0, element_ = 0;
    bool started_ = false;
};

}  // namespace shiftvae
