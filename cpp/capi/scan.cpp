#include "scan.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "array_file.hpp"
#include "line_checks.hpp"
#include "refusal.hpp"
#include "shiftvae/thread_pool.hpp"

namespace shiftvae {
namespace {

// Rows of the map that are encoded in one run.
constexpr std::size_t rows_together = 32;
constexpr const char* too_far_apart = "neighbouring pixels differ by more than float32 can hold: rescale the frame";

// Appends lines as (lines, channels, width).
void append(const FrameView& lines, std::vector<char>& kept) {
    const std::size_t size = lines.width * pixel_size(lines.type), old = kept.size();
    kept.resize(old + lines.height * lines.channels * size);
    char* to = kept.data() + old;
    for (std::size_t y = 0; y < lines.height; ++y)
        for (std::size_t c = 0; c < lines.channels; ++c, to += size) std::memcpy(to, lines.line(c, y), size);
}

}  // namespace

Grid grid_of(const Model& model, std::size_t height, std::size_t width) {
    const Manifest& manifest = model.manifest;
    if (height < manifest.window_height || width < manifest.window_width)
        refuse(SV_WINDOW, "the frame is " + std::to_string(height) + " x " + std::to_string(width) +
                              " px (height x width), smaller than the window of " +
                              std::to_string(manifest.window_height) + " x " + std::to_string(manifest.window_width) +
                              " px: scan a larger area or train with a smaller window");
    if (manifest.dimensions == 1 && height != 1)
        refuse(SV_FRAME, "the model is one of line signals, expected a height of 1, got " + std::to_string(height));
    return {height, width, manifest.window_height, manifest.window_width, model.stride};
}

Scan::Scan(std::shared_ptr<const Model> model, std::size_t height, std::size_t width, PixelType type)
    : model_(std::move(model)),
      grid_(grid_of(*model_, height, width)),
      type_(type),
      line_(model_->manifest.channels * width * pixel_size(type)),
      samples_(grid_) {}

Scan::Rows Scan::push(const FrameView& lines, float* mean, float* sd) {
    if (failed_) refuse(SV_FRAME, "this scan has failed before: end it and begin another");
    if (lines.height == 0) return {rows_done_, 0};
    check(lines);
    try {
        return encode(lines, mean, sd);
    } catch (...) {
        failed_ = true;
        throw;
    }
}

void Scan::check(const FrameView& lines) {
    const std::size_t left = grid_.frame_height - lines_seen_;
    if (lines.height > left)
        refuse(SV_FRAME,
               "expected at most " + std::to_string(left) + " more lines, got " + std::to_string(lines.height));
    if (const std::size_t bad = not_finite(lines))
        refuse(SV_FRAME, std::to_string(bad) + " of " + std::to_string(lines.channels * lines.height * lines.width) +
                             " pixels are NaN or infinite: fill or crop them before encoding");
    const std::size_t size = pixel_size(type_);
    if (lines_seen_ == 0) {
        first_pixel_.resize(lines.channels * size);
        for (std::size_t c = 0; c < lines.channels; ++c)
            std::memcpy(first_pixel_.data() + c * size, lines.line(c, 0), size);
    }
    const bool flat = flat_ && is_flat(lines, first_pixel_.data());
    if (flat && lines.height == left)
        refuse(SV_FRAME, "the frame is constant: the beam is blanked or the wrong channel was sent");
    flat_ = flat;
}

Scan::Rows Scan::encode(const FrameView& fresh, float* mean, float* sd) {
    const FrameView lines = with_kept(fresh);
    lines_seen_ += fresh.height;
    const std::size_t first = rows_done_, window = grid_.window_height, cols = grid_.cols();
    const std::size_t complete = lines_seen_ < window ? 0 : (lines_seen_ - window) / grid_.stride + 1;
    for (std::size_t row = first; row < complete; row = rows_done_) {
        if (!rows_) rows_.emplace(*model_->dense, grid_.frame_width, model_->step, frame_centre(lines, window));
        const std::size_t until = std::min(row + rows_together, complete);
        FrameView needed = lines;
        needed.height = (until - 1) * grid_.stride + window - top_;
        const auto outcome =
            rows_->push(needed, top_, until - row, mean + row * cols, sd + row * cols, grid_.rows() * cols);
        if (outcome != DenseStream::Outcome::done) refuse(SV_FRAME, too_far_apart);
        samples_.take(model_->manifest, needed, top_, row, until);
        rows_done_ = until;
    }
    keep(lines);
    return {first, rows_done_ - first};
}

Verdict Scan::verdict(const float* mean, const float* sd) const {
    if (rows_done_ == 0) refuse(SV_FRAME, "no row of the map is complete yet: push more lines first");
    return judge(*model_, grid_, rows_done_, mean, sd, samples_);
}

void Scan::map(const FrameView& frame, float* mean, float* sd, unsigned threads) {
    const std::size_t rows = grid_.rows(), bands = std::min<std::size_t>(threads, rows);
    if (bands < 2) {
        push(frame, mean, sd);
        return;
    }
    check(frame);
    const std::vector<double> centre = frame_centre(frame, grid_.window_height);
    std::vector<char> out_of_memory(bands, 0), out_of_range(bands, 0);
    auto encode_one = [&](std::size_t band, unsigned) noexcept {
        try {
            out_of_range[band] = !encode_band(frame, centre, rows * band / bands, rows * (band + 1) / bands, mean, sd);
        } catch (...) {
            out_of_memory[band] = 1;
        }
    };
    parallel_for(bands, threads, encode_one);
    if (std::count(out_of_memory.begin(), out_of_memory.end(), 1)) throw std::bad_alloc();
    if (std::count(out_of_range.begin(), out_of_range.end(), 1)) refuse(SV_FRAME, too_far_apart);
}

// Encodes the map rows first to last of a whole frame; false for pixels that are too far apart.
bool Scan::encode_band(const FrameView& frame, const std::vector<double>& centre, std::size_t first, std::size_t last,
                       float* mean, float* sd) const {
    const std::size_t cols = grid_.cols(), top = first * grid_.stride;
    FrameView lines = frame;
    lines.pixels = frame.line(0, top);
    DenseRows rows(*model_->dense, grid_.frame_width, model_->step, centre);
    for (std::size_t row = first; row < last; row += rows_together) {
        const std::size_t until = std::min(row + rows_together, last);
        lines.height = (until - 1) * grid_.stride + grid_.window_height - top;
        if (rows.push(lines, 0, until - row, mean + row * cols, sd + row * cols, grid_.rows() * cols) !=
            DenseStream::Outcome::done)
            return false;
    }
    return true;
}

// The kept lines and the new ones: the caller's own memory if none are kept.
FrameView Scan::with_kept(const FrameView& lines) {
    if (kept_.empty()) return lines;
    append(lines, kept_);
    const std::size_t size = grid_.frame_width * pixel_size(type_);
    return {kept_.data(),
            type_,
            lines.channels,
            kept_.size() / line_,
            lines.width,
            static_cast<std::ptrdiff_t>(size),
            static_cast<std::ptrdiff_t>(line_)};
}

// Keeps the lines that later windows need, and no others.
void Scan::keep(const FrameView& lines) {
    std::size_t from = lines_seen_;
    if (rows_done_ < grid_.rows())
        from = std::min(std::max(rows_ ? rows_->first_line() : rows_done_ * grid_.stride, top_), lines_seen_);
    if (kept_.empty()) {
        FrameView rest = lines;
        rest.height = lines_seen_ - from;
        if (rest.height) rest.pixels = lines.line(0, from - top_);
        append(rest, kept_);
    } else {
        kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>((from - top_) * line_));
    }
    top_ = from;
}

}  // namespace shiftvae
