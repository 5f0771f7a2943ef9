#pragma once

#include <string_view>

#include "serpette/concepts/score_init.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Network slimming:  s = |γ| of the filter, equal for all its weights; meant for the granularity
/// Filter. A layer without batch norm scores as if γ = 1. Source: Liu et al. 2017.
struct BatchNormGamma {
  static constexpr std::string_view name = "BN gamma";
  static constexpr bool needs_input = false;

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    auto ones = layer.weight.new_ones(layer.weight.sizes());
    return layer.gamma.defined() ? ones * layer.gamma.abs().view({-1, 1, 1, 1}) : ones;
  }
};

static_assert(ScoreInit<BatchNormGamma>);

}  // namespace serpette
