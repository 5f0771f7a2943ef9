#pragma once

/// @internal What forms share that multiply in one kind of number.

#include <type_traits>

#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/narrow_numbers.hpp"

namespace serpette::deploy {

/// Whether a layer of the plan may be computed in such numbers here; of Int8 where calibration
/// found its input's range.
template <class Number>
bool may_multiply_in(const FoldedLayer& layer) {
  return computes_in<Number>(layer.precision) && (!std::is_same_v<Number, Int8> || layer.range);
}

/// How the layer's input becomes such numbers.
template <class Number>
Rounding<Number> rounding_of([[maybe_unused]] const FoldedLayer& layer) {
  Rounding<Number> rounding;
  if constexpr (std::is_same_v<Number, Int8>) rounding.by = Quantization::of(*layer.range);
  return rounding;
}

}  // namespace serpette::deploy
