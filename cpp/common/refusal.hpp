// The one error of the libraries' own code. It ends at the C border, as a code and a text.
#pragma once

#include <stdexcept>
#include <string>

namespace shiftvae {

class Refusal : public std::runtime_error {
public:
    Refusal(int code, const std::string& text) : std::runtime_error(text), code_(code) {}
    int code() const noexcept { return code_; }

private:
    int code_;  // an error code of the library's header
};

[[noreturn]] inline void refuse(int code, const std::string& text) { throw Refusal(code, text); }

// A name from a file or from the network, as text that any host can show.
inline std::string shown(const std::string& name) {
    std::string text = name.substr(0, 60);
    for (char& one : text)
        if (one < ' ' || one > '~') one = '?';
    return text;
}

}  // namespace shiftvae
