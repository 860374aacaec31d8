// Scratch memory of the workers of one call, allocated once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/kernels.hpp"

namespace shiftvae {

// Hands out aligned pieces of one block. Without a block it only counts, so that one layout gives size and pieces.
class Arena {
public:
    explicit Arena(char* block = nullptr) noexcept : block_(block) {}

    template <class T>
    T* take(std::size_t count) noexcept {
        const std::size_t at = used_;
        used_ += (count * sizeof(T) + cache_line - 1) / cache_line * cache_line;
        return block_ ? reinterpret_cast<T*>(block_ + at) : nullptr;
    }
    std::size_t used() const noexcept { return used_; }

private:
    char* block_;
    std::size_t used_ = 0;
};

// One block for each worker, in one allocation; std::bad_alloc if it fails.
class Scratch {
public:
    Scratch(std::size_t bytes, unsigned workers)
        : bytes_((bytes + cache_line - 1) / cache_line * cache_line + cache_line),
          memory_(new char[bytes_ * workers + cache_line]) {
        const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(memory_.get());
        first_ = memory_.get() + (cache_line - start % cache_line) % cache_line;
    }
    char* of(unsigned worker) const noexcept { return first_ + worker * bytes_; }

private:
    std::size_t bytes_;
    std::unique_ptr<char[]> memory_;
    char* first_;
};

}  // namespace shiftvae
