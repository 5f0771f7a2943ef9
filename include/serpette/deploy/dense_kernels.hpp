#pragma once

/// @internal The loops of the dense convolutions.

/// @file
/// Dense convolutions' inner loops for the instruction set of the machine it runs on.

#include "serpette/deploy/dense_job.hpp"
#include "serpette/detail/kernels.hpp"

namespace serpette::deploy {

/// The best that this machine supports, found at the first call.
SERPETTE_KERNELS const DenseKernels& dense_kernels_here();

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/dense_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(dense_kernels);

SERPETTE_KERNELS const DenseKernels& dense_kernels_here() {
  static const DenseKernels kernels = HWY_DYNAMIC_DISPATCH(dense_kernels)();
  return kernels;
}

}  // namespace serpette::deploy
#endif  // SERPETTE_KERNELS_APART
