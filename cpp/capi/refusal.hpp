// The one error of the library's own code. It ends at the C border, as a code and a text.
#pragma once

#include <stdexcept>
#include <string>

#include "shiftvae.h"

namespace shiftvae {

class Refusal : public std::runtime_error {
public:
    Refusal(int code, const std::string& text) : std::runtime_error(text), code_(code) {}
    int code() const noexcept { return code_; }

private:
    int code_;  // SV_FILE, SV_FRAME, ...
};

[[noreturn]] inline void refuse(int code, const std::string& text) { throw Refusal(code, text); }

// A name from a file, as text that any host can show.
inline std::string shown(const std::string& name) {
    std::string text = name.substr(0, 60);
    for (char& one : text)
        if (one < ' ' || one > '~') one = '?';
    return text;
}

// A model file that is not as it was exported.
[[noreturn]] inline void refuse_file(const std::string& what) {
    refuse(SV_FILE, what + ": copy or export the model again");
}

}  // namespace shiftvae
