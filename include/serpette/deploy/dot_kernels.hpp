#pragma once

/// @internal The loops of the dense convolutions in bfloat16 and int8.

/// @file
/// Dense convolutions' inner loops in numbers of fewer bits, where the machine has instructions
/// that multiply neighbours and add up the products.

#include "serpette/core/contract.hpp"
#include "serpette/deploy/cpu_features.hpp"
#include "serpette/deploy/dense_job.hpp"
#include "serpette/deploy/dense_kernels.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/detail/kernels.hpp"

namespace serpette::deploy {

/// Those of this machine, found at the first call; without a `round` where it has none.
SERPETTE_KERNELS const DotKernels<BFloat16>& bfloat16_kernels_here();
SERPETTE_KERNELS const DotKernels<Int8>& int8_kernels_here();

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/dot_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(bfloat16_kernels);
HWY_EXPORT(int8_kernels);

SERPETTE_KERNELS const DotKernels<BFloat16>& bfloat16_kernels_here() {
  static const DotKernels<BFloat16> kernels = HWY_DYNAMIC_DISPATCH(bfloat16_kernels)();
  return kernels;
}
SERPETTE_KERNELS const DotKernels<Int8>& int8_kernels_here() {
  static const DotKernels<Int8> kernels = HWY_DYNAMIC_DISPATCH(int8_kernels)();
  return kernels;
}

}  // namespace serpette::deploy
#endif  // SERPETTE_KERNELS_APART

namespace serpette::deploy {

template <class Number>
const DotKernels<Number>& dot_kernels_here() {
  if constexpr (kTogether<Number> == 2)
    return bfloat16_kernels_here();
  else
    return int8_kernels_here();
}

/// Whether this machine computes products of such numbers.
inline bool has_bfloat16() { return dot_kernels_here<BFloat16>().round != nullptr; }
inline bool has_int8() { return dot_kernels_here<Int8>().round != nullptr; }

/// Whether layers of a plan of this precision may be computed in products of `Number` here.
template <class Number>
bool computes_in(PlanPrecision precision) {
  if constexpr (kTogether<Number> == 1)
    return true;
  else if constexpr (kTogether<Number> == 2)
    return precision >= PlanPrecision::kBFloat16 && has_bfloat16();
  else
    return precision >= PlanPrecision::kInt8 && has_int8();
}

/// @throws Error  if this machine computes no products of such numbers.
template <class Number>
void require_products() {
  require(dot_kernels_here<Number>().round != nullptr, "plan",
          "should have no layer in {} on a machine without {}",
          kTogether<Number> == 2 ? "bfloat16" : "int8",
          kTogether<Number> == 2 ? "AVX512-BF16" : "AVX512-VNNI");
}

/// The loops of products of float, BFloat16 or Int8.
/// @throws Error  if this machine has none.
template <class Number>
const ProductKernels<Number>& product_kernels_here() {
  if constexpr (kTogether<Number> == 1) {
    return dense_kernels_here();
  } else {
    require_products<Number>();
    return dot_kernels_here<Number>();
  }
}

}  // namespace serpette::deploy
