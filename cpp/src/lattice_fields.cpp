#include "shiftvae/lattice_fields.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.hpp"

namespace shiftvae {

namespace {

constexpr double tau = 6.283185307179586;

// What is beyond the nearest integer, for less than 2**51 turns.
double fraction(double turns) {
    constexpr double shift = 6755399441055744.0;  // 1.5 * 2**52: the sum has no room for a fraction
    return turns - ((turns + shift) - shift);
}

// Length of a line with room for a neighbour on either side.
std::size_t pitch_of(std::size_t count) { return (count + 2 + longest_vector) / longest_vector * longest_vector; }

}  // namespace

template <class T>
LatticeFields::Ring<T>::Ring(std::size_t planes, std::size_t pitch, std::size_t kept)
    : row_size_(planes * pitch), kept_(kept), memory_(row_size_ * kept) {
    std::fill_n(memory_.first, row_size_ * kept_, T{});
}

LatticeFields::LatticeFields(const Map& map, const Lattice& lattice, const Average& average)
    : map_(map),
      lattice_(lattice),
      half_(average.half),
      pitch_(pitch_of(map.cols)),
      along_(2 * map.cols),
      centre_(2 * map.cols),
      mean_along_(2 * map.cols),
      windows_(4, pitch_, 2 * half_ + 2),
      phasors_(4, pitch_, 2 * half_ + 2),
      boxes_(4, pitch_, 2 * half_ + 2),
      units_(4, pitch_, 4),
      phases_(2, pitch_, 4),
      first_{std::vector<double>(4 * pitch_)},
      second_{std::vector<double>(4 * pitch_)},
      padded_(std::max(map.rows, map.cols) + 2 * half_),
      scratch_a_(padded_.size()),
      scratch_b_(padded_.size()),
      wrapped_(map.cols),
      begun_(map.cols, 0) {
    const auto& a = lattice.vectors;
    const double area = a[0][0] * a[1][1] - a[0][1] * a[1][0];
    const double inverse[2][2] = {{a[1][1] / area, -a[0][1] / area}, {-a[1][0] / area, a[0][0] / area}};
    for (std::size_t k = 0; k < 2; ++k) {
        origin_[k] = fraction(map.first_y * inverse[0][k] + map.first_x * inverse[1][k]);
        per_row_[k] = map.stride * inverse[0][k];
        for (std::size_t i = 0; i < map.cols; ++i) {
            const double px = static_cast<double>(i) * map.stride;
            along_[k * map.cols + i] = fraction(px * inverse[1][k]);
            mean_along_[k * map.cols + i] = px * lattice.gradient[k][1];
        }
        for (std::size_t axis = 0; axis < 2; ++axis) {
            reciprocal_[axis][k] = static_cast<float>(inverse[axis][k]);
            slope_[axis][k] = static_cast<float>(average.slope[axis][k]);
        }
    }
    place_y_ = places_of(map.rows);
    const std::vector<double> place_x = places_of(map.cols);
    for (std::size_t i = 0; i < map.cols; ++i)
        per_col_.push_back(per_px(place_x[std::min(i + 1, map.cols - 1)] - place_x[i ? i - 1 : 0]));
}

std::size_t LatticeFields::rows_with(std::size_t more) const noexcept {
    const std::size_t seen = seen_ + more;
    const std::size_t complete = seen == map_.rows ? seen : seen > lag() ? seen - lag() : 0;
    return complete - written_;
}

void LatticeFields::push(const float* shift, const float* sd, std::size_t plane_pitch, std::size_t count, float* out,
                         std::size_t out_pitch) noexcept {
    const std::size_t rows = map_.rows, before = written_;
    // Whether the rows up to `reach` below `row` are among the first `known`; there are none below the last.
    const auto covered = [rows](std::size_t row, std::size_t reach, std::size_t known) {
        return row < rows && std::min(row + reach, rows - 1) < known;
    };
    for (std::size_t i = 0; i < count; ++i) {
        take(shift + i * map_.cols, sd + i * map_.cols, plane_pitch);
        for (; covered(boxed_, half_, seen_); ++boxed_) {
            slide(first_, phasors_, boxed_);
            std::copy(first_.sum.begin(), first_.sum.end(), boxes_.row(boxed_));
            for (; covered(averaged_, half_, boxed_ + 1); ++averaged_) {
                slide(second_, boxes_, averaged_);
                unwrap(averaged_);
                for (; covered(written_, 1, averaged_ + 1); ++written_)
                    write(written_, out + (written_ - before) * map_.cols, out_pitch);
            }
        }
    }
}

void LatticeFields::take(const float* shift, const float* sd, std::size_t plane_pitch) noexcept {
    const std::size_t cols = map_.cols;
    for (std::size_t k = 0; k < 2; ++k) {
        const double row = fraction(origin_[k] + static_cast<double>(seen_) * per_row_[k]);
        for (std::size_t i = 0; i < cols; ++i) centre_[k * cols + i] = static_cast<float>(row + along_[k * cols + i]);
    }
    PhaseRow row{{shift, shift + plane_pitch}, {sd, sd + plane_pitch}, {centre_.data(), centre_.data() + cols}, {}};
    for (std::size_t axis = 0; axis < 2; ++axis)
        for (std::size_t k = 0; k < 2; ++k) row.reciprocal[axis][k] = reciprocal_[axis][k];
    float* lines[4];
    double* planes[4];
    for (std::size_t plane = 0; plane < 4; ++plane) {
        lines[plane] = windows_.row(seen_) + plane * pitch_;
        planes[plane] = phasors_.row(seen_) + plane * pitch_;
    }
    kernels().lattice_phases(row, cols, lines, planes);
    std::copy_n(row.sd[0], cols, lines[2]);
    std::copy_n(row.sd[1], cols, lines[3]);
    gaps_ |= std::any_of(row.sd[0], row.sd[0] + cols, [](float one) { return std::isinf(one); });
    for (double* plane : planes) average(plane, cols);
    ++seen_;
}

// Under two boxes, one after the other; beyond the ends of the line there is nothing.
void LatticeFields::average(double* line, std::size_t count) noexcept {
    for (int box = 0; box < 2; ++box) {
        std::fill_n(padded_.begin(), half_, 0.0);
        std::copy_n(line, count, padded_.begin() + half_);
        std::fill_n(padded_.begin() + half_ + count, half_, 0.0);
        kernels().sliding_sum(padded_.data(), count, 2 * half_ + 1, line, scratch_a_.data(), scratch_b_.data());
    }
}

// Mean place of what is averaged for each of `count` windows in a line, in windows.
std::vector<double> LatticeFields::places_of(std::size_t count) {
    std::vector<double> weight(count, 1.0), place(count);
    for (std::size_t i = 0; i < count; ++i) place[i] = static_cast<double>(i);
    average(weight.data(), count);
    average(place.data(), count);
    for (std::size_t i = 0; i < count; ++i) place[i] /= weight[i];
    return place;
}

// The sum over the rows of the map that are at most `half_` from `centre`.
void LatticeFields::slide(Box& box, const Ring<double>& rows, std::size_t centre) const noexcept {
    for (const std::size_t last = std::min(centre + half_, map_.rows - 1); box.entered <= last; ++box.entered)
        kernels().accumulate(rows.row(box.entered), box.sum.size(), box.sum.data());
    for (; box.left + half_ < centre; ++box.left) {
        const double* gone = rows.row(box.left);
        for (std::size_t i = 0; i < box.sum.size(); ++i) box.sum[i] -= gone[i];
    }
}

// The turns of a row of averaged phasors, near those of the row above; in the first row, of the window to the left.
void LatticeFields::unwrap(std::size_t row) noexcept {
    const std::size_t cols = map_.cols;
    for (std::size_t k = 0; k < 2; ++k) {
        const double* sum = second_.sum.data() + 2 * k * pitch_;
        float *cosine = units_.row(row) + 2 * k * pitch_ + 1, *sine = cosine + pitch_;
        kernels().unit_phases(sum, sum + pitch_, cols, cosine, sine, wrapped_.data());
        for (float* line : {cosine, sine}) line[-1] = line[0], line[cols] = line[cols - 1];
        double* phase = phases_.row(row) + k * pitch_;
        if (gaps_) {
            unwrap_known(k, row);
            continue;
        }
        if (row) {
            kernels().unwrap_turns(wrapped_.data(), phases_.row(row - 1) + k * pitch_, cols, phase);
            continue;
        }
        double near = static_cast<double>(wrapped_[0]);
        for (std::size_t i = 0; i < cols; ++i)
            near = phase[i] = near + fraction(static_cast<double>(wrapped_[i]) - near);
    }
}

// As unwrap, of one phase, where windows may be unknown: they keep the turns of the row above.
void LatticeFields::unwrap_known(std::size_t k, std::size_t row) noexcept {
    const std::size_t cols = map_.cols;
    const float* sd = windows_.row(row) + 2 * pitch_;
    const double* above = phases_.row(row ? row - 1 : 0) + k * pitch_;
    double* phase = phases_.row(row) + k * pitch_;
    const auto known = [sd](std::size_t i) { return !std::isinf(sd[i]); };
    const auto near = [this](std::size_t i, double turns) {
        return turns + fraction(static_cast<double>(wrapped_[i]) - turns);
    };
    for (std::size_t i = 0; i < cols; ++i)
        if (begun_[i]) phase[i] = known(i) ? near(i, above[i]) : above[i];
    // Columns that begin here follow their neighbours.
    const auto begins = [&](std::size_t i) { return known(i) && !begun_[i]; };
    std::size_t seed = 0;
    while (seed < cols && !begun_[seed]) ++seed;
    if (seed == cols) {
        seed = 0;
        while (seed < cols && !begins(seed)) ++seed;
        if (seed == cols) return;
        phase[seed] = static_cast<double>(wrapped_[seed]);
    }
    double last = phase[seed];
    for (std::size_t i = seed; i-- > 0;)
        if (begins(i)) last = phase[i] = near(i, last);
    last = phase[seed];
    for (std::size_t i = seed + 1; i < cols; ++i) {
        if (begins(i)) phase[i] = near(i, last);
        if (begins(i) || begun_[i]) last = phase[i];
    }
    if (k == 1)
        for (std::size_t i = 0; i < cols; ++i)
            if (known(i)) begun_[i] = 1;
}

void LatticeFields::write(std::size_t row, float* out, std::size_t out_pitch) noexcept {
    float* planes[2 * fields];
    for (std::size_t plane = 0; plane < 2 * fields; ++plane) planes[plane] = out + plane * out_pitch;
    write_displacement(row, planes);
    write_strain(row, planes + 2);
    const float* sd[2] = {windows_.row(row) + 2 * pitch_, windows_.row(row) + 3 * pitch_};
    std::copy_n(sd[0], map_.cols, planes[fields]);
    std::copy_n(sd[1], map_.cols, planes[fields + 1]);
    kernels().strain_deviations(sd, slope_, static_cast<float>(map_.aspect), map_.cols, planes + fields + 2);
}

// Displacement of each window's own lattice point, which the averaged phases tell.
void LatticeFields::write_displacement(std::size_t row, float* const* out) noexcept {
    DisplacementRow line{};
    for (std::size_t k = 0; k < 2; ++k) {
        line.turns[k] = windows_.row(row) + k * pitch_;
        line.averaged[k] = phases_.row(row) + k * pitch_;
        line.mean[k] = lattice_.gradient[k][0] * map_.stride * static_cast<double>(row) + zero_[k];
        line.mean_along[k] = mean_along_.data() + k * map_.cols;
        for (std::size_t axis = 0; axis < 2; ++axis) line.vectors[k][axis] = lattice_.vectors[k][axis];
    }
    kernels().displacement_row(line, map_.cols, out);
    if (zeroed_) return;
    const float* sd = windows_.row(row) + 2 * pitch_;
    const auto known =
        static_cast<std::size_t>(std::count_if(sd, sd + map_.cols, [](float one) { return !std::isinf(one); }));
    if (known == 0) return;
    zeroed_ = true;
    for (std::size_t axis = 0; axis < 2; ++axis) {
        for (std::size_t i = 0; i < map_.cols; ++i)
            if (!std::isinf(sd[i])) zero_[axis] += static_cast<double>(out[axis][i]);
        zero_[axis] /= static_cast<double>(known);
        for (std::size_t i = 0; i < map_.cols; ++i) out[axis][i] -= static_cast<float>(zero_[axis]);
    }
}

void LatticeFields::write_strain(std::size_t row, float* const* out) const noexcept {
    const std::size_t above = row ? row - 1 : 0, below = std::min(row + 1, map_.rows - 1);
    StrainRow line{};
    for (std::size_t k = 0; k < 2; ++k) {
        const std::size_t plane = 2 * k * pitch_ + 1;
        line.cosine[k] = units_.row(row) + plane;
        line.cosine_above[k] = units_.row(above) + plane;
        line.cosine_below[k] = units_.row(below) + plane;
        line.sine[k] = line.cosine[k] + pitch_;
        line.sine_above[k] = line.cosine_above[k] + pitch_;
        line.sine_below[k] = line.cosine_below[k] + pitch_;
        for (std::size_t axis = 0; axis < 2; ++axis) {
            line.vectors[k][axis] = static_cast<float>(lattice_.vectors[k][axis]);
            line.mean[k][axis] = static_cast<float>(lattice_.gradient[k][axis]);
        }
    }
    line.aspect = static_cast<float>(map_.aspect);
    line.per_row = per_px(place_y_[below] - place_y_[above]);
    line.per_col = per_col_.data();
    kernels().strain_row(line, map_.cols, out);
}

float LatticeFields::per_px(double windows) const noexcept {
    return windows > 0 ? static_cast<float>(1 / (tau * map_.stride * windows)) : 0.0f;
}

}  // namespace shiftvae
