#pragma once

#include "serpette/core/settings.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Gradient of the loss with respect to the scores, straight through the mask M of  eff = w ·
/// M(|s|):
///   ∂L/∂s = ∂L/∂eff · w · sign(s),
/// for kept and dropped entries alike, so that a dropped weight can come back.
/// @param effective_gradient  ∂L/∂eff, like `weight`.
/// Source: Sehwag et al. 2020 (HYDRA), sec. 3.1, after Ramanujan et al. 2020 (edge-popup).
inline at::Tensor straight_through_gradient(const at::Tensor& effective_gradient,
                                            const at::Tensor& weight, const at::Tensor& scores) {
  return effective_gradient * weight * scores.sign();
}

/// Settings of HYDRA's score training: SGD on the scores, weights frozen, learning rate on a cosine
/// to 0.
struct StraightThroughSgd {
  /// HYDRA's own rate, for a mean of cross-entropies. The detection loss is a sum over boxes: at
  /// 0.1 the training leaves scores that prune worse than its start.
  static constexpr double kLiteralRate = 0.1;

  double learning_rate = 0.01;  ///< At the first step.
  double momentum = 0.9;        ///< Share of the last step's direction that is kept.

  static constexpr auto describe() {
    return settings(
        setting<&StraightThroughSgd::learning_rate>("First learning rate of the score training",
                                                    at_least(0)),
        setting<&StraightThroughSgd::momentum>("Momentum of the score training", from_to(0, 1)));
  }

  /// ∂L/∂s of one layer, as the score training asks for it.
  [[nodiscard]] at::Tensor gradient(const at::Tensor& effective_gradient, const at::Tensor& weight,
                                    const at::Tensor& scores) const {
    return straight_through_gradient(effective_gradient, weight, scores);
  }
};

}  // namespace serpette
