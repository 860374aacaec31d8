// The C border: arguments are checked, and every error becomes a code and a text.
#include "shiftvae.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "array_file.hpp"
#include "common/json.hpp"
#include "map_fields.hpp"
#include "model.hpp"
#include "refusal.hpp"
#include "scan.hpp"

using namespace shiftvae;

namespace {

constexpr const char* out_of_memory = "this machine gives no more memory: use a larger stride, or smaller frames";
constexpr long most_file = 536870912;  // bytes
constexpr int most_px = 16777216, most_drawn = 65536, most_threads = 256;

// What sv_error reads: both kinds of handles begin with it.
struct Handle {
    std::string error;
    const char* shown = "";
};

}  // namespace

struct sv_model : Handle {
    std::shared_ptr<const Model> model;  // null after an error
    unsigned threads = 1;
};

struct sv_scan : Handle {
    Scan scan;
    std::string reason;
};

namespace {

// Runs the body of a function of the library. Nothing that it throws leaves.
template <class Body>
int guarded(Handle& handle, Body&& body) noexcept {
    handle.shown = "";
    int code = SV_OK;
    try {
        try {
            body();
        } catch (const Refusal& refusal) {
            code = refusal.code();
            handle.error = refusal.what();
            handle.shown = handle.error.c_str();
        } catch (const JsonError& error) {
            code = SV_FILE;
            handle.error = std::string(error.what()) + copy_again;
            handle.shown = handle.error.c_str();
        }
    } catch (...) {  // no memory, for the work or for the text
        code = SV_MEMORY;
        handle.shown = out_of_memory;
    }
    return code;
}

void need(bool condition, const char* what) {
    if (!condition) refuse(SV_ARGUMENT, what);
}

const Model& model_of(const sv_model& handle) {
    need(handle.model != nullptr, "this model could not be opened: close it");
    return *handle.model;
}

std::size_t px(int length, const char* what) {
    if (length < 1 || length > most_px)
        refuse(SV_ARGUMENT, std::string("expected a ") + what + " of 1 to 16777216 px, got " + std::to_string(length));
    return static_cast<std::size_t>(length);
}

PixelType pixel_type_of(int type) {
    need(type >= SV_UINT8 && type <= SV_FLOAT64, "expected a pixel type from SV_UINT8 to SV_FLOAT64");
    return static_cast<PixelType>(type);
}

struct Strides {
    std::ptrdiff_t line, channel;  // bytes; 0: they follow each other
};

FrameView view_of(const void* pixels, PixelType type, std::size_t channels, std::size_t height, std::size_t width,
                  Strides strides) {
    const auto size = static_cast<std::ptrdiff_t>(pixel_size(type));
    if (strides.line == 0) strides.line = static_cast<std::ptrdiff_t>(width) * size;
    if (strides.channel == 0) strides.channel = static_cast<std::ptrdiff_t>(height) * strides.line;
    need(reinterpret_cast<std::uintptr_t>(pixels) % pixel_size(type) == 0 && strides.line % size == 0 &&
             strides.channel % size == 0,
         "expected pixels, line_stride and channel_stride that are multiples of the size of a pixel");
    return {pixels, type, channels, height, width, strides.channel, strides.line};
}

std::vector<std::uint8_t> read_file(const char* path) {
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "rb"),
                                                     [](FILE* one) { return std::fclose(one); });
    const bool found = file && std::fseek(file.get(), 0, SEEK_END) == 0;
    const long size = found ? std::ftell(file.get()) : -1;
    if (size < 0 || std::fseek(file.get(), 0, SEEK_SET) != 0)
        refuse(SV_FILE, std::string("cannot read the model file ") + path);
    if (size > most_file) refuse_file(std::string(path) + " has more than the 512 MiB that a model file may have");
    std::vector<std::uint8_t> data(static_cast<std::size_t>(size));
    if (std::fread(data.data(), 1, data.size(), file.get()) != data.size())
        refuse(SV_FILE, std::string("cannot read the model file ") + path);
    return data;
}

// Makes a handle and lets `load` fill it; a handle that could not be filled tells why.
template <class Load>
int open(sv_model** out, Load&& load) noexcept {
    if (!out) return SV_ARGUMENT;
    *out = new (std::nothrow) sv_model;
    return *out ? guarded(**out, [&] { (*out)->model = load(); }) : SV_MEMORY;
}

std::size_t stride_of(int stride) {
    need(stride >= 1, "expected a stride of at least 1 px");
    return static_cast<std::size_t>(stride);
}

// Text of a latent; null beyond the last one.
const char* latent_text(const sv_model* handle, int latent, std::string Manifest::Latent::* text) noexcept {
    if (!handle || !handle->model || latent < 0) return nullptr;
    const auto& latents = handle->model->manifest.latents;
    return static_cast<std::size_t>(latent) < latents.size() ? (latents[static_cast<std::size_t>(latent)].*text).c_str()
                                                             : nullptr;
}

}  // namespace

extern "C" {

int sv_abi_version(void) { return SV_ABI_VERSION; }

int sv_open(const char* path, int stride, sv_model** out) {
    return open(out, [&] {
        need(path != nullptr, "expected the path of a model file, got null");
        const std::vector<std::uint8_t> data = read_file(path);
        return load_model({data.data(), data.size()}, stride_of(stride));
    });
}

int sv_open_bytes(const void* data, size_t size, int stride, sv_model** out) {
    return open(out, [&] {
        need(data != nullptr, "expected the content of a model file, got null");
        return load_model({static_cast<const std::uint8_t*>(data), size}, stride_of(stride));
    });
}

void sv_close(sv_model* model) { delete model; }

const char* sv_error(const void* handle) {
    return handle ? static_cast<const Handle*>(handle)->shown : "there is no handle";
}

const char* sv_manifest(const sv_model* model) {
    return model && model->model ? model->model->manifest.text.c_str() : "";
}

int sv_latents(const sv_model* model) { return model && model->model ? static_cast<int>(model->model->latents()) : 0; }

int sv_channels(const sv_model* model) {
    return model && model->model ? static_cast<int>(model->model->manifest.channels) : 0;
}

const char* sv_latent_name(const sv_model* model, int latent) {
    return latent_text(model, latent, &Manifest::Latent::name);
}

const char* sv_latent_unit(const sv_model* model, int latent) {
    return latent_text(model, latent, &Manifest::Latent::unit);
}

int sv_window(sv_model* model, int* height, int* width) {
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        need(height && width, "expected places for height and width, got null");
        *height = static_cast<int>(model_of(*model).manifest.window_height);
        *width = static_cast<int>(model_of(*model).manifest.window_width);
    });
}

int sv_grid(sv_model* model, int height, int width, int* rows, int* cols) {
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        need(rows && cols, "expected places for rows and cols, got null");
        const Grid grid = grid_of(model_of(*model), px(height, "height"), px(width, "width"));
        *rows = static_cast<int>(grid.rows());
        *cols = static_cast<int>(grid.cols());
    });
}

int sv_map(sv_model* model, const void* pixels, int pixel_type, int height, int width, ptrdiff_t line_stride,
           ptrdiff_t channel_stride, float* mean, float* std) {
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        const std::size_t channels = model_of(*model).manifest.channels;
        need(pixels && mean && std, "expected pixels, mean and std, got null");
        const PixelType type = pixel_type_of(pixel_type);
        const std::size_t lines = px(height, "height"), line = px(width, "width");
        Scan scan(model->model, lines, line, type);
        scan.map(view_of(pixels, type, channels, lines, line, {line_stride, channel_stride}), mean, std,
                 model->threads);
    });
}

int sv_scan_begin(sv_model* model, int height, int width, int pixel_type, sv_scan** out) {
    if (out) *out = nullptr;
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        model_of(*model);
        need(out != nullptr, "expected a place for the scan, got null");
        *out = new sv_scan{
            {}, Scan(model->model, px(height, "height"), px(width, "width"), pixel_type_of(pixel_type)), ""};
    });
}

int sv_scan_push(sv_scan* scan, const void* lines, int count, ptrdiff_t line_stride, ptrdiff_t channel_stride,
                 float* mean, float* std, int* first_row, int* rows) {
    if (!scan) return SV_ARGUMENT;
    return guarded(*scan, [&] {
        need(lines && mean && std, "expected lines, mean and std, got null");
        need(count >= 0, "expected 0 lines or more");
        Scan& frame = scan->scan;
        const Scan::Rows complete =
            frame.push(view_of(lines, frame.type(), frame.channels(), static_cast<std::size_t>(count),
                               frame.grid().frame_width, {line_stride, channel_stride}),
                       mean, std);
        if (first_row) *first_row = static_cast<int>(complete.first);
        if (rows) *rows = static_cast<int>(complete.count);
    });
}

int sv_domain(sv_scan* scan, const float* mean, const float* std, double* score, double* windows_out) {
    if (!scan) return SV_ARGUMENT;
    return guarded(*scan, [&] {
        need(mean && std && score, "expected mean, std and a place for the score, got null");
        scan->reason.clear();
        const Verdict verdict = scan->scan.verdict(mean, std);
        scan->reason = verdict.reason;
        *score = verdict.score;
        if (windows_out) *windows_out = verdict.windows_out;
    });
}

const char* sv_reason(const sv_scan* scan) { return scan ? scan->reason.c_str() : ""; }

void sv_scan_end(sv_scan* scan) { delete scan; }

int sv_fields(sv_model* model, int height, int width, const float* mean, const float* std, float* fields,
              float* fields_std) {
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        need(mean && std && fields && fields_std, "expected mean, std, fields and fields_std, got null");
        const Grid grid = grid_of(model_of(*model), px(height, "height"), px(width, "width"));
        write_fields(*model->model, grid, mean, std, fields, fields_std);
    });
}

int sv_decode(sv_model* model, int count, const float* latents, float* windows) {
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        need(latents && windows, "expected latents and a place for the windows, got null");
        need(count >= 0 && count <= most_drawn, "expected 0 to 65536 windows");
        const std::vector<float> drawn = draw_windows(model_of(*model), latents, static_cast<std::size_t>(count));
        std::copy(drawn.begin(), drawn.end(), windows);
    });
}

int sv_set_threads(sv_model* model, int threads) {
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        model_of(*model);
        need(threads >= 1 && threads <= most_threads, "expected 1 to 256 threads");
        model->threads = static_cast<unsigned>(threads);
    });
}

int sv_orders(const sv_model* model) {
    return model && model->model ? static_cast<int>(model->model->manifest.superlattice.size()) : 0;
}

int sv_order(sv_model* model, int height, int width, const float* mean, const float* std, float* order,
             float* order_std) {
    if (!model) return SV_ARGUMENT;
    return guarded(*model, [&] {
        need(mean && std && order && order_std, "expected mean, std, order and order_std, got null");
        const Grid grid = grid_of(model_of(*model), px(height, "height"), px(width, "width"));
        write_order(*model->model, grid, mean, std, order, order_std);
    });
}

}  // extern "C"
