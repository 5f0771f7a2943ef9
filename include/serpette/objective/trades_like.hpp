#pragma once

#include <string_view>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/objective/consistency.hpp"

namespace serpette {

/// TRADES for detectors:  mean over the images of  L(x_i) + β · D(heads(x_i), heads(x_i')),  D the
/// divergence of objectness, classes and boxes (consistency.hpp): clean images are to be right,
/// attacked ones only to say the same. The attack is the scenario's, on the loss, where TRADES
/// attacks D itself. Cost: two forward and backward passes, and the attack on every image.
/// Source: Zhang et al. 2019, eq. 5 (β = 6); docs/policies/objective.md.
struct TradesLike {
  static constexpr std::string_view name = "TRADES-like";

  double beta = 6;  ///< Weight of the consistency.

  static constexpr auto describe() {
    return settings(setting<&TradesLike::beta>("Weight of the consistency", at_least(0)));
  }

  struct State {
    double beta;

    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) const {
      if (adversary.is_identity())
        return detector.loss(detector.forward(batch.images), batch.truth).total();
      const auto attacked = adversary(batch);
      const auto clean_heads = detector.forward(batch.images);
      return detector.loss(clean_heads, batch.truth).total() +
             beta * divergence(clean_heads, detector.forward(attacked), detector.graph().classes());
    }
  };

  /// @throws Error  if beta is negative.
  [[nodiscard]] State start(const TrainingContext&) const {
    require(beta >= 0, name, "beta should be at least 0, got {}", beta);
    return {beta};
  }
};

static_assert(Objective<TradesLike>);

}  // namespace serpette
