#include "domain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "array_file.hpp"
#include "common/number_text.hpp"
#include "pixel_types.hpp"
#include "refusal.hpp"
#include "ruler.hpp"

namespace shiftvae {
namespace {

constexpr std::size_t samples_along = 4;
constexpr double verdict_windows = 4096, specimen = 0.75, least_contrast = 2, most_grain = 0.25;

std::vector<std::size_t> places(std::size_t samples, std::size_t size) {
    std::vector<std::size_t> found(samples);
    for (std::size_t i = 0; i < samples; ++i) found[i] = (2 * i + 1) * size / (2 * samples);
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

// The quantile as NumPy interpolates it.
double quantile(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    const double at = share * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(at);
    const std::size_t high = std::min(low + 1, values.size() - 1);
    return values[low] + (values[high] - values[low]) * (at - static_cast<double>(low));
}

// Covariance of neighbouring pixels of what is left of windows after the decoder's drawing.
double residual_structure(const Manifest& manifest, const std::vector<float>& windows,
                          const std::vector<float>& drawn) {
    const std::size_t height = manifest.window_height, width = manifest.window_width;
    double along = 0, down = 0;
    const auto left = [&](std::size_t i) { return static_cast<double>(windows[i]) - static_cast<double>(drawn[i]); };
    for (std::size_t i = 0; i < windows.size(); ++i) {
        if (i % width + 1 < width) along += left(i) * left(i + 1);
        if (i / width % height + 1 < height) down += left(i) * left(i + width);
    }
    const std::size_t all_lines = windows.size() / width;
    const auto lines = static_cast<double>(all_lines);
    const double planes = lines / static_cast<double>(height);
    double sum = 0, kinds = 0;
    if (width > 1) sum += along / (lines * static_cast<double>(width - 1)), ++kinds;
    if (height > 1) sum += down / (planes * static_cast<double>((height - 1) * width)), ++kinds;
    return kinds > 0 ? sum / kinds : 0;
}

std::string strain_in_words(const std::vector<double>& strain, std::size_t axes) {
    std::size_t largest = 0;
    for (std::size_t i = 1; i < strain.size(); ++i)
        if (std::fabs(strain[i]) > std::fabs(strain[largest])) largest = i;
    const double percent = 100 * strain[largest];
    if (largest / axes != largest % axes)
        return "the lattice is sheared or turned by " + fixed_text(std::fabs(percent), 1) + " % of its length";
    const char* axis = axes == 2 && largest == 0 ? "the period along y is " : "the period along x is ";
    return axis + fixed_text(std::fabs(percent), 1) + " % " + (percent > 0 ? "longer" : "shorter");
}

struct Reason {
    double score;
    std::string text;
};

std::vector<Reason> too_faint(const Manifest& manifest, const SampleWindows& samples) {
    const double contrast = std::max(quantile(samples.contrast, specimen), 1e-30);
    const double grain = quantile(samples.grain, specimen);
    const std::string share = "contrast is " + one_digit_text(contrast) + " of the training data's";
    return {{least_contrast * static_cast<double>(manifest.intensity.sd_floor) / contrast,
             share + ": were the counts rescaled?"},
            {grain / (most_grain * contrast), share + " on an offset that leaves no digits for it: subtract it"}};
}

// Every step-th row and column of the planes.
std::vector<float> thinned(const float* planes, const Grid& grid, std::size_t count, std::size_t rows,
                           std::size_t step) {
    std::vector<float> few;
    for (std::size_t plane = 0; plane < count; ++plane)
        for (std::size_t row = 0; row < rows; row += step)
            for (std::size_t col = 0; col < grid.cols(); col += step)
                few.push_back(planes[(plane * grid.rows() + row) * grid.cols() + col]);
    return few;
}

double share_out(const Model& model, const Manifest::Domain& domain, const std::vector<float>& mean,
                 const std::vector<float>& sd, const std::vector<float>& advance, std::size_t windows) {
    const std::size_t axes = model.manifest.dimensions, latents = model.latents(), size = domain.centre.size();
    const std::size_t others = latents - axes;
    if (others + latents + advance.size() / windows != size)
        refuse_file("manifest.json: the domain has another number of features than the model");
    std::size_t out = 0;
    std::vector<double> features(size);
    for (std::size_t i = 0; i < windows; ++i) {
        for (std::size_t f = 0; f < size; ++f) {
            const double value =
                static_cast<double>(f < others             ? mean[(axes + f) * windows + i]
                                    : f < others + latents ? sd[(f - others) * windows + i]
                                                           : advance[(f - others - latents) * windows + i]);
            features[f] = (f >= others && f < others + latents ? std::log(value) : value) - domain.centre[f];
        }
        double away = 0;
        for (std::size_t k = 0; k < size; ++k) {
            double sum = 0;
            for (std::size_t f = 0; f < size; ++f) sum += domain.whitening[k * size + f] * features[f];
            away += sum * sum;
        }
        out += away > 1;
    }
    return static_cast<double>(out) / static_cast<double>(windows);
}

double rounded(double number) { return std::nearbyint(number * 1e4) / 1e4; }

}  // namespace

SampleWindows::SampleWindows(const Grid& grid)
    : grid_(grid),
      rows_(places(grid.rows() == 1 ? 1 : samples_along, grid.rows())),
      cols_(places(grid.rows() == 1 ? samples_along * samples_along : samples_along, grid.cols())) {}

void SampleWindows::take(const Manifest& manifest, const FrameView& lines, std::size_t top, std::size_t first,
                         std::size_t last) {
    const std::size_t height = grid_.window_height, width = grid_.window_width, pixels = height * width;
    std::vector<double> window(lines.channels * pixels);
    for (const std::size_t row : rows_) {
        if (row < first || row >= last) continue;
        for (const std::size_t col : cols_) {
            double variance = 0, step = 0;
            for (std::size_t c = 0; c < lines.channels; ++c) {
                double *const values = window.data() + c * pixels, mean = 0, level = 0;
                const auto scale = static_cast<double>(manifest.intensity.channel_scale[c]);
                for (std::size_t y = 0; y < height; ++y)
                    copy_pixels(lines, c, row * grid_.stride - top + y, col * grid_.stride, width, values + y * width);
                for (std::size_t i = 0; i < pixels; ++i) {
                    mean += values[i] / static_cast<double>(pixels);
                    level = std::max(level, std::fabs(values[i]));
                }
                step = std::max(step, float_spacing(lines.type, level) * scale);
                for (std::size_t i = 0; i < pixels; ++i) {
                    values[i] = (values[i] - mean) * scale;
                    variance += values[i] * values[i] / static_cast<double>(lines.channels * pixels);
                }
            }
            contrast.push_back(std::sqrt(variance));
            grain.push_back(step);
            const double sd = std::max(contrast.back(), static_cast<double>(manifest.intensity.sd_floor));
            for (const double value : window) windows.push_back(static_cast<float>(value / sd));
        }
    }
}

Verdict judge(const Model& model, const Grid& grid, std::size_t rows, const float* mean, const float* sd,
              const SampleWindows& samples) {
    const Manifest& manifest = model.manifest;
    if (!manifest.domain) refuse(SV_UNSUPPORTED, "the model does not know its domain, so there is no verdict");
    if (!manifest.grains.empty())
        refuse(SV_UNSUPPORTED, "the model has several grains, on which this library gives no verdict: use shiftvae_rt");
    const Manifest::Domain& domain = *manifest.domain;
    const std::size_t axes = manifest.dimensions, latents = model.latents(), plane = grid.rows() * grid.cols();
    std::vector<Reason> faint, reasons;
    const double ratio = static_cast<double>(rows * grid.cols()) / verdict_windows;
    const auto step = std::max<std::size_t>(1, static_cast<std::size_t>(std::nearbyint(std::sqrt(ratio))));
    const std::vector<float> few = thinned(mean, grid, latents, rows, step);
    const std::vector<float> few_sd = thinned(sd, grid, latents, rows, step);
    const std::size_t few_rows = (rows - 1) / step + 1, few_cols = (grid.cols() - 1) / step + 1;
    const Ruler ruler(manifest, grid.stride * step);
    const std::vector<float> advance = ruler.advance(few.data(), few_rows, few_cols);
    std::vector<double> strain;
    if (ruler.strain(advance, few_rows, few_cols, strain)) {
        double largest = 0;
        for (std::size_t i = 0; i < axes * axes; ++i) {
            strain[i] -= domain.strain[i];
            largest = std::max(largest, std::fabs(strain[i]));
        }
        reasons.push_back({largest / domain.most_strain, strain_in_words(strain, axes)});
    }
    if (samples.count()) {
        std::vector<float> poses;
        for (std::size_t i = 0; i < samples.count(); ++i)
            for (std::size_t latent = 0; latent < latents; ++latent)
                poses.push_back(mean[latent * plane + samples.row(i) * grid.cols() + samples.col(i)]);
        const std::vector<float> drawn = draw_windows(model, poses.data(), samples.count());
        const double excess = residual_structure(manifest, samples.windows, drawn) - domain.structure;
        reasons.push_back({std::max(0.0, excess) / domain.most_structure, "another motif: focus, tilt or material"});
        faint = too_faint(manifest, samples);
    }
    const double out = share_out(model, domain, few, few_sd, advance, few_rows * few_cols);
    reasons.push_back({out / domain.most_windows_out,
                       fixed_text(100 * out, 0) + " % of the windows are unlike those of the training data"});
    Verdict verdict{0, rounded(out), ""};
    // Without contrast the other checks fail too, and need not be said.
    const bool is_faint = std::any_of(faint.begin(), faint.end(), [](const Reason& one) { return one.score > 1; });
    for (const Reason& reason : reasons) verdict.score = std::max(verdict.score, reason.score);
    for (const Reason& reason : faint) verdict.score = std::max(verdict.score, reason.score);
    for (const Reason& reason : is_faint ? faint : reasons)
        if (reason.score > 1) verdict.reason += (verdict.reason.empty() ? "" : "; ") + reason.text;
    verdict.score = rounded(verdict.score);
    return verdict;
}

}  // namespace shiftvae
