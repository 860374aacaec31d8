// Arrays of numbers that start at a cache line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace shiftvae {

// `count` uninitialised numbers; std::bad_alloc if there is no memory for them.
template <class T>
class Aligned {
public:
    Aligned() = default;
    explicit Aligned(std::size_t count) : memory_(new char[count * sizeof(T) + line]) {
        const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(memory_.get());
        first = reinterpret_cast<T*>(memory_.get() + (line - start % line) % line);
    }

    T* first = nullptr;

private:
    static constexpr std::size_t line = 64;  // bytes
    std::unique_ptr<char[]> memory_;
};

}  // namespace shiftvae
