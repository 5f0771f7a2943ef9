#pragma once

#include <string_view>

#include "serpette/concepts/score_init.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// SNIP, connection sensitivity:  s = |w · ∂L/∂w|,  the loss's first-order change when the weight
/// goes. (The paper divides by the sum over all layers, which changes no ranking within a layer.)
/// Source: Lee et al. 2019, eq. 5–6.
struct Snip {
  static constexpr std::string_view name = "SNIP";
  static constexpr bool needs_input = false;
  static constexpr bool needs_gradient = true;

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    return (layer.weight * layer.gradient).abs();
  }
};

static_assert(ScoreInit<Snip>);

}  // namespace serpette
