// What dense networks give beside double, and layers that are refused.
#include <stdexcept>

#include "check.hpp"
#include "dense_reference.hpp"
#include "each_isa.hpp"

using namespace shiftvae;
using namespace reference;

CASE("networks of every shape give what double gives, with every instruction set and type of pixels") {
    for (const Case& c : cases) {
        const Network network(c, 1);
        const Grid grid = network.grid(c.height, c.width);
        const std::vector<float> deviation = deviations(grid.rows() * grid.cols(), 40, 2);
        for (const PixelType type : reference::types) {
            const Frame frame(type, c.channels, c.height, c.width, 100, 30, 3);
            const Values expected = code_of(network, frame, deviation);
            on_each_isa([&] {
                const DenseNetwork dense = network.dense();
                CHECK(dense.channels() == c.channels && dense.stride() == c.stride);
                CHECK(dense.window_height() == network.window_height);
                CHECK(dense.window_width() == network.window_width);
                CHECK(dense.planes() == network.head.back().units);
                // the error of a phasor is the same in all that it turns: there it adds up
                const double most = c.bases ? 2 * few_roundings : few_roundings;
                CHECK(largest_error(expected, pushed(dense, frame.view(), deviation)) < most);
            });
        }
    }
}

CASE("rows of any number of windows give what double gives") {
    constexpr Case narrow[] = {{1, 9, 0, 1, as_in_models, {{20, 4, 3, 1}, {33, 3, 3, 1}, {16, 3, 3, 1}}, {4}},
                               {1, 9, 0, 1, as_in_models, {{16, 4, 3, 1}, {16, 3, 3, 1}, {16, 2, 2, 1}}, {4}},
                               {1, 9, 0, 1, as_in_models, {{16, 4, 3, 1}, {16, 3, 3, 2}}, {4}},
                               {1, 9, 0, 2, as_in_models, {{5, 4, 3, 1}, {16, 3, 3, 2}}, {4}}};
    for (const Case& c : narrow) {
        const Network network(c, 4);
        for (std::size_t cols = 1; cols <= 30; ++cols) {
            const Frame frame(PixelType::uint16, 1, c.height, network.window_width + (cols - 1) * c.stride, 100, 30, 5);
            const std::size_t rows = network.grid(c.height, frame.width).rows();
            const std::vector<float> deviation = deviations(rows * cols, 40, 6);
            const Values expected = code_of(network, frame, deviation);
            on_each_isa([&] {
                CHECK(largest_error(expected, pushed(network.dense(), frame.view(), deviation)) < few_roundings);
            });
        }
    }
}

CASE("an offset and steps of a frame cost no digits") {
    const Case& c = cases[0];
    const Network network(c, 7);
    const Grid grid = network.grid(c.height, c.width);
    const std::vector<float> deviation = deviations(grid.rows() * grid.cols(), 4, 8);
    Frame frame(PixelType::uint16, 1, c.height, c.width, 200, 3, 9);
    for (std::size_t i = 0; i < frame.pixels.size(); ++i)
        if (i % c.width > 25) frame.pixels[i] += 59800;
    frame.store<std::uint16_t>();
    const Values expected = code_of(network, frame, deviation);
    on_each_isa(
        [&] { CHECK(largest_error(expected, pushed(network.dense(), frame.view(), deviation)) < few_roundings); });
}

CASE("windows without differences give exactly what the head makes of 0") {
    for (const Case& c : cases) {
        const Network network(c, 20);
        const Grid grid = network.grid(c.height, c.width);
        const std::size_t windows = grid.rows() * grid.cols();
        const Frame frame(PixelType::uint16, c.channels, c.height, c.width, 60000, 0, 21);
        const Values expected = code_of(network, frame, std::vector<float>(windows, 1.0f));
        on_each_isa([&] {
            const DenseNetwork dense = network.dense();
            const std::vector<float> plain = pushed(dense, frame.view(), std::vector<float>(windows, 1.0f));
            CHECK(largest_error(expected, plain) < few_roundings);
            CHECK(pushed(dense, frame.view(), std::vector<float>(windows, 1e-15f)) == plain);
            for (std::size_t i = 0; i < plain.size(); ++i) CHECK(plain[i] == plain[i / windows * windows]);
        });
    }
}

CASE("huge and tiny deviations do what division does") {
    constexpr Case linear{1, 17, 50, 1, as_in_models, {{16, 4, 3, 1}, {20, 3, 3, 2}}, {6}};
    constexpr float any[] = {1e-38f, 1e-30f, 1e-15f, 1e-3f, 3.0f, 1e15f, 1e30f, 3e38f};
    Network network(linear, 22);
    for (float& bias : network.numbers.back()) bias = 0;
    const Grid grid = network.grid(linear.height, linear.width);
    const std::size_t windows = grid.rows() * grid.cols();
    const Frame frame(PixelType::float32, 1, linear.height, linear.width, 100, 30, 23);
    std::vector<float> mixed(windows);
    for (std::size_t i = 0; i < windows; ++i) mixed[i] = any[i * 5 % 8];
    on_each_isa([&] {
        const DenseNetwork dense = network.dense();
        const std::vector<float> plain = pushed(dense, frame.view(), std::vector<float>(windows, 1.0f));
        const std::vector<float> divided = pushed(dense, frame.view(), mixed);
        for (std::size_t i = 0; i < plain.size(); ++i) CHECK(divided[i] == plain[i] / mixed[i % windows]);
    });
    const Case& c = cases[0];  // its head has a tanh
    const Network bent(c, 24);
    const Grid bent_grid = bent.grid(c.height, c.width);
    std::vector<float> deviation(bent_grid.rows() * bent_grid.cols());
    for (std::size_t i = 0; i < deviation.size(); ++i) deviation[i] = any[i * 5 % 8];
    const Frame other(PixelType::float32, 1, c.height, c.width, 100, 30, 25);
    const Values expected = code_of(bent, other, deviation);
    on_each_isa([&] { CHECK(largest_error(expected, pushed(bent.dense(), other.view(), deviation)) < few_roundings); });
}

CASE("layers that do not fit are refused") {
    const Case& c = cases[0];
    const Network network(c, 34);
    const auto refused = [&](auto change) {
        std::vector<DenseNetwork::Convolution> stem = network.stem;
        std::vector<DenseNetwork::Linear> head = network.head;
        std::size_t stride = network.stride;
        change(stem, head, stride);
        try {
            DenseNetwork(stem, true, Turn(), head, stride);
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    CHECK(!refused([](auto&, auto&, auto&) {}));
    CHECK(refused([](auto& stem, auto&, auto&) { stem.clear(); }));
    CHECK(refused([](auto&, auto& head, auto&) { head.clear(); }));
    CHECK(refused([](auto&, auto&, auto& stride) { stride = 0; }));
    CHECK(refused([](auto& stem, auto&, auto&) { stem[0].inputs = 1; }));
    CHECK(refused([](auto& stem, auto&, auto&) { stem[0].inputs = 0; }));
    CHECK(refused([](auto& stem, auto&, auto&) { stem[0].inputs = 3; }));
    CHECK(refused([](auto& stem, auto&, auto&) { stem[0].dilation = 2; }));
    CHECK(refused([](auto& stem, auto&, auto&) { stem[1].inputs = 15; }));
    CHECK(refused([](auto& stem, auto&, auto&) { stem[2].inputs = 33; }));
    CHECK(refused([](auto& stem, auto&, auto&) { stem[2].units = 31; }));
    CHECK(refused([](auto&, auto& head, auto&) { head[0].inputs = 31; }));
    CHECK(refused([](auto&, auto& head, auto&) { head[1].inputs = 33; }));
}
