# Compiler options, and the kernels once for each instruction set behind one table.

function(shiftvae_set_warnings target)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 $<$<BOOL:${SHIFTVAE_WARNINGS_AS_ERRORS}>:/WX>)
  else()
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
      $<$<BOOL:${SHIFTVAE_WARNINGS_AS_ERRORS}>:-Werror>)
  endif()
endfunction()

# No contraction to fused multiply-add: every instruction set gives the same bits, but for spectra.hpp and dense.hpp,
# which ask for it.
# The other two only allow vectors.
if(MSVC)
  set(shiftvae_kernel_options /fp:precise)
else()
  set(shiftvae_kernel_options -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math)
endif()
if(MINGW)  # Windows aligns the stack to 16 bytes, and GCC spills longer vectors there as if it were aligned to their size.
  list(APPEND shiftvae_kernel_options -Wa,-muse-unaligned-vector-move)
endif()

function(shiftvae_add_isa target name)
  add_library(shiftvae_${name} OBJECT src/kernels/kernels.cpp src/kernels/window_kernels.cpp)
  target_include_directories(shiftvae_${name} PRIVATE include src)
  target_compile_definitions(shiftvae_${name} PRIVATE SHIFTVAE_ISA=${name})
  target_compile_options(shiftvae_${name} PRIVATE ${shiftvae_kernel_options} ${ARGN})
  shiftvae_set_warnings(shiftvae_${name})
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:shiftvae_${name}>)
endfunction()

function(shiftvae_add_kernels target)
  set(processor "${CMAKE_SYSTEM_PROCESSOR}")
  if(APPLE AND CMAKE_OSX_ARCHITECTURES)
    set(processor "${CMAKE_OSX_ARCHITECTURES}")
  endif()
  target_sources(${target} PRIVATE src/kernels/dispatch.cpp src/kernels/window_dispatch.cpp)
  if(processor MATCHES "^(x86_64|AMD64|amd64|x64)$")
    target_compile_definitions(${target} PRIVATE SHIFTVAE_X86)
    shiftvae_add_isa(${target} sse2)
    if(MSVC)
      shiftvae_add_isa(${target} avx2 /arch:AVX2)
      shiftvae_add_isa(${target} avx512 /arch:AVX512)
    else()
      shiftvae_add_isa(${target} avx2 -mavx2 -mfma)
      # GCC's own avx512fintrin.h trips its warnings of what is not initialised.
      shiftvae_add_isa(${target} avx512 -mfma -mavx512f -mavx512dq -mavx512bw -mavx512vl -mprefer-vector-width=512
        $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
    endif()
  elseif(processor MATCHES "^(aarch64|arm64|ARM64)$")
    target_compile_definitions(${target} PRIVATE SHIFTVAE_ARM)
    shiftvae_add_isa(${target} neon)
  elseif(processor STREQUAL "wasm32")
    target_compile_definitions(${target} PRIVATE SHIFTVAE_WASM)
    shiftvae_add_isa(${target} simd128 -msimd128)
  else()
    shiftvae_add_isa(${target} plain)
  endif()
endfunction()
