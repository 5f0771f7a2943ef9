#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/attack/apgd.hpp"
#include "serpette/attack/carlini_wagner.hpp"
#include "serpette/attack/noise.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/attack/restarts.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/method/robustness.hpp"
#include "serpette/scenario/suite_settings.hpp"

namespace serpette {

/// PGD of the usual step, 2.5·ε / steps, from random starts (Madry et al. 2018).
inline Restarts<Pgd> suite_pgd(double epsilon, int steps, int restarts = 1) {
  return {{.epsilon = epsilon,
           .step = std::min(1.0, 2.5 * epsilon / steps),
           .steps = steps,
           .random_start = true},
          restarts};
}

/// The attacks of an evaluation, the cheap ones first: clean images, random noise, PGD of 5 steps,
/// PGD of many with restarts, APGD, C&W, the four of TOG, Square, and where another network is
/// given PGD on that one. All in the ball of one ε, so that their worst case is one of that ball.
/// Source: Croce & Hein 2020 for an ensemble that needs no tuning; Chow et al. 2020 for the goals
/// of detectors.
/// @param transfer  whether there is another network.
inline std::vector<Trial> robustness_suite(const SuiteSettings& s, bool transfer) {
  std::vector<Trial> suite;
  const auto add = [&](std::string id, const auto& attack, std::string_view label, Access access,
                       int steps, double passes) {
    suite.push_back({std::move(id), ChosenAttack::of(attack, label), access, steps, passes});
  };
  const auto add_tog = [&](const std::string& id, auto attack) {
    attack.epsilon = s.epsilon;
    attack.step = s.epsilon / 4;  // as 2/255 is of 8/255
    add(id, attack, attack.name, Access::kGradient, attack.steps, attack.steps);
  };
  add("clean", Unattacked{}, Unattacked::name, Access::kNone, 0, 0);
  add("noise", Noise{s.epsilon}, Noise::name, Access::kNoise, 0, 0);
  add("pgd-5", suite_pgd(s.epsilon, 5), "PGD-5", Access::kGradient, 5, 5);
  add(fmt::format("pgd-{}", s.steps), suite_pgd(s.epsilon, s.steps, s.restarts),
      fmt::format("PGD-{}", s.steps), Access::kGradient, s.steps, double(s.steps) * s.restarts);
  add("apgd", Apgd{.epsilon = s.epsilon, .steps = s.steps}, Apgd::name, Access::kGradient, s.steps,
      s.steps);
  const CarliniWagner nearest{.epsilon = s.epsilon, .steps = s.steps};
  add("cw", nearest, CarliniWagner::name, Access::kGradient, s.steps,
      double(s.steps) * nearest.searches);
  add_tog("tog-untargeted", TogUntargeted{});
  add_tog("tog-vanishing", TogVanishing{});
  add_tog("tog-fabrication", TogFabrication{});
  add_tog("tog-mislabelling", TogMislabelling{});
  add("square", Square{.epsilon = s.epsilon, .queries = s.queries}, Square::name, Access::kLoss, 0,
      s.queries / 3.0);
  if (transfer)
    add("transfer", suite_pgd(s.epsilon, s.steps), "Transfer", Access::kTransfer, s.steps, s.steps);
  // Five steps are PGD-5 already.
  if (s.steps == 5) suite.erase(suite.begin() + 2);
  return suite;
}

/// The strengths of a curve: PGD at each of them.
inline std::vector<Trial> strength_curve(const SuiteSettings& s,
                                         const std::vector<double>& epsilons) {
  std::vector<Trial> curve;
  for (const double epsilon : epsilons)
    curve.push_back({fmt::format("curve-{}", epsilon),
                     ChosenAttack::of(suite_pgd(epsilon, s.curve_steps),
                                      fmt::format("PGD-{} curve", s.curve_steps)),
                     Access::kGradient, s.curve_steps, double(s.curve_steps), true});
  return curve;
}

}  // namespace serpette
