#pragma once

#include <serpette/scenario/paper.hpp>  // the policies that ship, and Scenario

// [policy]
/// Score = |w| · mean |x| of the channel that feeds it.
struct ActivityWeighted {
  static constexpr std::string_view name = "Activity weighted";
  double floor = 1e-8;  ///< Added to each mean |x| [unit of x], so that silent inputs still rank.

  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    const auto activity = layer.input.abs().mean({0, 2, 3}).add(floor);  // [C_in]
    return layer.weight.abs().mul(activity.view({1, -1, 1, 1}));         // [C_out, C_in, k_h, k_w]
  }
};
static_assert(serpette::ScoreInit<ActivityWeighted>);
using Mine = serpette::Scenario<ActivityWeighted, serpette::Filter, serpette::Pgd, serpette::Rgb>;
// [policy]
