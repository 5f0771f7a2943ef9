#pragma once

/// @internal The loops of map_layers.hpp.

/// @file
/// Passes over maps for the instruction set of the machine they run on.

#include "serpette/deploy/map_job.hpp"
#include "serpette/detail/kernels.hpp"

namespace serpette::deploy {

/// The best that this machine supports, found at the first call.
SERPETTE_KERNELS const MapKernels& map_kernels_here();

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/map_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(map_kernels);

SERPETTE_KERNELS const MapKernels& map_kernels_here() {
  static const MapKernels kernels = HWY_DYNAMIC_DISPATCH(map_kernels)();
  return kernels;
}

}  // namespace serpette::deploy
#endif  // SERPETTE_KERNELS_APART
