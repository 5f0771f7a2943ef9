#pragma once

#include <ATen/ops/zeros_like.h>

#include <string_view>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Free adversarial training: every batch is replayed M times, and the backward pass that moves the
/// network also moves the perturbation that the next step trains on,
///   δ ← Π_{[−ε, ε]}( δ + ε · sign ∇ₓL(x + δ) ),
/// carried from batch to batch. No attack is crafted: a step costs what a clean one costs, and M
/// steps are made of a batch. The gradient is that of training mode, since it comes with the step.
/// Source: Shafahi et al. 2019, algorithm 1; docs/policies/objective.md.
template <int M = 4>
struct FreeAdversarial {
  static_assert(M >= 1, "a batch should be seen at least once");
  static constexpr std::string_view name = "Free adversarial";
  static constexpr int replays = M;

  double epsilon = 0.05;  ///< Radius of the L∞ ball and length of a step [pixel value].

  static constexpr auto describe() {
    return settings(setting<&FreeAdversarial::epsilon>(
        "Radius of the ball and length of a step [pixel value]", from_to(0, 1)));
  }

  struct State {
    double epsilon;
    at::Tensor delta{}, last{};  ///< The perturbation, and the images of the last backward pass.

    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) {
      const auto lose = [&](const at::Tensor& images) {
        return detector.loss(detector.forward(images), batch.truth).total();
      };
      if (adversary.is_identity()) return lose(batch.images);
      const auto encoded = adversary.encode(batch.images).detach();
      if (last.defined() && last.grad().defined())
        delta = (delta + epsilon * last.grad().sign()).clamp(-epsilon, epsilon);
      if (!delta.defined() || delta.sizes() != encoded.sizes()) delta = at::zeros_like(encoded);
      last = (encoded + delta).clamp(0, 1).set_requires_grad(true);
      return lose(adversary.expand(last));
    }
  };

  /// @throws Error  if epsilon is negative.
  [[nodiscard]] State start(const TrainingContext&) const {
    require(epsilon >= 0, name, "epsilon should be at least 0, got {}", epsilon);
    return {epsilon};
  }
};

static_assert(Objective<FreeAdversarial<>>);

}  // namespace serpette
