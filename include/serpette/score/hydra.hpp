#pragma once

#include <string_view>

#include "serpette/concepts/score_init.hpp"
#include "serpette/score/scaled_start.hpp"
#include "serpette/score/straight_through.hpp"

namespace serpette {

/// HYDRA: the scaled start  s = √(6 / fan_in) · w / max|w|,  then score training on the robust loss
/// with the weights frozen, anew for every ratio (method/train_scores.hpp, with the settings in
/// `optimizer`). Source: Sehwag et al. 2020; docs/policies/score_init.md.
struct Hydra {
  static constexpr std::string_view name = "HYDRA";
  static constexpr bool needs_input = false;

  StraightThroughSgd optimizer{};

  static constexpr auto describe() { return settings(part<&Hydra::optimizer>("")); }

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    return scaled_start(layer.weight).to(layer.weight.scalar_type());
  }
};

static_assert(ScoreInit<Hydra> && req::TrainsScores<Hydra>);

}  // namespace serpette
