// What Zig's C++ library for WASI leaves out: the throw and the landing of exceptions, and a `new` that throws.
#include <cstdlib>
#include <new>

#define __WASM_EXCEPTIONS__
#define _LIBUNWIND_HIDE_SYMBOLS
#define _LIBUNWIND_HAS_NO_THREADS
#include "config.h"

extern "C" {
#include "Unwind-wasm.c"
}

void* operator new(std::size_t size) {
    void* const memory = std::malloc(size ? size : 1);
    if (!memory) throw std::bad_alloc();
    return memory;
}
