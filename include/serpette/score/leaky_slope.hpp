#pragma once

/// @internal The loop of rescale.hpp.

/// @file
/// DeepLIFT's slope of the leaky activation, for the instruction set of the machine it runs on. No
/// LibTorch.

#include <cstdint>

#define SERPETTE_EACH_TARGET "serpette/score/leaky_slope-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::detail {

HWY_EXPORT(through_leaky);

/// result = multiplier · slope between `reference` and `out` (leaky_slope in rescale.hpp), every
/// value read and written once, where LibTorch's operations would make a dozen passes.
/// @param a          the slope below zero.
/// @param threshold  below this |Δ| the derivative is taken.
inline void through_leaky_here(const float* multiplier, const float* out, const float* reference,
                               float* result, std::int64_t count, float a, float threshold) {
  HWY_DYNAMIC_DISPATCH(through_leaky)
  (multiplier, out, reference, result, count, a, threshold);
}

}  // namespace serpette::detail
