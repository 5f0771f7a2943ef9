#pragma once

#include <string_view>

#include "serpette/attack/pgd.hpp"

namespace serpette {

/// PGD in the Euclidean ball:  x ← Π_{‖δ‖₂≤ε, [0,1]}( x + α·∇L/‖∇L‖₂ ).  Few pixels may change
/// much, where L∞ lets all change a little. Lengths are of a whole image: 10 over 416 × 416 × 3
/// values is what ±3.5/255 in every one of them is. Cost: `steps` forward and backward passes.
/// Source: Madry et al. 2018, sec. 2.1; docs/policies/attack.md.
struct PgdL2 {
  static constexpr std::string_view name = "PGD L2";

  double epsilon = 10;        ///< Radius of the ball [Euclidean length per image].
  double step = 2.5;          ///< α, the length of one step [unit of epsilon].
  int steps = 10;             ///< Number of steps; 0 leaves the start.
  bool random_start = false;  ///< Start at a random point of the ball rather than at the image.
  Aim aim{};                  ///< Which loss is raised.

  static constexpr auto describe() {
    return settings(setting<&PgdL2::epsilon>("Radius of the ball [length per image]", at_least(0)),
                    setting<&PgdL2::step>("Length of one step [unit of epsilon]", at_least(0)),
                    setting<&PgdL2::steps>("Number of steps", at_least(0)),
                    setting<&PgdL2::random_start>("Start at a random point of the ball"),
                    part<&PgdL2::aim>("aim"));
  }

  /// @throws Error  as Pgd.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    return Pgd{.epsilon = epsilon,
               .step = step,
               .steps = steps,
               .random_start = random_start,
               .norm = Norm::kL2,
               .aim = aim}
        .perturb(victim, images, rng);
  }
};

static_assert(Attack<PgdL2>);

}  // namespace serpette
