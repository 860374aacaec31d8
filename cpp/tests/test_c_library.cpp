#include "check.hpp"
#include "common/json.hpp"
#include "common/number_text.hpp"
#include "each_isa.hpp"
#include "layers_graph.hpp"
#include "model_builder.hpp"
#include "reference.hpp"
#include "refusal.hpp"
#include "sha256.hpp"
#include "shiftvae.h"
#include "stored_zip.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

using namespace shiftvae;

namespace {

struct Close {
    void operator()(sv_model* model) const { sv_close(model); }
    void operator()(sv_scan* scan) const { sv_scan_end(scan); }
};
using OpenModel = std::unique_ptr<sv_model, Close>;
using OpenScan = std::unique_ptr<sv_scan, Close>;

// Exactly as many bytes as the file has, so that an access beyond is seen.
OpenModel open(const std::string& file, int stride, int* code = nullptr) {
    const std::unique_ptr<char[]> exact(new char[file.size()]);
    std::memcpy(exact.get(), file.data(), file.size());
    sv_model* model = nullptr;
    const int found = sv_open_bytes(exact.get(), file.size(), stride, &model);
    CHECK((found == SV_OK) == (std::strlen(sv_error(model)) == 0));
    if (code) *code = found;
    return OpenModel(model);
}

const std::string& model_file() {
    static const std::string file = builder::pack(builder::members());
    return file;
}

struct Map {
    std::vector<float> mean, sd;

    Map(sv_model* model, const reference::Frame& frame) {
        int rows = 0, cols = 0;
        CHECK(sv_grid(model, static_cast<int>(frame.height), static_cast<int>(frame.width), &rows, &cols) == SV_OK);
        mean.assign(static_cast<std::size_t>(sv_latents(model) * rows * cols), -1.0f);
        sd = mean;
    }
    bool operator==(const Map& other) const {
        return std::memcmp(mean.data(), other.mean.data(), 4 * mean.size()) == 0 &&
               std::memcmp(sd.data(), other.sd.data(), 4 * sd.size()) == 0;
    }
};

Map whole(sv_model* model, const reference::Frame& frame) {
    Map map(model, frame);
    CHECK(sv_map(model, frame.bytes.data(), static_cast<int>(frame.type), static_cast<int>(frame.height),
                 static_cast<int>(frame.width), 0, 0, map.mean.data(), map.sd.data()) == SV_OK);
    return map;
}

OpenScan begin(sv_model* model, const reference::Frame& frame) {
    sv_scan* scan = nullptr;
    CHECK(sv_scan_begin(model, static_cast<int>(frame.height), static_cast<int>(frame.width),
                        static_cast<int>(frame.type), &scan) == SV_OK);
    return OpenScan(scan);
}

// Bands of 1, 2, 3, ... lines, each in memory of its exact size.
void push_all(sv_scan* scan, const reference::Frame& frame, Map& map) {
    const std::size_t line = frame.width * frame.size;
    std::size_t y = 0;
    for (std::size_t more = 1; y < frame.height; y += more++) {
        more = std::min(more, frame.height - y);
        const std::vector<char> lines(frame.bytes.begin() + static_cast<std::ptrdiff_t>(y * line),
                                      frame.bytes.begin() + static_cast<std::ptrdiff_t>((y + more) * line));
        CHECK(sv_scan_push(scan, lines.data(), static_cast<int>(more), 0, 0, map.mean.data(), map.sd.data(), nullptr,
                           nullptr) == SV_OK);
    }
}

template <class Body>
bool is_refused(Body body) {
    try {
        body();
    } catch (const Refusal& refusal) {
        return refusal.code() == SV_FILE && std::strlen(refusal.what()) > 0;
    } catch (const JsonError& error) {
        return std::strlen(error.what()) > 0;
    }
    return false;
}

}  // namespace

CASE("hashes are those of FIPS 180-4") {
    const auto hash = [](const std::string& text) { return sha256(builder::bytes_of(text)); };
    CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(hash(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

CASE("JSON is read as it was written, whatever its escapes and numbers") {
    const std::string text =
        R"( {"a" : [0, -1.5e-3 , 12E2], "\u00e9\ud83d\ude00\/\n": "b\"\\", "c": {"d": null, "e": [], "f": {}}} )";
    const Json json = Json::parse(builder::bytes_of(text), "text");
    const std::vector<Json>& numbers = json.at("a").items(3);
    CHECK(numbers.size() == 3 && numbers[1].number(-1, 1) == -1.5e-3 && numbers[2].integer(0, 2000) == 1200);
    CHECK(json.at("\xc3\xa9\xf0\x9f\x98\x80/\n").text() == "b\"\\");
    CHECK(json.at("c").at("d").is_null() && json.at("c").at("e").items(0).empty());
    CHECK(is_refused([&] { json.at("b"); }));
    CHECK(is_refused([&] { json.at("a").items(2); }));
    CHECK(is_refused([&] { numbers[1].integer(0, 9); }));
    CHECK(is_refused([&] { numbers[2].integer(0, 1199); }));
    CHECK(is_refused([&] { json.at("c").text(); }));
    CHECK(is_refused([&] { json.at("c").boolean(); }));
    CHECK(is_refused([&] { json.only({"a"}); }));
    const std::string ns = "[true, 9223372036854775807, 18446744073709551616, -1, 1.0]";
    const Json more = Json::parse(builder::bytes_of(ns), "text");
    CHECK(more.items(5)[0].boolean() && more.items(5)[1].count(0, INT64_MAX) == INT64_MAX);
    for (const std::size_t bad : {0U, 2U, 3U, 4U}) CHECK(is_refused([&] { more.items(5)[bad].count(0, UINT64_MAX); }));
}

CASE("the places in a text of many values under long keys take little memory") {
    std::string text = "1";
    for (int i = 0; i < 100000; ++i) text += ",1";
    text = "{\"" + std::string(100000, 'k') + "\":[" + text + "]}";
    CHECK(Json::parse(builder::bytes_of(text), "text").values()[0].items(1000000).size() == 100001);
}

CASE("numbers for people have a point, and are those of printf") {
    for (const double number : {0.0, 0.04, 0.26, 1.0, 9.96, 12.34, 99.97, 1234.56})
        for (const int digits : {0, 1}) {
            char text[40];
            std::snprintf(text, sizeof text, digits ? "%.1f" : "%.0f", number);
            CHECK(fixed_text(number, digits) == text);
        }
    for (const double number : {1.0, 0.96, 0.24, 3e-3, 9.7e-5, 2e-5, 4.4e-12, 9.6, 31.0, 2.2e120}) {
        char text[40];
        std::snprintf(text, sizeof text, "%.1g", number);
        CHECK(one_digit_text(number) == text);
    }
    CHECK(fixed_text(HUGE_VAL, 1) == "more than 1e15" && one_digit_text(0) == "0" && one_digit_text(NAN) == "nan" &&
          one_digit_text(-1e6) == "-1e+06");
}

CASE("text that is not JSON is refused") {
    for (const std::string text : {"",
                                   "{",
                                   "[1,]",
                                   "{\"a\":1,}",
                                   "{\"a\":1,\"a\":2}",
                                   "01",
                                   "1.",
                                   ".5",
                                   "+1",
                                   "1e",
                                   "nan",
                                   "inf",
                                   "1 2",
                                   "\"\\x\"",
                                   "\"\\u12\"",
                                   "\"\\u0000\"",
                                   "\"\\ud800\"",
                                   "\"a\nb\"",
                                   "\"",
                                   "{1:2}",
                                   "tru",
                                   "1e999",
                                   "[1 2]"})
        CHECK(is_refused([&] { Json::parse(builder::bytes_of(text), "text"); }));
    CHECK(is_refused([&] { Json::parse(builder::bytes_of(std::string(100000, '[')), "text"); }));
}

CASE("a model opens, says what it is, and passes its own test frame at every stride") {
    for (const int stride : {1, 2, 3, 6}) {
        const OpenModel model = open(model_file(), stride);
        int height = 0, width = 0;
        CHECK(sv_window(model.get(), &height, &width) == SV_OK && height == 8 && width == 8);
        CHECK(sv_latents(model.get()) == 3 && sv_channels(model.get()) == 1);
        CHECK(std::strcmp(sv_latent_unit(model.get(), 2), "\xc2\xb5\"") == 0);
    }
    int code = SV_OK;
    open(model_file(), 0, &code);
    CHECK(code == SV_ARGUMENT);
}

CASE("a frame in parts has the bits of the whole, for every type of pixels, with every instruction set") {
    on_each_isa([] {
        for (const int stride : {1, 2, 6}) {
            const OpenModel model = open(model_file(), stride);
            for (const PixelType type : reference::types) {
                const reference::Frame frame(type, 1, 41, 37, 100, 20, 3);
                const Map at_once = whole(model.get(), frame);
                Map in_parts(model.get(), frame);
                push_all(begin(model.get(), frame).get(), frame, in_parts);
                CHECK(in_parts == at_once);
            }
        }
    });
}

CASE("scans of one model run in threads of their own, and outlive it") {
    OpenModel model = open(model_file(), 1);
    const reference::Frame frame(PixelType::float32, 1, 40, 44, 100, 20, 4);
    const Map wanted = whole(model.get(), frame);
    std::vector<Map> maps(3, Map(model.get(), frame));
    std::vector<OpenScan> scans;
    for (std::size_t i = 0; i < maps.size(); ++i) scans.push_back(begin(model.get(), frame));
    model.reset();
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < maps.size(); ++i)
        threads.emplace_back([&, i] { push_all(scans[i].get(), frame, maps[i]); });
    for (std::thread& thread : threads) thread.join();
    for (const Map& map : maps) CHECK(map == wanted);
}

CASE("fields fill the whole map") {
    const OpenModel model = open(model_file(), 2);
    const reference::Frame frame(PixelType::uint16, 1, 60, 50, 100, 20, 5);
    const Map map = whole(model.get(), frame);
    std::vector<float> fields(2 * map.mean.size(), -1e30f), sd = fields;
    CHECK(sv_fields(model.get(), 60, 50, map.mean.data(), map.sd.data(), fields.data(), sd.data()) == SV_OK);
    for (std::size_t i = 0; i < fields.size(); ++i) CHECK(fields[i] > -1e29f && sd[i] >= 0);
}

CASE("a file that is cut anywhere is refused") {
    for (std::size_t size = 0; size < model_file().size(); size += size < 2000 ? 1 : 97) {
        int code = SV_OK;
        open(model_file().substr(0, size), 1, &code);
        CHECK(code == SV_FILE);
    }
}

CASE("a file with any flipped bit in its manifest or in the records of its zip is refused") {
    const std::string& file = model_file();
    const std::size_t manifest_end = 30 + 13 + builder::manifest(builder::members()).size();
    for (std::size_t at = 0; at < file.size(); ++at) {
        if (at == manifest_end + 200) at = file.size() - 300;  // the directory, and what is before it
        std::string damaged = file;
        damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
        int code = SV_OK;
        open(damaged, 1, &code);
        CHECK(code == SV_FILE);
    }
}

CASE("layers and golden frames with any byte changed, under hashes that fit, are refused or harmless") {
    const builder::Members members = builder::members();
    for (std::size_t member = 0; member < members.size(); ++member)
        for (std::size_t at = 0; at < members[member].second.size(); at += at < 600 ? 3 : 41)
            for (const char byte : {'\0', '\x7f', '\xff'}) {
                builder::Members changed = members;
                changed[member].second[at] = byte;
                int code = SV_OK;
                open(builder::pack(changed), 2, &code);
                CHECK(code == SV_OK || code == SV_FILE);
            }
}

CASE("members that are doubled, that hold more than the file together, or lie elsewhere are refused") {
    builder::Members members = builder::members();
    members.push_back(members.front());
    CHECK(is_refused([&] { read_stored_zip(builder::bytes_of(builder::zip(members)), "zip"); }));
    std::string zip = builder::zip({{"a", "1234"}, {"b", "5678"}});
    CHECK(read_stored_zip(builder::bytes_of(zip), "zip").size() == 2);
    const std::size_t directory = zip.size() - 22 - 2 * 47;
    zip[directory + 20] = zip[directory + 24] = 127;  // the size of a, over the records of b
    zip[directory + 47 + 20] = zip[directory + 47 + 24] = 90;
    CHECK(is_refused([&] { read_stored_zip(builder::bytes_of(zip), "zip"); }));
    zip[directory + 20] = zip[directory + 24] = 4;
    zip[directory + 47 + 42] = 127;  // the place of b
    CHECK(is_refused([&] { read_stored_zip(builder::bytes_of(zip), "zip"); }));
}
