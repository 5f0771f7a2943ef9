#pragma once

#include <ATen/Context.h>

#include <cstdlib>

namespace serpette {

/// Makes a GPU give equal results for equal seeds and settings, and those of the CPU up to
/// rounding: cuDNN's and LibTorch's deterministic algorithms, no search for the fastest one, and
/// float products in full precision rather than TF32. Holds for the whole process; call it before
/// any work. Nothing changes on the CPU, which is so anyway. Where LibTorch has no deterministic
/// algorithm (max-pool's gradient on overlapping windows) it warns once and sums in any order.
inline void make_reproducible() {
  auto& context = at::globalContext();
  if (!at::hasCUDA()) return;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // what cuBLAS asks for
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  constexpr bool kOnlyWarn = true;
  context.setDeterministicAlgorithms(true, kOnlyWarn);
  context.setDeterministicFillUninitializedMemory(false);  // a help in finding mistakes, and slow
}

}  // namespace serpette
