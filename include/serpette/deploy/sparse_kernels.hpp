#pragma once

/// @internal The loops of sparse_convolution.hpp.

/// @file
/// The sparse convolution's inner loops for the instruction set of the machine it runs on.

#include <type_traits>

#include "serpette/deploy/cpu_features.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/sparse_job.hpp"
#include "serpette/detail/kernels.hpp"

namespace serpette::deploy {

/// The best that this machine supports, found at the first call.
/// @param narrow  at most eight lanes, for maps a few cells wide.
SERPETTE_KERNELS const SparseKernels<float>& sparse_float_kernels_here(bool narrow);
/// None where this machine has no products of Int8.
SERPETTE_KERNELS const SparseKernels<Int8>& sparse_int8_kernels_here();

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/sparse_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(sparse_kernels);
HWY_EXPORT(sparse_int8_kernels);

SERPETTE_KERNELS const SparseKernels<float>& sparse_float_kernels_here(bool narrow) {
  static const SparseKernels<float> wide_ones = HWY_DYNAMIC_DISPATCH(sparse_kernels)(false);
  static const SparseKernels<float> narrow_ones = HWY_DYNAMIC_DISPATCH(sparse_kernels)(true);
  return narrow ? narrow_ones : wide_ones;
}

SERPETTE_KERNELS const SparseKernels<Int8>& sparse_int8_kernels_here() {
  static const SparseKernels<Int8> kernels = HWY_DYNAMIC_DISPATCH(sparse_int8_kernels)();
  return kernels;
}

}  // namespace serpette::deploy
#endif  // SERPETTE_KERNELS_APART

namespace serpette::deploy {

/// The loops of products of float or Int8.
/// @param narrow  of float.
/// @throws Error  if this machine has none.
template <class Number>
const SparseKernels<Number>& sparse_kernels_here([[maybe_unused]] bool narrow) {
  if constexpr (std::is_same_v<Number, float>) {
    return sparse_float_kernels_here(narrow);
  } else {
    require_products<Number>();
    return sparse_int8_kernels_here();
  }
}

}  // namespace serpette::deploy
