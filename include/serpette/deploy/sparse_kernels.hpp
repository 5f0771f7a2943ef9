#pragma once

/// @internal The loops of sparse_convolution.hpp.

/// @file
/// The sparse convolution's inner loops for the instruction set of the machine it runs on. A
/// translation unit that includes this header cannot use Highway's foreach_target.h for targets of
/// its own.

#define SERPETTE_SPARSE_KERNELS_PER_TARGET
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "serpette/deploy/sparse_kernels-inl.hpp"
#include <hwy/foreach_target.h>
// foreach_target.h has included it for every other instruction set; this one is for the baseline.
#include "serpette/deploy/sparse_kernels-inl.hpp"
#undef SERPETTE_SPARSE_KERNELS_PER_TARGET

namespace serpette::deploy {

HWY_EXPORT(sparse_kernels);

/// The best that this machine supports, found at the first call.
/// @param narrow  at most eight lanes, for maps a few cells wide.
inline const SparseKernels& sparse_kernels_here(bool narrow) {
  static const SparseKernels wide_ones = HWY_DYNAMIC_DISPATCH(sparse_kernels)(false);
  static const SparseKernels narrow_ones = HWY_DYNAMIC_DISPATCH(sparse_kernels)(true);
  return narrow ? narrow_ones : wide_ones;
}

}  // namespace serpette::deploy
