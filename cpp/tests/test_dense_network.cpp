#include "shiftvae/dense_network.hpp"
#include "check.hpp"
CASE("x") {}
