#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/parse_number.hpp"

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
  int steps = 0;       ///< Of gradient; 0 where it takes none, or where that is not known.
  double ap50 = 0;
};

/// Whether a label is that of a curve over ε (strength_curve in scenario/suite.hpp), whose points
/// are of many balls.
inline bool is_of_curve(std::string_view label) { return label.ends_with(" curve"); }

/// Follows the label of a suite's attack where the scenario's own has the same at that strength:
/// evaluations.csv holds each number once.
inline constexpr std::string_view kOfSuite = " (suite)";

/// The same of an attack that is known by its label alone, as evaluations.csv has it: what it sees,
/// and the steps in "PGD-50". Labels are those of the suite (scenario/suite.hpp); any other is
/// taken for one that follows the gradient.
inline UnderAttack under_attack(std::string_view label, double epsilon, double ap50) {
  UnderAttack one{std::string(label), Access::kGradient, epsilon, 0, ap50};
  if (label.ends_with(kOfSuite)) label.remove_suffix(kOfSuite.size());
  for (const auto& [name, access] :
       {std::pair{"None", Access::kNone}, std::pair{"Noise", Access::kNoise},
        std::pair{"Square", Access::kLoss}, std::pair{"Transfer", Access::kTransfer}})
    if (label == name) one.access = access;
  if (constexpr std::string_view kPgd = "PGD-"; label.starts_with(kPgd))
    one.steps = parse_number<int>(label.substr(0, label.find(' ')).substr(kPgd.size())).value_or(0);
  return one;
}

/// The gradients that an attack begins with, image by image.
struct GradientFlow {
  std::int64_t images = 0;
  std::int64_t vanished = 0;  ///< Images whose gradient is 0 in every pixel, or not finite in one.

  /// vanished / images.
  [[nodiscard]] double share() const {
    return images > 0 ? static_cast<double>(vanished) / static_cast<double>(images) : 0;
  }
};

/// Signs that gradients are masked, a sentence each; none where there are none. Compared is what
/// was measured: an attack at several strengths with itself, and attacks of one strength among each
/// other.
/// @param vanished   GradientFlow::share; NaN where it was not measured.
/// @param tolerance  differences of AP50 up to this are noise: some 0.02 on a hundred images.
inline std::vector<std::string> signs_of_masking(std::span<const UnderAttack> all, double vanished,
                                                 double tolerance = 0.02) {
  constexpr double kMany = 0.1;  // of the images
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
  const auto* clean = lowest([](const auto& one) { return one.access == Access::kNone; });

  if (vanished >= kMany)
    say("The gradient is zero or not finite on {:.0f} % of the images: attacks that follow it go "
        "nowhere.",
        100 * vanished);

  // Each attack over its strengths, ascending.
  std::vector<const UnderAttack*> ordered;
  for (const auto& one : all)
    if (one.access == Access::kGradient || one.access == Access::kLoss) ordered.push_back(&one);
  std::ranges::stable_sort(ordered, [](const auto* a, const auto* b) {
    return std::pair(std::string_view(a->attack), a->epsilon) <
           std::pair(std::string_view(b->attack), b->epsilon);
  });
  const UnderAttack* weaker = nullptr;  // of the same attack, the one that found most
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    const auto& one = *ordered[i];
    if (weaker && weaker->attack != one.attack) weaker = nullptr;
    const bool last = i + 1 == ordered.size() || ordered[i + 1]->attack != one.attack;
    if (weaker && one.ap50 > weaker->ap50 + tolerance)
      say("AP50 under {} rises from {:.3f} at ε {:.4g} to {:.3f} at ε {:.4g}: a stronger attack "
          "should find at least as much.",
          one.attack, weaker->ap50, weaker->epsilon, one.ap50, one.epsilon);
    // Of a curve: a radius that stands alone may be one in L2, which reaches little, or that of an
    // attack that takes no more room than it needs (C&W).
    const bool of_curve = weaker || is_of_curve(one.attack);
    if (clean && of_curve && last && one.access == Access::kGradient && one.epsilon >= 0.5 &&
        one.epsilon <= 1 && one.ap50 > std::max(tolerance, clean->ap50 / 10))
      say("AP50 under {} is still {:.3f} at ε {:.4g}, where any image is within reach: the attack "
          "is led astray.",
          one.attack, one.ap50, one.epsilon);
    if (!weaker || one.ap50 < weaker->ap50) weaker = &one;
  }

  std::set<double> strengths;
  for (const auto& one : all)
    if (one.access != Access::kNone) strengths.insert(one.epsilon);
  for (const double epsilon : strengths) {
    const auto at = [&](Access access) {
      return lowest(
          [&](const auto& one) { return one.access == access && one.epsilon == epsilon; });
    };
    const auto* white = at(Access::kGradient);
    if (!white) continue;
    for (const auto& [access, what] :
         {std::pair{Access::kLoss, "which sees no gradient"},
          std::pair{Access::kTransfer, "which sees another network's gradient"}})
      if (const auto* black = at(access); black && black->ap50 < white->ap50 - tolerance)
        say("{}, {}, leaves AP50 {:.3f} where the best white box ({}) leaves {:.3f}: the gradient "
            "hides what there is to find.",
            black->attack, what, black->ap50, white->attack, white->ap50);

    if (const auto* noise = at(Access::kNoise); noise && clean) {
      const double by_noise = clean->ap50 - noise->ap50, by_attack = clean->ap50 - white->ap50;
      if (by_noise > tolerance && by_noise >= 0.9 * by_attack)
        say("Random noise of ε {:.4g} costs {:.3f} of AP50, the best white box ({}) {:.3f}: "
            "following the gradient gains nothing.",
            epsilon, by_noise, white->attack, by_attack);
    }

    // PGD of fewest steps and of most, PGD-5 and PGD-50 in a suite as it comes.
    const auto is_pgd = [&](const auto& one) {
      return one.access == Access::kGradient && one.epsilon == epsilon && one.steps > 0 &&
             one.attack.starts_with("PGD");
    };
    std::set<int> counts;
    for (const auto& one : all)
      if (is_pgd(one)) counts.insert(one.steps);
    if (counts.size() >= 2 && clean) {
      const auto steps = [&](int count) {
        return lowest([&](const auto& one) { return is_pgd(one) && one.steps == count; });
      };
      const auto *few = steps(*counts.begin()), *many = steps(*counts.rbegin());
      if (many->ap50 > few->ap50 + tolerance)
        say("{} leaves AP50 {:.3f} and {} {:.3f}: more steps should find at least as much.",
            few->attack, few->ap50, many->attack, many->ap50);
      else if (few->ap50 - many->ap50 > std::max(2 * tolerance, clean->ap50 / 4))
        say("{} leaves AP50 {:.3f} and {} {:.3f}: an attack of few steps sees little of how weak "
            "the network is, and training against it hardens against few steps.",
            few->attack, few->ap50, many->attack, many->ap50);
    }
  }
  return signs;
}

}  // namespace serpette
