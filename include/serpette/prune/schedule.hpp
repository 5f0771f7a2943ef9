#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <string_view>
#include <vector>

#include "serpette/concepts/named.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/core/settings.hpp"

/// @file
/// How a ratio is reached: at once, or in rounds of pruning and fine-tuning.

namespace serpette {

namespace req {
/// `ratios(last)`: the ratio after each round, ascending; the last one is `last`.
template <class S>
concept SaysRounds = requires(const S& s, Ratio last) {
  { s.ratios(last) } -> std::same_as<std::vector<Ratio>>;
};
}  // namespace req

/// What is pruned in which round.
template <class S>
concept Schedule = req::Value<S> && req::Named<S> && req::SaysRounds<S>;

namespace detail {
/// The nearest ratio there is to a fraction below `last`.
inline Ratio nearest_ratio(double fraction, Ratio last) {
  const auto level = std::llround(fraction * static_cast<double>(Ratio::kLevels));
  return std::min(Ratio::level(std::max(level, 0LL)), last);
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
    std::vector<Ratio> each;
    for (int k = 1; k < rounds; ++k)
      each.push_back(detail::nearest_ratio(
          1 - std::pow(1 - last.fraction(), static_cast<double>(k) / rounds), last));
    each.push_back(last);
    return each;
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
    std::vector<Ratio> each;
    for (int k = 1; k < rounds; ++k)
      each.push_back(detail::nearest_ratio(
          last.fraction() * (1 - std::pow(1 - static_cast<double>(k) / rounds, 3)), last));
    each.push_back(last);
    return each;
  }
};
static_assert(Schedule<Cubic>);

}  // namespace serpette
