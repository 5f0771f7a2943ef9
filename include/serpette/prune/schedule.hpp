#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "serpette/concepts/schedule.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/core/settings.hpp"

namespace serpette {

namespace detail {
/// A ratio for each of n rounds, the last one `last`.
/// @param share  of the part k / n of the rounds.
template <class Share>
std::vector<Ratio> in_rounds(int rounds, Ratio last, Share&& share) {
  std::vector<Ratio> each;
  for (int k = 1; k < rounds; ++k)
    each.push_back(
        std::clamp(Ratio::nearest(share(static_cast<double>(k) / rounds)), Ratio(), last));
  each.push_back(last);
  return each;
}
}  // namespace detail

/// All in one round, as the paper does.
struct OneShot {
  static constexpr std::string_view name = "One shot";

  [[nodiscard]] std::vector<Ratio> ratios(Ratio last) const { return {last}; }
};
static_assert(Schedule<OneShot>);

/// The same share of what is left in every round:  1 − r_k = (1 − r)^(k/n).  Source: Han et al.
/// 2015; Frankle & Carbin 2019.
struct Iterative {
  static constexpr std::string_view name = "Iterative";

  int rounds = 5;  ///< n, at least 1.

  static constexpr auto describe() {
    return settings(setting<&Iterative::rounds>("Rounds of pruning", from_to(1, 1000)));
  }

  [[nodiscard]] std::vector<Ratio> ratios(Ratio last) const {
    return detail::in_rounds(rounds, last,
                             [&](double part) { return 1 - std::pow(1 - last.fraction(), part); });
  }
};
static_assert(Schedule<Iterative>);

/// Much at first, little at the end:  r_k = r · (1 − (1 − k/n)³).  Source: Zhu & Gupta 2017, eq. 1.
struct Cubic {
  static constexpr std::string_view name = "Cubic";

  int rounds = 5;  ///< n, at least 1.

  static constexpr auto describe() {
    return settings(setting<&Cubic::rounds>("Rounds of pruning", from_to(1, 1000)));
  }

  [[nodiscard]] std::vector<Ratio> ratios(Ratio last) const {
    return detail::in_rounds(
        rounds, last, [&](double part) { return last.fraction() * (1 - std::pow(1 - part, 3)); });
  }
};
static_assert(Schedule<Cubic>);

/// The way from nothing to a ratio.
enum class Curve { kOneShot, kIterative, kCubic };

constexpr auto words(Curve) {
  return std::array<Word<Curve>, 3>{
      {{"one-shot", Curve::kOneShot}, {"iterative", Curve::kIterative}, {"cubic", Curve::kCubic}}};
}

/// Any of the three, to be chosen while a program runs: what scenarios have unless they name
/// another. One shot is one round, and only that.
struct Rounds {
  static constexpr std::string_view name = "Rounds";

  Curve curve = Curve::kOneShot;
  int rounds = 1;  ///< Of pruning and fine-tuning, which share the budget of steps.

  static constexpr auto describe() {
    return settings(setting<&Rounds::curve>("How the ratio is reached").as(""),
                    setting<&Rounds::rounds>("Rounds of pruning, which share the budget of steps",
                                             from_to(1, 1000)));
  }

  /// @throws Error  if one shot is to take several rounds, or a curve a single one.
  void check() const {
    require((curve == Curve::kOneShot) == (rounds == 1), name,
            "should be 1 with the curve one-shot and at least 2 with iterative or cubic "
            "(--schedule and --schedule-rounds), got {} with {}",
            rounds, typed_text(curve));
  }

  [[nodiscard]] std::vector<Ratio> ratios(Ratio last) const {
    switch (curve) {
      case Curve::kIterative:
        return Iterative{rounds}.ratios(last);
      case Curve::kCubic:
        return Cubic{rounds}.ratios(last);
      case Curve::kOneShot:
        break;
    }
    return OneShot{}.ratios(last);
  }
};
static_assert(Schedule<Rounds>);

}  // namespace serpette
