// Turns of the features of dense networks by phasors of the lattice.
#include <stdexcept>

#include "check.hpp"
#include "dense_reference.hpp"
#include "each_isa.hpp"

using namespace shiftvae;
using namespace reference;

CASE("turns that do not fit are refused") {
    const Network network(cases[14], 35);
    const auto refused = [&](auto change) {
        Turn turn = network.turn;
        change(turn);
        try {
            DenseNetwork(network.stem, false, turn, network.head, 1);
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    CHECK(!refused([](Turn&) {}));
    CHECK(refused([](Turn& turn) { turn.bases = 1; }));
    CHECK(refused([](Turn& turn) { turn.bases = 3; }));
    CHECK(refused([](Turn& turn) { turn.bases = 1000; }));
    CHECK(refused([](Turn& turn) { turn.orders.pop_back(); }));
    CHECK(refused([](Turn& turn) { turn.orders.clear(); }));
    CHECK(refused([](Turn& turn) { turn.phases.push_back(0); }));
    CHECK(refused([](Turn& turn) { turn.orders[0] = 2; }));
    CHECK(refused([](Turn& turn) { turn.orders[1] = -1; }));
    CHECK(refused([](Turn& turn) { turn.orders.back() = 17; }));
    CHECK(refused([](Turn& turn) { turn.orders.back() = -2147483647 - 1; }));
    CHECK(refused([](Turn& turn) { turn.phases[0] = -17; }));
    for (int power = -16; power <= 16; ++power) CHECK(!refused([&](Turn& turn) { turn.orders.back() = power; }));
    std::vector<DenseNetwork::Linear> few{network.head[0]};
    few[0].units = 3;  // planes: two cosines, but one sine
    bool told = false;
    try {
        DenseNetwork(network.stem, false, network.turn, few, 1);
    } catch (const std::invalid_argument&) {
        told = true;
    }
    CHECK(told);
}

CASE("a phasor of 0 turns nothing, and those of huge and tiny features turn as they should") {
    constexpr Case one{1, 1, 90, 1, all, {{4, 1, 3, 1}}, {4}, 1};
    for (const float scale : {0.0f, 1e-30f, 1e-12f, 1.0f, 1e30f}) {
        Network network(one, 36);
        for (std::size_t i = 0; i < 6; ++i) network.numbers[0][i] *= scale;  // of the base
        const std::vector<float> deviation(87, 1.0f);
        const Frame frame(PixelType::uint16, 1, 1, 90, 100, 30, 37);
        const Values expected = code_of(network, frame, deviation);
        on_each_isa([&] {
            const std::vector<float> got = pushed(network.dense(), frame.view(), deviation);
            CHECK(largest_error(expected, got) < few_roundings);
        });
    }
}
