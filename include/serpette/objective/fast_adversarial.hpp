#pragma once

#include <ATen/ops/empty_like.h>

#include <string_view>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Fast adversarial training: every image under one step from a random start,
///   δ ← U(−ε, ε),   δ ← Π_{[−ε, ε]}( δ + α · sign ∇ₓL(x + δ) ),
/// whatever the scenario's attack is. Cost: two forward and backward passes. Source: Wong et
/// al. 2020, algorithm 3 (α = 1.25 ε); docs/policies/objective.md.
struct FastAdversarial {
  static constexpr std::string_view name = "Fast adversarial";

  double epsilon = 0.05;  ///< Radius of the L∞ ball [pixel value].
  double step = 0.0625;   ///< α [pixel value].

  static constexpr auto describe() {
    return settings(
        setting<&FastAdversarial::epsilon>("Radius of the ball [pixel value]", from_to(0, 1)),
        setting<&FastAdversarial::step>("Length of the step [pixel value]", from_to(0, 1)));
  }

  /// The one step.
  struct OneStep {
    static constexpr std::string_view name = "One step from a random start";
    double epsilon, step;

    [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                     Generator& rng) const {
      const auto noise = at::empty_like(images, images.options().device(at::kCPU))
                             .uniform_(-epsilon, epsilon, rng.torch())
                             .to(images.device());
      const auto start = (images + noise).clamp(0, 1);
      const auto delta = start - images + step * victim(start, {}).gradient.sign();
      return (images + delta.clamp(-epsilon, epsilon)).clamp(0, 1);
    }
  };

  struct State {
    OneStep attack;

    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary& adversary) const {
      const auto images = adversary.is_identity() ? batch.images : adversary.with(attack)(batch);
      return detector.loss(detector.forward(images), batch.truth).total();
    }
  };

  /// @throws Error  if epsilon or step is negative.
  [[nodiscard]] State start(const TrainingContext&) const {
    require(epsilon >= 0, name, "epsilon should be at least 0, got {}", epsilon);
    require(step >= 0, name, "step should be at least 0, got {}", step);
    return {{epsilon, step}};
  }
};

static_assert(Objective<FastAdversarial> && Attack<FastAdversarial::OneStep>);

}  // namespace serpette
