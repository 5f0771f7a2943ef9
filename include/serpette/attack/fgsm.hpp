#pragma once

#include <string_view>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Fast gradient sign method:  x ← Π_{[0,1]}( x + ε · sign ∇ₓL ).
/// Cost: one forward and one backward pass. Source: Goodfellow et al. 2015, sec. 4;
/// docs/policies/attack.md.
struct Fgsm {
  static constexpr std::string_view name = "FGSM";

  double epsilon = 0.05;  ///< Size of the step in every pixel [pixel value, images in [0, 1]].
  Aim aim{};              ///< Which loss is raised.

  static constexpr auto describe() {
    return settings(setting<&Fgsm::epsilon>("Size of the step [pixel value]", from_to(0, 1)),
                    part<&Fgsm::aim>("aim"));
  }

  /// @param images  [N, C, H, W] float in [0, 1]; not modified.
  /// @return        the attacked images; |result − images| ≤ epsilon everywhere.
  /// @throws Error  if `images` leaves [0, 1] or epsilon is negative.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator&) const {
    const Ball ball("FGSM", images, epsilon);
    return ball.project(images + epsilon * victim.facing(images, aim)(images, aim).gradient.sign());
  }
};

static_assert(Attack<Fgsm>);

}  // namespace serpette
