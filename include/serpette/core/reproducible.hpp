#pragma once

#include <ATen/Context.h>

#include <cstdlib>

namespace serpette {

/// Makes a GPU give equal results for equal seeds and settings, and those of the CPU up to
/// rounding: cuDNN's and LibTorch's deterministic algorithms, no search for the fastest one, and
/// float products in full precision rather than TF32. Holds for the whole process; call it before
/// any work. Nothing changes on the CPU, which is so anyway. Where LibTorch has no deterministic
/// algorithm (max-pool's gradient on overlapping windows) it warns once and sums in any order.
/// @param tf32  products of floats rounded to 10 bits of mantissa, several times as fast on GPUs
/// that have them: results repeat, but are no longer those of the CPU up to rounding.
inline void make_reproducible(bool tf32 = false) {
  auto& context = at::globalContext();
  if (!at::hasCUDA()) return;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // what cuBLAS asks for
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
  context.setAllowTF32CuDNN(tf32);
  context.setAllowTF32CuBLAS(tf32);
  constexpr bool kOnlyWarn = true;
  context.setDeterministicAlgorithms(true, kOnlyWarn);
  context.setDeterministicFillUninitializedMemory(false);  // a help in finding mistakes, and slow
}

}  // namespace serpette
