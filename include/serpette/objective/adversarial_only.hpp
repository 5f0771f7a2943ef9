#pragma once

#include <string_view>

#include "serpette/concepts/objective.hpp"

namespace serpette {

/// Every image under attack, none clean:  mean over the images of  L(x_i'). The saddle point of
/// Madry et al. taken literally. Cost: one forward and backward pass, and the attack on every
/// image. Source: Madry et al. 2018, eq. 2.1; docs/policies/objective.md.
struct AdversarialOnly {
  static constexpr std::string_view name = "Adversarial only";

  struct State {
    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) const {
      return detector.loss(detector.forward(adversary(batch)), batch.truth).total();
    }
  };

  [[nodiscard]] State start(const TrainingContext&) const { return {}; }
};

static_assert(Objective<AdversarialOnly>);

}  // namespace serpette
