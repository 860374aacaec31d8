// The C border: arguments are checked, and every error becomes a code and a text.
#include "shiftvae_client.h"

#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "common/refusal.hpp"
#include "common/utf8.hpp"
#include "producer.hpp"
#include "reader.hpp"

using namespace shiftvae;
using namespace shiftvae::client;

namespace {

constexpr const char* out_of_memory = "this machine gives no more memory";
constexpr std::uint64_t most_px = 67108864;

// What both kinds of handles begin with: the last error, set by any thread, and a copy of it for the one that reads.
struct Handle {
    std::mutex mutex;
    std::string error, shown, shown_status;
};

}  // namespace

struct svc_producer : Handle {
    std::unique_ptr<Producer> producer;  // null after an error
    FrameOutcome outcome;
};

struct svc_reader : Handle {
    std::unique_ptr<Reader> reader;
};

namespace {

void note(Handle& handle, const char* text) noexcept {
    try {
        const std::lock_guard<std::mutex> lock(handle.mutex);
        handle.error = text;
    } catch (const std::exception&) {  // no memory for the text: the code says it NOLINT(bugprone-empty-catch)
    }
}

// Runs the body of a function of the library, which gives its code. Nothing that it throws leaves.
template <class Body>
int guarded(Handle* handle, Body&& body) noexcept {
    if (!handle) return SVC_ARGUMENT;
    try {
        return body();
    } catch (const Refusal& refusal) {
        note(*handle, refusal.what());
        return refusal.code();
    } catch (...) {
        note(*handle, out_of_memory);
        return SVC_MEMORY;
    }
}

// Makes a handle and lets `make` fill it; a handle that could not be filled tells why.
template <class Kind, class Make>
int open(Kind** out, Make&& make) noexcept {
    if (!out) return SVC_ARGUMENT;
    *out = new (std::nothrow) Kind;
    if (!*out) return SVC_MEMORY;
    return guarded(*out, [&] {
        make(**out);
        return SVC_OK;
    });
}

void need(bool condition, const char* what) {
    if (!condition) refuse(SVC_ARGUMENT, what);
}

Producer& producer_of(svc_producer& handle) {
    need(handle.producer != nullptr, "this producer could not be opened: close it");
    return *handle.producer;
}

Reader& reader_of(svc_reader& handle) {
    need(handle.reader != nullptr, "this reader could not be opened: close it");
    return *handle.reader;
}

// A copy that lives until the next call.
const char* copied(Handle& handle, std::string& place, std::string text) {
    const std::lock_guard<std::mutex> lock(handle.mutex);
    place = std::move(text);
    return place.c_str();
}

std::string last_error(Handle& handle) {
    const std::lock_guard<std::mutex> lock(handle.mutex);
    return handle.error;
}

std::size_t extent(int value, std::uint64_t most, const char* what) {
    if (value < 1 || static_cast<std::uint64_t>(value) > most)
        refuse(SVC_ARGUMENT,
               std::string("expected ") + what + " of 1 to " + std::to_string(most) + ", got " + std::to_string(value));
    return static_cast<std::size_t>(value);
}

std::string context_of(const char* context) {
    std::string text = context ? context : "";
    if (utf8_length(text) < 0 || text.size() > most_context_bytes)
        refuse(SVC_ARGUMENT, "expected a context of at most 1024 bytes of UTF-8, got " + std::to_string(text.size()) +
                                 " bytes" + (utf8_length(text) < 0 ? " that are not UTF-8" : ""));
    return text;
}

int offer(svc_producer* handle, std::uint64_t number, std::size_t first_line, const Lines& lines, bool whole,
          const char* context, std::uint64_t* seq) {
    return guarded(handle, [&] {
        Producer& producer = producer_of(*handle);
        need(lines.first != nullptr, "expected pixels, got null");
        need(number <= most_count, "expected a frame number from 0 to 2^53");
        const std::uint64_t given = producer.offer(number, first_line, lines, whole, context_of(context));
        if (seq) *seq = given;
        return given ? SVC_OK : SVC_LATE;
    });
}

const Result* result_of(const svc_reader* handle) noexcept {
    return handle && handle->reader ? handle->reader->current() : nullptr;
}

const Latent* latent_of(const svc_reader* handle, int latent) noexcept {
    const Result* const result = result_of(handle);
    const bool known = result && latent >= 0 && static_cast<std::size_t>(latent) < result->latents.size();
    return known ? &result->latents[static_cast<std::size_t>(latent)] : nullptr;
}

// A place of a list of a result; null beyond its end.
template <class List>
const typename List::value_type* at(const List* list, int which) noexcept {
    return list && which >= 0 && static_cast<std::size_t>(which) < list->size()
               ? &(*list)[static_cast<std::size_t>(which)]
               : nullptr;
}

}  // namespace

extern "C" {

int svc_abi_version(void) { return SVC_ABI_VERSION; }

int svc_producer_open(const char* endpoint, const char* stream, const char* key_file, svc_producer** out) {
    return open(out, [&](svc_producer& handle) {
        need(endpoint && stream, "expected an endpoint and a stream, got null");
        handle.producer = std::make_unique<Producer>(endpoint, stream, key_file);
    });
}

int svc_producer_format(svc_producer* handle, int pixel_type, int channels, int height, int width,
                        double pixel_size_y_nm, double pixel_size_x_nm) {
    return guarded(handle, [&] {
        Producer& producer = producer_of(*handle);
        need(pixel_type >= SVC_UINT8 && pixel_type <= SVC_FLOAT64,
             "expected a pixel type from SVC_UINT8 to SVC_FLOAT64");
        const bool known = std::isfinite(pixel_size_y_nm) && std::isfinite(pixel_size_x_nm) && pixel_size_y_nm > 0 &&
                           pixel_size_x_nm > 0;
        need(known || (pixel_size_y_nm == 0 && pixel_size_x_nm == 0),
             "expected two pixel sizes above 0 nm, or 0 for both if they are unknown");
        Format format;
        format.type = static_cast<PixelType>(pixel_type);
        format.channels = extent(channels, 64, "channels");
        format.height = extent(height, most_px, "a height");
        format.width = extent(width, most_px, "a width");
        need(static_cast<std::uint64_t>(format.height) * format.width <= most_px,
             "expected a frame of at most 67108864 px: offer parts of it as frames");
        format.edge_y_nm = pixel_size_y_nm;
        format.edge_x_nm = pixel_size_x_nm;
        producer.set_format(format);
        return SVC_OK;
    });
}

int svc_producer_offer(svc_producer* handle, uint64_t number, const void* pixels, ptrdiff_t line_stride,
                       ptrdiff_t channel_stride, const char* context, uint64_t* seq) {
    return offer(handle, number, 0, {pixels, 0, line_stride, channel_stride}, true, context, seq);
}

int svc_producer_offer_lines(svc_producer* handle, uint64_t number, int first_line, int count, const void* lines,
                             ptrdiff_t line_stride, ptrdiff_t channel_stride, const char* context, uint64_t* seq) {
    if (handle && (first_line < 0 || count < 1)) {
        note(*handle, "expected a first line from 0 on, and at least one line");
        return SVC_ARGUMENT;
    }
    return offer(handle, number, static_cast<std::size_t>(first_line),
                 {lines, static_cast<std::size_t>(count), line_stride, channel_stride}, false, context, seq);
}

int svc_producer_abort(svc_producer* handle, uint64_t number) {
    return guarded(handle, [&] { return producer_of(*handle).abort(number) ? SVC_OK : SVC_LATE; });
}

int svc_producer_outcome(svc_producer* handle, uint64_t* number, uint64_t* seq, int* outcome) {
    return guarded(handle, [&] {
        std::optional<FrameOutcome> next = producer_of(*handle).next_outcome();
        if (!next) return SVC_NONE;
        handle->outcome = std::move(*next);
        if (number) *number = handle->outcome.number;
        if (seq) *seq = handle->outcome.seq;
        if (outcome) *outcome = handle->outcome.outcome;
        return SVC_OK;
    });
}

const char* svc_producer_context(const svc_producer* handle) { return handle ? handle->outcome.context.c_str() : ""; }

const char* svc_producer_reason(const svc_producer* handle) { return handle ? handle->outcome.reason.c_str() : ""; }

int svc_producer_counters(svc_producer* handle, uint64_t* counters) {
    return guarded(handle, [&] {
        need(counters != nullptr, "expected a place for SVC_COUNTERS numbers, got null");
        producer_of(*handle).counters(counters);
        return SVC_OK;
    });
}

int svc_producer_connected(svc_producer* handle) {
    return handle && handle->producer && handle->producer->connected() ? 1 : 0;
}

int svc_producer_wait(svc_producer* handle, double timeout_s) {
    return guarded(handle, [&] { return producer_of(*handle).wait(timeout_s) ? SVC_OK : SVC_NONE; });
}

const char* svc_producer_status(svc_producer* handle) {
    if (!handle || !handle->producer) return "";
    try {
        return copied(*handle, handle->shown_status, handle->producer->status());
    } catch (...) {
        return out_of_memory;
    }
}

const char* svc_producer_error(svc_producer* handle) {
    try {
        return handle ? copied(*handle, handle->shown, last_error(*handle)) : "";
    } catch (...) {
        return out_of_memory;
    }
}

int svc_producer_end(svc_producer* handle, double timeout_s) {
    return guarded(handle, [&] { return producer_of(*handle).end(timeout_s) ? SVC_OK : SVC_NONE; });
}

void svc_producer_close(svc_producer* handle) { delete handle; }

int svc_reader_open(const char* endpoint, const char* stream, int latest, const char* key_file, svc_reader** out) {
    return open(out, [&](svc_reader& handle) {
        need(endpoint != nullptr, "expected an endpoint, got null");
        handle.reader = std::make_unique<Reader>(endpoint, stream ? stream : "", latest != 0, key_file);
    });
}

int svc_reader_next(svc_reader* handle, double timeout_s) {
    return guarded(handle, [&] { return reader_of(*handle).next(timeout_s) ? SVC_OK : SVC_NONE; });
}

const float* svc_reader_mean(const svc_reader* handle) {
    const Result* const result = result_of(handle);
    return result ? result->mean() : nullptr;
}

const float* svc_reader_std(const svc_reader* handle) {
    const Result* const result = result_of(handle);
    return result ? result->std() : nullptr;
}

int64_t svc_reader_integer(const svc_reader* handle, int which) {
    const Result* const result = result_of(handle);
    const auto* const value = at(result ? &result->integers : nullptr, which);
    return value ? *value : 0;
}

double svc_reader_number(const svc_reader* handle, int which) {
    const Result* const result = result_of(handle);
    const auto* const value = at(result ? &result->numbers : nullptr, which);
    return value ? *value : std::numeric_limits<double>::quiet_NaN();
}

const char* svc_reader_text(const svc_reader* handle, int which) {
    const Result* const result = result_of(handle);
    const auto* const value = at(result ? &result->texts : nullptr, which);
    return value ? value->c_str() : "";
}

const char* svc_reader_latent_name(const svc_reader* handle, int latent) {
    const Latent* const one = latent_of(handle, latent);
    return one ? one->name.c_str() : nullptr;
}

const char* svc_reader_latent_unit(const svc_reader* handle, int latent) {
    const Latent* const one = latent_of(handle, latent);
    return one ? one->unit.c_str() : nullptr;
}

int svc_reader_varies(const svc_reader* handle, int latent) {
    const Latent* const one = latent_of(handle, latent);
    return one && one->varies ? 1 : 0;
}

int svc_reader_outcomes(const svc_reader* handle, uint64_t* counters) {
    const Result* const result = result_of(handle);
    if (!handle || !counters) return SVC_ARGUMENT;
    if (!result) return SVC_NONE;
    std::copy(result->counts.begin(), result->counts.end(), counters);
    return SVC_OK;
}

int svc_reader_counters(svc_reader* handle, uint64_t* counters) {
    return guarded(handle, [&] {
        need(counters != nullptr, "expected a place for SVC_READER_COUNTERS numbers, got null");
        reader_of(*handle).counters(counters);
        return SVC_OK;
    });
}

int svc_reader_connected(svc_reader* handle) { return handle && handle->reader && handle->reader->connected() ? 1 : 0; }

const char* svc_reader_error(svc_reader* handle) {
    if (!handle) return "";
    try {
        std::string text = last_error(*handle);
        if (text.empty() && handle->reader) text = handle->reader->fault();
        return copied(*handle, handle->shown, std::move(text));
    } catch (...) {
        return out_of_memory;
    }
}

void svc_reader_close(svc_reader* handle) { delete handle; }

}  // extern "C"
