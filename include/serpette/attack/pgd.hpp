#pragma once

#include <string_view>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Projected gradient ascent on the detection loss:  x ← Π_{B(x₀,ε)∩[0,1]}( x + α·d(∇ₓL) ),  with d
/// = sign for L∞ and d(g) = g/‖g‖ for L2. The defaults are the paper's: five steps of 0.02 in the
/// L∞ ball of 0.05, from x₀ itself. Cost: `steps` forward and backward passes. Source: Madry et al.
/// 2018, sec. 2.1; docs/policies/attack.md.
struct Pgd {
  static constexpr std::string_view name = "PGD";

  double epsilon =
      0.05;  ///< Radius of the ball [pixel value for L∞; Euclidean length per image for L2].
  double step = 0.02;         ///< α, the length of one step [unit of epsilon].
  int steps = 5;              ///< Number of steps; 0 leaves the start.
  bool random_start = false;  ///< Start at a random point of the ball rather than at the image.
  Norm norm = Norm::kLinf;    ///< What epsilon and step measure.
  Aim aim{};                  ///< Which loss is raised.

  static constexpr auto describe() {
    return settings(
        setting<&Pgd::epsilon>("Radius of the ball [pixel value; length under l2]", at_least(0)),
        setting<&Pgd::step>("Length of one step [unit of epsilon]", at_least(0)),
        setting<&Pgd::steps>("Number of steps", at_least(0)),
        setting<&Pgd::random_start>("Start at a random point of the ball"),
        setting<&Pgd::norm>("What epsilon and step measure"), part<&Pgd::aim>("aim"));
  }
  /// @throws Error  if a pixel could change by more than there is.
  void check() const {
    if (norm == Norm::kL2) return;
    require(epsilon <= 1, name, "epsilon should be a pixel value from 0 to 1, got {}", epsilon);
    require(step <= 1, name, "step should be a pixel value from 0 to 1, got {}", step);
  }

  /// @param images  [N, C, H, W] float in [0, 1]; not modified.
  /// @return        the attacked images; ‖result − images‖ ≤ epsilon for every image, in [0, 1].
  /// @throws Error  if `images` leaves [0, 1], or epsilon, step or steps is negative.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    require(steps >= 0, name, "steps should be at least 0, got {}", steps);
    require(step >= 0, name, "step should be at least 0, got {}", step);
    const Ball ball(name, images, epsilon, norm);
    const Victim faced = victim.facing(ball.centre(), aim);
    auto x = random_start ? ball.sample(rng) : ball.centre().clone();
    for (int i = 0; i < steps; ++i)
      x = ball.project(x + step * ball.direction(faced(x, aim).gradient));
    return x;
  }
};

static_assert(Attack<Pgd>);

}  // namespace serpette
