#pragma once

#include <string_view>

#include "serpette/attack/pgd.hpp"

namespace serpette {

/// TOG, the targeted adversarial objectness gradients attacks:  L∞ PGD from a random start on a
/// detector's own losses. The four differ in what they ask for: any failure, no boxes, boxes
/// everywhere, boxes under a wrong class. Boxes are the detector's own on the clean image, not
/// ground truth; the wrong class is the one least likely there. Defaults are the source's. Cost:
/// `steps` forward and backward passes. Source: Chow et al. 2020, sec. III;
/// docs/policies/attack.md.
template <Aim::Goal Goal>
struct Tog {
  static constexpr std::string_view name = Goal == Aim::Goal::kTruth       ? "TOG untargeted"
                                           : Goal == Aim::Goal::kVanish    ? "TOG vanishing"
                                           : Goal == Aim::Goal::kFabricate ? "TOG fabrication"
                                                                           : "TOG mislabelling";

  double epsilon = 8.0 / 255;  ///< Radius of the L∞ ball [pixel value].
  double step = 2.0 / 255;     ///< Length of one step [pixel value].
  int steps = 10;              ///< Number of steps.

  static constexpr auto describe() {
    return settings(setting<&Tog::epsilon>("Radius of the ball [pixel value]", from_to(0, 1)),
                    setting<&Tog::step>("Length of one step [pixel value]", from_to(0, 1)),
                    setting<&Tog::steps>("Number of steps", at_least(0)));
  }

  /// @throws Error  as Pgd.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    return Pgd{.epsilon = epsilon,
               .step = step,
               .steps = steps,
               .random_start = true,
               .aim = {.goal = Goal, .own = true}}
        .perturb(victim, images, rng);
  }
};

using TogUntargeted = Tog<Aim::Goal::kTruth>;
using TogVanishing = Tog<Aim::Goal::kVanish>;
using TogFabrication = Tog<Aim::Goal::kFabricate>;
using TogMislabelling = Tog<Aim::Goal::kMislabel>;

static_assert(Attack<TogUntargeted> && Attack<TogVanishing> && Attack<TogFabrication> &&
              Attack<TogMislabelling>);

}  // namespace serpette
