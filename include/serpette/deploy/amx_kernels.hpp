#pragma once

/// @internal The loops of the convolutions by tiles.

/// @file
/// Inner loops of dense convolutions in bfloat16 and int8 by AMX, where the machine has it.

#include "serpette/deploy/amx_job.hpp"
#include "serpette/deploy/cpu_features.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/detail/kernels.hpp"

namespace serpette::deploy {

/// Those of this machine; nulls where it has none, or the compiler knows none.
SERPETTE_KERNELS const AmxKernels<BFloat16>& amx_bfloat16_kernels_here();
SERPETTE_KERNELS const AmxKernels<Int8>& amx_int8_kernels_here();

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/amx_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(amx_bfloat16_kernels);
HWY_EXPORT(amx_int8_kernels);

SERPETTE_KERNELS const AmxKernels<BFloat16>& amx_bfloat16_kernels_here() {
  static const auto kernels = cpu_has(CpuFeature::kAmxBf16)
                                  ? HWY_DYNAMIC_DISPATCH(amx_bfloat16_kernels)()
                                  : AmxKernels<BFloat16>();
  return kernels;
}
SERPETTE_KERNELS const AmxKernels<Int8>& amx_int8_kernels_here() {
  static const auto kernels =
      cpu_has(CpuFeature::kAmxInt8) ? HWY_DYNAMIC_DISPATCH(amx_int8_kernels)() : AmxKernels<Int8>();
  return kernels;
}

}  // namespace serpette::deploy
#endif  // SERPETTE_KERNELS_APART

namespace serpette::deploy {

template <class Number>
const AmxKernels<Number>& amx_kernels_here() {
  if constexpr (kTogether<Number> == 2)
    return amx_bfloat16_kernels_here();
  else
    return amx_int8_kernels_here();
}

/// Whether this machine multiplies tiles of such numbers, and rounds to them.
template <class Number>
bool has_amx() {
  return amx_kernels_here<Number>().begin != nullptr && dot_kernels_here<Number>().round != nullptr;
}

}  // namespace serpette::deploy
