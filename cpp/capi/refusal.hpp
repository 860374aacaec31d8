// What is wrong with a model file, as the error of the library.
#pragma once

#include <string>

#include "common/refusal.hpp"
#include "shiftvae.h"

namespace shiftvae {

constexpr const char* copy_again = ": copy or export the model again";

// A model file that is not as it was exported.
[[noreturn]] inline void refuse_file(const std::string& what) { refuse(SV_FILE, what + copy_again); }

}  // namespace shiftvae
