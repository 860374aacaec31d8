# WebAssembly for browsers, by Zig's clang, which PyPI has: `make wasm` installs it and names it in SHIFTVAE_ZIG.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SHIFTVAE_ZIG)
set(CMAKE_CXX_COMPILER ${SHIFTVAE_ZIG} c++)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
set(CMAKE_CXX_ARCHIVE_CREATE "${SHIFTVAE_ZIG} ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "${SHIFTVAE_ZIG} ranlib <TARGET>")
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)  # else no object defines the tag of C++ exceptions
# Exceptions of WebAssembly in the form that every browser of today runs. Zig's own -fwasm-exceptions breaks in the
# backend, and these options are what clang makes of it.
string(JOIN " " CMAKE_CXX_FLAGS_INIT -fexceptions -mexception-handling "-Xclang -exception-model=wasm"
  "-Xclang -mllvm -Xclang -wasm-enable-eh")
