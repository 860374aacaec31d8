// Streams of lines through dense networks: rows, bits, stops, and lines that are refused.
#include <chrono>
#include <limits>
#include <thread>

#include "check.hpp"
#include "dense_reference.hpp"
#include "each_isa.hpp"

using namespace shiftvae;
using namespace reference;

CASE("lines in any parts give the same bits as all at once, and only the rows that they complete") {
    for (const Case& c : cases) {
        const Network network(c, 10);
        const Grid grid = network.grid(c.height, c.width);
        const std::vector<float> deviation = deviations(grid.rows() * grid.cols(), 40, 11);
        for (const PixelType type : {PixelType::uint8, PixelType::int32, PixelType::float64}) {
            const Frame frame(type, c.channels, c.height, c.width, 100, 30, 12);
            on_each_isa([&] {
                const DenseNetwork dense = network.dense();
                const std::vector<float> whole = pushed(dense, frame.view(), deviation);
                CHECK(pushed(dense, frame.view(), deviation, {1}) == whole);
                CHECK(pushed(dense, frame.view(), deviation, {2, 1, 9, 1, 1, 5}) == whole);
                CHECK(pushed(dense, frame.view(), deviation, {c.height - 1, 1}) == whole);
            });
        }
    }
}

CASE("a band that begins at a row gives the bits of those rows") {
    for (const Case& c : cases) {
        if (c.used != as_in_models) continue;  // the other kernels see the line above the window
        const Network network(c, 13);
        const Grid grid = network.grid(c.height, c.width);
        const std::size_t windows = grid.rows() * grid.cols();
        const std::vector<float> deviation = deviations(windows, 40, 14);
        const Frame frame(PixelType::uint16, c.channels, c.height, c.width, 100, 30, 15);
        on_each_isa([&] {
            const DenseNetwork dense = network.dense();
            const std::vector<float> whole = pushed(dense, frame.view(), deviation);
            for (std::size_t first = 0; first < grid.rows(); ++first)
                for (const std::size_t rows : {std::size_t{1}, std::size_t{2}, grid.rows() - first}) {
                    if (first + rows > grid.rows()) continue;
                    const FrameView band =
                        band_of(frame.view(), first * c.stride, (rows - 1) * c.stride + network.window_height);
                    const float* from = deviation.data() + first * grid.cols();
                    const std::size_t some_windows = rows * grid.cols();
                    const std::vector<float> got = pushed(dense, band, {from, from + some_windows});
                    for (std::size_t plane = 0; plane < dense.planes(); ++plane)
                        CHECK(std::equal(got.begin() + static_cast<long>(plane * some_windows),
                                         got.begin() + static_cast<long>((plane + 1) * some_windows),
                                         whole.begin() + static_cast<long>(plane * windows + first * grid.cols())));
                }
        });
    }
}

CASE("streams of one network do not disturb each other") {
    const Case& c = cases[0];
    const Network network(c, 16);
    const Grid grid = network.grid(c.height, c.width);
    const std::size_t windows = grid.rows() * grid.cols();
    const std::vector<float> deviation = deviations(windows, 40, 17);
    const Frame frame(PixelType::uint16, 1, c.height, c.width, 100, 30, 18);
    const Frame other(PixelType::float32, 1, c.height, c.width, 300, 50, 19);
    const DenseNetwork dense = network.dense();
    DenseStream stream(dense, c.width), beside(dense, c.width);
    std::vector<float> code(dense.planes() * windows), ignored(code.size());
    std::size_t done = 0;
    for (std::size_t y = 0; y < c.height; ++y) {
        const std::size_t rows = stream.rows_with(1);
        CHECK(beside.push(band_of(other.view(), y, 1), deviation.data() + done, ignored.data() + done, windows) ==
              DenseStream::Outcome::done);
        CHECK(stream.push(band_of(frame.view(), y, 1), deviation.data() + done, code.data() + done, windows) ==
              DenseStream::Outcome::done);
        done += rows * grid.cols();
    }
    CHECK(code == pushed(dense, frame.view(), deviation));
    CHECK(ignored == pushed(dense, other.view(), deviation));
}

CASE("a stream that is stopped takes no more lines") {
    const Case& c = cases[0];
    const Network network(c, 26);
    const DenseNetwork dense = network.dense();
    const Frame frame(PixelType::uint16, 1, c.height, c.width, 100, 30, 27);
    DenseStream stream(dense, c.width);
    const std::size_t windows = stream.rows_with(c.height) * stream.cols();
    const std::vector<float> deviation(windows, 40.0f);
    std::vector<float> code(dense.planes() * windows, untouched);
    CHECK(stream.push(band_of(frame.view(), 0, 10), deviation.data(), code.data(), windows) ==
          DenseStream::Outcome::done);
    stream.stop();
    for (int again = 0; again < 2; ++again)
        CHECK(stream.push(band_of(frame.view(), 10, 10), deviation.data(), code.data(), windows) ==
              DenseStream::Outcome::stopped);
    CHECK(std::count(code.begin(), code.end(), untouched) == static_cast<long>(code.size()));
}

CASE("a push without end is stopped by another thread") {
    constexpr Case endless{1, 0, 40, std::size_t{1} << 50, as_in_models, {{16, 4, 3, 1}}, {2}};
    const Network network(endless, 28);
    const DenseNetwork dense = network.dense();
    const Frame frame(PixelType::uint8, 1, 1, endless.width, 100, 30, 29);
    DenseStream stream(dense, endless.width);
    FrameView lines = frame.view();
    lines.line_stride = 0;
    lines.height = std::size_t{1} << 50;
    CHECK(stream.rows_with(lines.height) == 1);
    const float deviation = 1;
    float code[2];
    DenseStream::Outcome outcome = DenseStream::Outcome::done;
    std::thread pusher([&] { outcome = stream.push(lines, &deviation, code, 1); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stream.stop();
    pusher.join();
    CHECK(outcome == DenseStream::Outcome::stopped);
}

CASE("differences beyond float32 are told, in any part and channel") {
    const Case& c = cases[3];
    const Network network(c, 30);
    const DenseNetwork dense = network.dense();
    const Grid grid = network.grid(c.height, c.width);
    const std::size_t windows = grid.rows() * grid.cols();
    const std::vector<float> deviation(windows, 1.0f);
    for (const double pixel : {1e300, std::numeric_limits<double>::quiet_NaN(), 4e38, 1e38})
        for (std::size_t k = 0; k < 2 * c.channels; ++k) {
            const std::size_t part = k % 2 ? c.height : 1, lines = (k / 2 + 1) * c.height;
            Frame frame(PixelType::float64, c.channels, c.height, c.width, 100, 30, 31);
            frame.pixels[(lines - 5) * c.width - 1] = pixel;  // the last of a line
            frame.store<double>();
            on_each_isa([&] {
                DenseStream stream(dense, c.width);
                std::vector<float> code(dense.planes() * windows);
                std::size_t y = 0, done = 0;
                DenseStream::Outcome outcome = DenseStream::Outcome::done;
                while (y < c.height && outcome == DenseStream::Outcome::done) {
                    const std::size_t rows = stream.rows_with(part);
                    outcome = stream.push(band_of(frame.view(), y, part), deviation.data() + done, code.data() + done,
                                          windows);
                    y += part;
                    done += rows * grid.cols();
                }
                if (pixel == 1e38) {
                    CHECK(y == c.height && outcome == DenseStream::Outcome::done);
                } else {
                    CHECK(outcome == DenseStream::Outcome::not_finite);
                    CHECK(part > 1 || y == c.height - 5);
                }
            });
        }
}

CASE("lines of other channels, another width or another type are not accepted") {
    const Case& c = cases[3];
    const Network network(c, 32);
    const DenseNetwork dense = network.dense();
    const Frame frame(PixelType::uint16, c.channels, 2, c.width, 100, 30, 33);
    const Frame other(PixelType::int16, c.channels, 2, c.width, 100, 30, 33);
    DenseStream stream(dense, c.width);
    CHECK(stream.accepts(frame.view()) && stream.accepts(other.view()));
    CHECK(!stream.accepts(Frame(PixelType::uint16, c.channels + 1, 2, c.width, 100, 30, 33).view()));
    CHECK(!stream.accepts(Frame(PixelType::uint16, c.channels, 2, c.width + 1, 100, 30, 33).view()));
    CHECK(stream.push(frame.view(), nullptr, nullptr, 0) == DenseStream::Outcome::done);
    CHECK(stream.accepts(frame.view()) && !stream.accepts(other.view()));
}
