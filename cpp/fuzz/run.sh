#!/bin/sh
# Fuzz the C++ kernels and the C library's reader of model files with libFuzzer under ASan and UBSan:
# cpp/fuzz/run.sh [SECONDS A TARGET] [BUILD FOLDER] [TARGETS]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=${2:-../build/fuzz}
compiler=${CLANGXX:-clang++}
if ! command -v "$compiler" >/dev/null; then
  echo "SKIPPED: no clang++ (apt install clang libclang-rt-14-dev)"
  exit 0
fi
mkdir -p "$build"
flags="-std=c++17 -g -O1 -I. -Iinclude -Isrc -Icapi -Itests -DSHIFTVAE_X86 -fno-omit-frame-pointer -ffp-contract=off -pthread"
checks="-fsanitize=address,undefined -fno-sanitize-recover=all"
case $(uname -m) in
  x86_64) ;;
  *) echo "SKIPPED: the script builds the x86 kernels only"; exit 0 ;;
esac
objects=
for isa in sse2 avx2 avx512; do
  case $isa in
    sse2) machine= ;;
    avx2) machine="-mavx2 -mfma" ;;
    avx512) machine="-mavx512f -mavx512dq -mavx512bw -mavx512vl" ;;
  esac
  for kernels in kernels window_kernels; do
    object="$build/${kernels}_$isa.o"
    # shellcheck disable=SC2086
    "$compiler" $flags $checks -fsanitize=fuzzer-no-link $machine -DSHIFTVAE_ISA=$isa -c src/kernels/$kernels.cpp -o "$object"
    objects="$objects $object"
  done
done
for source in src/*.cpp src/kernels/*dispatch.cpp common/*.cpp capi/*.cpp; do
  object="$build/$(basename "$source" .cpp).o"
  # shellcheck disable=SC2086
  "$compiler" $flags $checks -fsanitize=fuzzer-no-link -c "$source" -o "$object"
  objects="$objects $object"
done
for target in ${3:-windows filters frames readout rounds assembly dense model}; do
  # shellcheck disable=SC2086
  "$compiler" $flags $checks -fsanitize=fuzzer fuzz/fuzz_$target.cpp $objects -o "$build/fuzz_$target"
  mkdir -p "$build/corpus_$target"
  echo "fuzz_$target: $seconds s"
  "$build/fuzz_$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$build/" "$build/corpus_$target" 2>&1 | grep -E "ERROR|runtime error|SUMMARY|number_of_executed_units|peak_rss" | tee "$build/last.txt"
  if grep -qE "ERROR|runtime error|SUMMARY" "$build/last.txt"; then exit 1; fi
done
