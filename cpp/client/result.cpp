#include "result.hpp"

#include <cstring>
#include <limits>
#include <utility>

#include "shiftvae_client.h"

namespace shiftvae::client {

namespace {

constexpr std::size_t most_header_bytes = 262144;
constexpr std::uint64_t most_extent = 2147483647, most_buffer_bytes = 805306368;
constexpr std::size_t most_latents = 65536;
constexpr double largest = std::numeric_limits<double>::max(), smallest = std::numeric_limits<double>::min();
constexpr double none = std::numeric_limits<double>::quiet_NaN();

[[noreturn]] void bad(const std::string& what) { throw JsonError(what); }

void need(bool condition, const char* what) {
    if (!condition) bad(std::string("the header of the result contradicts itself: ") + what);
}

std::int64_t integer(const Json& json, std::uint64_t low, std::uint64_t high) {
    return static_cast<std::int64_t>(json.count(low, high));
}

std::array<std::int64_t, 2> pair(const Json& json) {
    const std::vector<Json>& items = json.items(2);
    if (items.size() != 2) bad("array-1.0 header: expected a height and a width");
    return {integer(items[0], 1, most_extent), integer(items[1], 1, most_extent)};
}

// The first of `count` window centres.
double first_centre(const Json& json, std::int64_t count) {
    json.only({"first", "step", "count"});
    json.at("step").number(smallest, largest);
    need(integer(json.at("count"), 1, most_extent) == count, "centre_y_px or centre_x_px against shape");
    return json.at("first").number(-largest, largest);
}

void read_shape(const Json& json, Result& result) {
    const std::vector<Json>& shape = json.at("shape").items(4);
    if (shape.size() != 4) bad("array-1.0 header: shape: expected 2, latents, rows and columns");
    shape[0].count(2, 2);
    result.integers[SVC_LATENTS] = integer(shape[1], 1, most_latents);
    result.integers[SVC_ROWS] = integer(shape[2], 1, most_extent);
    result.integers[SVC_COLS] = integer(shape[3], 1, most_extent);
}

void read_latents(const Json& json, Result& result) {
    const std::vector<Json>&names = json.at("names").items(most_latents), &units = json.at("units").items(most_latents),
          &varies = json.at("varies").items(most_latents);
    const auto latents = static_cast<std::size_t>(result.integers[SVC_LATENTS]);
    need(names.size() == latents && units.size() == latents && varies.size() == latents,
         "names, units or varies against shape");
    for (std::size_t i = 0; i < latents; ++i)
        result.latents.push_back({short_text(names[i]), short_text(units[i]), varies[i].boolean()});
}

// Where the rows lie in the map of their frame.
void read_place(const Json& json, Result& result) {
    auto& integers = result.integers;
    const auto frame = pair(json.at("frame_shape")), window = pair(json.at("window"));
    integers[SVC_FRAME_HEIGHT] = frame[0];
    integers[SVC_FRAME_WIDTH] = frame[1];
    integers[SVC_WINDOW_HEIGHT] = window[0];
    integers[SVC_WINDOW_WIDTH] = window[1];
    integers[SVC_STRIDE] = integer(json.at("stride"), 1, most_extent);
    integers[SVC_FIRST_ROW] = integer(json.at("first_row"), 0, most_count);
    integers[SVC_VALID_LINES] = integer(json.at("valid_rows"), 1, most_extent);
    integers[SVC_COMPLETE] = json.at("complete").boolean();
    need(frame[0] >= window[0] && frame[1] >= window[1], "the frame is smaller than the window");
    const std::int64_t rows = (frame[0] - window[0]) / integers[SVC_STRIDE] + 1,
                       cols = (frame[1] - window[1]) / integers[SVC_STRIDE] + 1;
    need(integers[SVC_COLS] == cols && integers[SVC_FIRST_ROW] + integers[SVC_ROWS] <= rows &&
             (!integers[SVC_COMPLETE] || integers[SVC_ROWS] == rows),
         "rows and columns against the map of the frame");
}

void read_pixel_size(const Json& json, Result& result) {
    double edges[] = {none, none};
    if (!json.is_null()) {
        const std::vector<Json>& items = json.items(2);
        if (items.size() != 2) bad("array-1.0 header: pixel_size_nm: expected two numbers or null");
        for (std::size_t i = 0; i < 2; ++i) edges[i] = items[i].number(smallest, largest);
    }
    result.numbers[SVC_PIXEL_SIZE_Y_NM] = edges[0];
    result.numbers[SVC_PIXEL_SIZE_X_NM] = edges[1];
}

void read_verdict(const Json& json, Result& result) {
    result.numbers[SVC_SCORE] = result.numbers[SVC_WINDOWS_OUT] = none;
    if (!json.has("domain") || json.at("domain").is_null()) return;
    const Json& verdict = json.at("domain");
    verdict.only({"score", "windows_out", "reason"});
    result.numbers[SVC_SCORE] = verdict.at("score").number(-largest, largest);
    result.numbers[SVC_WINDOWS_OUT] = verdict.at("windows_out").number(-largest, largest);
    if (verdict.has("reason")) result.texts[SVC_REASON] = verdict.at("reason").text();
}

void read_texts(const Json& json, Result& result) {
    result.texts[SVC_STREAM] = short_text(json.at("source"));
    result.texts[SVC_CHANNEL] = short_text(json.at("name"));
    result.texts[SVC_MODEL_SHA256] = short_text(json.at("model_sha256"));
    result.texts[SVC_EPOCH] = short_text(json.at("epoch"));
    if (json.has("context")) result.texts[SVC_CONTEXT] = short_text(json.at("context"), most_context_bytes);
}

void expect(const Json& json, const char* name, const char* text) {
    if (json.at(name).text() != text) bad(std::string("array-1.0 header: ") + name + ": expected " + text);
}

void take_buffer(Received& message, Result& result) {
    const std::array<std::int64_t, 16>& integers = result.integers;
    std::uint64_t expected = 2 * sizeof(float);
    for (const int extent : {SVC_LATENTS, SVC_ROWS, SVC_COLS}) {
        expected *= static_cast<std::uint64_t>(integers[static_cast<std::size_t>(extent)]);
        if (expected > most_buffer_bytes) bad("a result has at most 805306368 bytes");
    }
    const Bytes bytes = message.second.bytes();
    if (bytes.size != expected)
        bad("shape needs a buffer of " + std::to_string(expected) + " bytes, got " + std::to_string(bytes.size));
    result.buffer = std::move(message.second);
    const Bytes own = result.buffer.bytes();
    if (reinterpret_cast<std::uintptr_t>(own.first) % alignof(float) != 0) {
        result.aligned.resize(own.size / sizeof(float));
        std::memcpy(result.aligned.data(), own.first, own.size);
    }
}

}  // namespace

Result parse_result(Received& message) {
    if (message.parts != 2) bad("a result has two parts, header and buffer, got " + std::to_string(message.parts));
    const Json json = parse_part(message.first.bytes(), "array-1.0 header", most_header_bytes);
    json.only({"htype",       "type",    "dtype",     "shape",       "encoding",      "order",        "frame",
               "series",      "source",  "name",      "frame_shape", "valid_rows",    "complete",     "seq",
               "frame_seq",   "epoch",   "first_row", "names",       "units",         "varies",       "centre_y_px",
               "centre_x_px", "window",  "stride",    "age_ms",      "pixel_size_nm", "model_sha256", "utc_ns",
               "counters",    "lattice", "domain",    "context"});
    expect(json, "htype", "array-1.0");
    expect(json, "type", "float32");
    expect(json, "dtype", "float32");
    expect(json, "encoding", "little");
    expect(json, "order", "C");
    Result result;
    read_shape(json, result);
    read_latents(json, result);
    read_place(json, result);
    result.integers[SVC_FRAME_NUMBER] = integer(json.at("frame"), 0, most_count);
    result.integers[SVC_FRAME_SEQ] = integer(json.at("frame_seq"), 1, most_count);
    result.integers[SVC_SERIES] = integer(json.at("series"), 0, most_count);
    result.integers[SVC_RESULT_SEQ] = integer(json.at("seq"), 1, most_count);
    result.integers[SVC_UTC_NS] = integer(json.at("utc_ns"), 0, most_ns);
    result.numbers[SVC_CENTRE_Y_PX] = first_centre(json.at("centre_y_px"), result.integers[SVC_ROWS]);
    result.numbers[SVC_CENTRE_X_PX] = first_centre(json.at("centre_x_px"), result.integers[SVC_COLS]);
    result.numbers[SVC_AGE_MS] = json.at("age_ms").number(0, largest);
    read_pixel_size(json.at("pixel_size_nm"), result);
    read_verdict(json, result);
    read_texts(json, result);
    result.texts[SVC_HEADER] = message.first.bytes().text();
    result.counts = counts_of(json.at("counters"));
    take_buffer(message, result);
    return result;
}

const float* Result::mean() const noexcept {
    return aligned.empty() ? reinterpret_cast<const float*>(buffer.bytes().first) : aligned.data();
}

const float* Result::std() const noexcept { return mean() + bytes() / (2 * sizeof(float)); }

bool Result::complete() const noexcept { return integers[SVC_COMPLETE] != 0; }

const std::string& Result::stream() const noexcept { return texts[SVC_STREAM]; }

}  // namespace shiftvae::client
