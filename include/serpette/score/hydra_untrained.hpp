#pragma once

#include <string_view>

#include "serpette/concepts/score_init.hpp"
#include "serpette/score/scaled_start.hpp"

namespace serpette {

/// HYDRA's scaled start without the training: within a layer it ranks like magnitude, so against
/// `Hydra` it shows what the training adds.
struct HydraUntrained {
  static constexpr std::string_view name = "HYDRA untrained";
  static constexpr bool needs_input = false;

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator&) const {
    return scaled_start(layer.weight);
  }
};

static_assert(ScoreInit<HydraUntrained> && !req::TrainsScores<HydraUntrained>);

}  // namespace serpette
