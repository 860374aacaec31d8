// A test body with every instruction set of this machine in turn.
#pragma once

#include "check.hpp"
#include "shiftvae/isa.hpp"

template <class Body>
void on_each_isa(Body body) {
    const char* names[8];
    const std::size_t count = shiftvae::available_isas(names, 8);
    for (std::size_t i = 0; i < count; ++i) {
        CHECK(shiftvae::use_isa(names[i]));
        body();
    }
}
