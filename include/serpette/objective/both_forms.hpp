#pragma once

#include <string_view>

#include "serpette/concepts/objective.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Every image in both forms:  mean over the images of  L(x_i) + L(x_i'),  x_i' under attack. Two
/// forward passes, so that batch norm sees clean and attacked images apart. What the paper's author
/// trains with. Cost: two forward and backward passes, and the attack on every image.
/// Source: Goodfellow et al. 2015, sec. 6; docs/policies/objective.md.
struct BothForms {
  static constexpr std::string_view name = "Both forms";

  struct State {
    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) const {
      const auto of = [&](const at::Tensor& images) {
        return detector.loss(detector.forward(images), batch.truth).total();
      };
      if (adversary.is_identity()) return of(batch.images);
      const auto attacked = adversary(batch);  // before a forward pass moves the statistics
      const auto clean = of(batch.images);     // first: the order in which statistics move
      return clean + of(attacked);
    }
  };

  [[nodiscard]] State start(const TrainingContext&) const { return {}; }
};

static_assert(Objective<BothForms>);

}  // namespace serpette
