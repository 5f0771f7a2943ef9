#pragma once

#include <string_view>

#include "serpette/concepts/objective.hpp"

namespace serpette {

/// The plain training loss, whatever the scenario's attack is: mean over the images of  L(x_i).
/// What robustness is compared with. Cost: one forward and backward pass.
struct Clean {
  static constexpr std::string_view name = "Clean";

  struct State {
    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary&) const {
      return detector.loss(detector.forward(batch.images), batch.truth).total();
    }
  };

  [[nodiscard]] State start(const TrainingContext&) const { return {}; }
};

static_assert(Objective<Clean>);

}  // namespace serpette
