#pragma once

/// @internal The loops of the Winograd convolution of whole kernels.

/// @file
/// Its inner loops for the instruction set of the machine it runs on.

#include "serpette/deploy/dense_kernels.hpp"  // the transforms
#include "serpette/deploy/kernel_winograd_job.hpp"
#include "serpette/detail/kernels.hpp"

namespace serpette::deploy {

/// The best that this machine supports, found at the first call.
/// @param narrow  at most eight lanes, for maps of few tiles.
SERPETTE_KERNELS const KernelWinogradTable& kernel_winograd_table_here(bool narrow);

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/kernel_winograd_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(kernel_winograd_table);

SERPETTE_KERNELS const KernelWinogradTable& kernel_winograd_table_here(bool narrow) {
  static const KernelWinogradTable wide_ones = HWY_DYNAMIC_DISPATCH(kernel_winograd_table)(false);
  static const KernelWinogradTable narrow_ones = HWY_DYNAMIC_DISPATCH(kernel_winograd_table)(true);
  return narrow ? narrow_ones : wide_ones;
}

}  // namespace serpette::deploy
#endif  // SERPETTE_KERNELS_APART
