// UTF-8, checked: what comes from the network or from a host is not text until it was looked at.
#pragma once

#include <cstddef>
#include <string>

namespace shiftvae {

// Number of characters of a text; -1 if it is not UTF-8 (RFC 3629).
std::ptrdiff_t utf8_length(const std::string& text) noexcept;

// The text as a string of JSON, with its quotation marks.
std::string json_text(const std::string& text);

}  // namespace shiftvae
