// Filters as large as a window, applied to every window of a frame: the first layer of a network that sees windows one
// by one. Neighbouring windows share their lines' spectra, so it costs a fraction of a product for each window.
#pragma once

#include <vector>

#include "shiftvae/aligned.hpp"
#include "shiftvae/windows.hpp"

namespace shiftvae {

class FilterBank {
public:
    // filters: (units, channels, height, width). Windows `stride` px apart, a power of two below `segment`, which is
    // the number of pixels of a line that are transformed together: a power of two, 8 to 4096, at least `width`.
    // std::bad_alloc if there is no memory for the spectra.
    FilterBank(const double* filters, std::size_t units, std::size_t channels, std::size_t height, std::size_t width,
               std::size_t stride, std::size_t segment);

    // out: (rows, cols, units), the sums over each window of filter times normalised window, to some roundings of
    // float32. A window's bits depend on its own lines alone, and on the instruction set. `centre` as for
    // extract_windows; minmax takes frames of one channel.
    void apply(const FrameView& frame, Scaling scaling, const double* centre, float* out) const;

    std::size_t units() const noexcept { return units_; }
    std::size_t channels() const noexcept { return channels_; }
    std::size_t height() const noexcept { return height_; }
    std::size_t width() const noexcept { return width_; }
    std::size_t stride() const noexcept { return stride_; }

private:
    friend class FilterWorker;
    template <class T>
    struct Spectra {
        Aligned<T> weights, factors, short_factors;
    };
    template <class T>
    const Spectra<T>& spectra() const noexcept;
    void fill(const double* filters);

    std::size_t units_, channels_, height_, width_, stride_, segment_;
    std::size_t blocks_;                              // number of blocks of 32 units
    std::vector<std::uint32_t> order_, short_order_;  // offsets of the inputs of a transform
    std::vector<double> line_sums_;                   // sums of the filters' lines: (channels, height, 32 blocks)
    std::vector<double> sums_;                        // sums of the filters: (channels, 32 blocks)
    bool blind_ = true;                               // true if every filter sums to zero in each channel
    Spectra<float> single_;
    Spectra<double> exact_;
};

}  // namespace shiftvae
