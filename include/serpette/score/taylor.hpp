#pragma once

#include <string_view>

#include "serpette/concepts/score_init.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// First-order Taylor importance:  s = (w · ∂L/∂w)²,  the squared change of the loss when the
/// weight goes. Ranks single weights as SNIP does; means over kernels and filters weigh large
/// contributions more. Source: Molchanov et al. 2019, eq. 8.
struct Taylor {
  static constexpr std::string_view name = "Taylor";
  static constexpr bool needs_input = false;
  static constexpr bool needs_gradient = true;

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    return (layer.weight * layer.gradient).square();
  }
};

static_assert(ScoreInit<Taylor>);

}  // namespace serpette
