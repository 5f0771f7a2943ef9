#pragma once

#include <string_view>

#include "serpette/concepts/score_init.hpp"

namespace serpette {

/// Magnitude:  s = |w|.  The classical baseline. Source: Han et al. 2015.
struct Magnitude {
  static constexpr std::string_view name = "Magnitude";
  static constexpr bool needs_input = false;

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    return layer.weight.abs();
  }
};

static_assert(ScoreInit<Magnitude>);

}  // namespace serpette
