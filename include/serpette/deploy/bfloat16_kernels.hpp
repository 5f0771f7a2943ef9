#pragma once

/// @internal The loops of the dense convolutions in bfloat16.

/// @file
/// Dense convolutions' inner loops in bfloat16, where the machine has instructions for them.

#include "serpette/core/precision.hpp"
#include "serpette/deploy/dense_job.hpp"
#include "serpette/deploy/dense_kernels.hpp"

#define SERPETTE_EACH_TARGET "serpette/deploy/bfloat16_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(bfloat16_kernels);

/// Those of this machine, found at the first call; without a `round` where it has none.
inline const BFloat16Kernels& bfloat16_kernels_here() {
  static const BFloat16Kernels kernels = HWY_DYNAMIC_DISPATCH(bfloat16_kernels)();
  return kernels;
}

/// Whether this machine computes products of bfloat16.
inline bool has_bfloat16() { return bfloat16_kernels_here().round != nullptr; }

/// Whether layers of a plan of this precision may be computed in products of `Number` here.
template <class Number>
bool computes_in(Precision precision) {
  return kTogether<Number> == 1 || (precision == Precision::kBFloat16 && has_bfloat16());
}

/// The loops of products of float or BFloat16.
template <class Number>
const ProductKernels<Number>& product_kernels_here() {
  if constexpr (kTogether<Number> == 1)
    return dense_kernels_here();
  else
    return bfloat16_kernels_here();
}

}  // namespace serpette::deploy
