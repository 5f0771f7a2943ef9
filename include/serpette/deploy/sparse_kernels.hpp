#pragma once

/// @internal The loops of sparse_convolution.hpp.

/// @file
/// The sparse convolution's inner loops for the instruction set of the machine it runs on.

#include "serpette/deploy/sparse_job.hpp"
#include "serpette/detail/kernels.hpp"

namespace serpette::deploy {

/// The best that this machine supports, found at the first call.
/// @param narrow  at most eight lanes, for maps a few cells wide.
SERPETTE_KERNELS const SparseKernels& sparse_kernels_here(bool narrow);

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/sparse_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(sparse_kernels);

SERPETTE_KERNELS const SparseKernels& sparse_kernels_here(bool narrow) {
  static const SparseKernels wide_ones = HWY_DYNAMIC_DISPATCH(sparse_kernels)(false);
  static const SparseKernels narrow_ones = HWY_DYNAMIC_DISPATCH(sparse_kernels)(true);
  return narrow ? narrow_ones : wide_ones;
}

}  // namespace serpette::deploy
#endif  // SERPETTE_KERNELS_APART
