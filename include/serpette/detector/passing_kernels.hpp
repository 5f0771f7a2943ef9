#pragma once

/// @internal Comparisons for candidates.hpp.

/// @file
/// Which logits are above their floors, for the instruction set of the machine it runs on.

#include <cstddef>
#include <cstdint>

namespace serpette::detail {

/// Each writes the places of the values above their floor to `to`, which has room for n, in order,
/// and returns how many there are. Not a number is above nothing.
struct PassingKernels {
  std::size_t (*above)(const float* values, std::size_t n, float floor, std::uint32_t* to);
  std::size_t (*above_each)(const float* values, std::size_t n, const float* floors,
                            std::uint32_t* to);
};

}  // namespace serpette::detail

#define SERPETTE_EACH_TARGET "serpette/detector/passing_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::detail {

HWY_EXPORT(passing_kernels);

/// The best that this machine supports, found at the first call.
inline const PassingKernels& passing_kernels_here() {
  static const PassingKernels kernels = HWY_DYNAMIC_DISPATCH(passing_kernels)();
  return kernels;
}

}  // namespace serpette::detail
