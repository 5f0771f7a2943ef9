#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file
/// Whether a detector is robust, or only hides where it is weak: what Athalye et al. 2018
/// (sec. 3.1) and Carlini et al. 2019 ask of every evaluation, said in words.

namespace serpette {

/// What an attack knows of the network that it is tried on.
enum class Access {
  kNone,      ///< Nothing was attacked: clean images.
  kNoise,     ///< Random noise.
  kGradient,  ///< The gradient: a white box.
  kLoss,      ///< The loss alone: a black box.
  kTransfer,  ///< Another network's gradient.
};

/// AP50 under one attack at one strength.
struct UnderAttack {
  std::string attack;
  Access access = Access::kNone;
  double epsilon = 0;  ///< Its radius.
  int steps = 0;       ///< Of gradient; 0 where it takes none.
  double ap50 = 0;
};

/// The gradients that an attack begins with, image by image.
struct GradientFlow {
  std::int64_t images = 0;
  std::int64_t vanished = 0;  ///< Images whose gradient is 0 in every pixel, or not finite in one.
};

/// Signs that gradients are masked, a sentence each; none where there are none. Compared is what
/// was measured: of each attack with as many steps at one strength, the strengths of an attack
/// (where it was tried at two or more) and the attacks at strength `epsilon`.
/// @param epsilon    at which the suite was run.
/// @param tolerance  differences of AP50 up to this are noise: some 0.02 on a hundred images.
inline std::vector<std::string> signs_of_masking(std::span<const UnderAttack> all, double epsilon,
                                                 const GradientFlow& flow,
                                                 double tolerance = 0.02) {
  std::vector<std::string> signs;
  const auto say = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    signs.push_back(fmt::format(text, std::forward<Args>(args)...));
  };
  const auto lowest = [&](auto&& wanted) -> const UnderAttack* {
    const UnderAttack* best = nullptr;
    for (const auto& one : all)
      if (wanted(one) && (!best || one.ap50 < best->ap50)) best = &one;
    return best;
  };
  const auto at = [&](Access access) {
    return lowest([&](const UnderAttack& one) {
      return one.access == access && (access == Access::kNone || one.epsilon == epsilon);
    });
  };
  const auto *clean = at(Access::kNone), *white = at(Access::kGradient);

  if (flow.vanished > 0 && 10 * flow.vanished >= flow.images)
    say("The gradient is zero or not finite on {} of {} images: attacks that follow it go nowhere.",
        flow.vanished, flow.images);

  // Each attack over its strengths, ascending.
  std::vector<const UnderAttack*> ordered;
  for (const auto& one : all)
    if (one.access == Access::kGradient) ordered.push_back(&one);
  std::ranges::stable_sort(ordered, [](const auto* a, const auto* b) {
    return std::pair(std::string_view(a->attack), a->epsilon) <
           std::pair(std::string_view(b->attack), b->epsilon);
  });
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    const auto& one = *ordered[i];
    const bool first = i == 0 || ordered[i - 1]->attack != one.attack;
    const bool last = i + 1 == ordered.size() || ordered[i + 1]->attack != one.attack;
    if (!first && one.ap50 > ordered[i - 1]->ap50 + tolerance)
      say("AP50 under {} rises from {:.3f} at ε {:.4g} to {:.3f} at ε {:.4g}: a stronger attack "
          "should find at least as much.",
          one.attack, ordered[i - 1]->ap50, ordered[i - 1]->epsilon, one.ap50, one.epsilon);
    if (clean && last && one.epsilon >= 0.5 && one.ap50 > std::max(tolerance, clean->ap50 / 10))
      say("AP50 under {} is still {:.3f} at ε {:.4g}, where any image is within reach: the attack "
          "is led astray.",
          one.attack, one.ap50, one.epsilon);
  }

  if (white)
    for (const auto& [access, what] :
         {std::pair{Access::kLoss, "which sees no gradient"},
          std::pair{Access::kTransfer, "which sees another network's gradient"}})
      if (const auto* black = at(access); black && black->ap50 < white->ap50 - tolerance)
        say("{}, {}, leaves AP50 {:.3f} where the best white box ({}) leaves {:.3f}: the gradient "
            "hides what there is to find.",
            black->attack, what, black->ap50, white->attack, white->ap50);

  if (const auto* noise = at(Access::kNoise); noise && white && clean) {
    const double by_noise = clean->ap50 - noise->ap50, by_attack = clean->ap50 - white->ap50;
    if (by_noise > tolerance && by_noise >= 0.9 * by_attack)
      say("Random noise of ε {:.4g} costs {:.3f} of AP50, the best white box ({}) {:.3f}: "
          "following "
          "the gradient gains nothing.",
          epsilon, by_noise, white->attack, by_attack);
  }

  const auto steps = [&](int count) {
    return lowest([&](const UnderAttack& one) {
      return one.access == Access::kGradient && one.epsilon == epsilon && one.steps == count &&
             one.attack.starts_with("PGD");
    });
  };
  if (const auto *few = steps(5), *many = steps(50); few && many && clean) {
    if (many->ap50 > few->ap50 + tolerance)
      say("{} leaves AP50 {:.3f} and {} {:.3f}: more steps should find at least as much.",
          few->attack, few->ap50, many->attack, many->ap50);
    else if (few->ap50 - many->ap50 > std::max(2 * tolerance, clean->ap50 / 4))
      say("{} leaves AP50 {:.3f} and {} {:.3f}: an attack of few steps sees little of how weak the "
          "network is, and training against it hardens against few steps.",
          few->attack, few->ap50, many->attack, many->ap50);
  }
  return signs;
}

}  // namespace serpette
