#pragma once

#include <ATen/ops/empty.h>

#include <string_view>

#include "serpette/concepts/score_init.hpp"

namespace serpette {

/// Random:  s ~ U[0, 1), drawn on the CPU so that every device prunes the same weights. The floor
/// that any informed score has to beat.
struct Random {
  static constexpr std::string_view name = "Random";
  static constexpr bool needs_input = false;

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator& rng) const {
    return at::empty(layer.weight.sizes(), layer.weight.options().device(at::kCPU))
        .uniform_(0, 1, rng.torch())
        .to(layer.weight.device());
  }
};

static_assert(ScoreInit<Random>);

}  // namespace serpette
