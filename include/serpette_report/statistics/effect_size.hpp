#pragma once

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "serpette/core/quantile.hpp"
#include "serpette_report/statistics/describe.hpp"

namespace serpette {

/// g = (x̄ − ȳ) / s_pooled · (1 − 3 / (4(n + m) − 9)): the difference in standard deviations, freed
/// of the bias that small samples have. NaN or infinite if neither sample varies. Source: Hedges
/// 1981; equals pingouin.compute_effsize(eftype="hedges").
inline double hedges_g(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size()), m = static_cast<double>(y.size());
  const double pooled = std::sqrt((squared_deviations(x) + squared_deviations(y)) / (n + m - 2));
  return (mean(x) - mean(y)) / pooled * (1 - 3 / (4 * (n + m) - 9));
}

/// x̄ − ȳ.
inline double mean_difference(std::span<const double> x, std::span<const double> y) {
  return mean(x) - mean(y);
}

/// η² of two samples: the part of all variation that lies between them. NaN if nothing varies.
inline double eta_squared(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size()), m = static_cast<double>(y.size());
  const double off = mean_difference(x, y), between = off * off * n * m / (n + m);
  return between / (between + squared_deviations(x) + squared_deviations(y));
}

/// Welch's 95 % interval of x̄ − ȳ: variances may differ. NaN if neither sample varies, or a
/// variance overflows.
/// @param x, y  at least two values each.
/// Source: Welch 1947; equals scipy.stats.ttest_ind(equal_var=False).confidence_interval().
inline std::pair<double, double> welch_interval(std::span<const double> x,
                                                std::span<const double> y) {
  const auto n = static_cast<double>(x.size()), m = static_cast<double>(y.size());
  const double u = variance(x) / n, v = variance(y) / m;
  if (!detail::is_spread(u + v))
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  const boost::math::students_t distribution(detail::welch_df(u, n, v, m));
  const double half = boost::math::quantile(distribution, 0.975) * std::sqrt(u + v);
  return {mean_difference(x, y) - half, mean_difference(x, y) + half};
}

/// Which elements each resample of two samples draws.
struct Resamples {
  std::vector<std::vector<std::uint32_t>> first, second;

  /// `count` resamples with replacement; equal seeds, equal draws, on every platform.
  static Resamples draw(std::size_t n, std::size_t m, std::size_t count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t limit) {
      return static_cast<std::uint32_t>((random() >> 32) * limit >> 32);
    };
    Resamples drawn;
    for (std::size_t i = 0; i < count; ++i) {
      auto& x = drawn.first.emplace_back();
      for (std::size_t j = 0; j < n; ++j) x.push_back(below(n));
      auto& y = drawn.second.emplace_back();
      for (std::size_t j = 0; j < m; ++j) y.push_back(below(m));
    }
    return drawn;
  }
};

/// Bootstrap interval (percentiles 2.5 and 97.5, linear between neighbours) of a statistic of two
/// samples. Resamples on which it is not finite (both without variance) are left out; NaN if more
/// than half are.
template <class Statistic>
std::pair<double, double> bootstrap_interval(std::span<const double> x, std::span<const double> y,
                                             Statistic&& statistic, const Resamples& resamples) {
  std::vector<double> values, a, b;
  for (std::size_t i = 0; i < resamples.first.size(); ++i) {
    a.clear(), b.clear();
    for (const auto j : resamples.first[i]) a.push_back(x[j]);
    for (const auto j : resamples.second[i]) b.push_back(y[j]);
    if (const double value = statistic(a, b); std::isfinite(value)) values.push_back(value);
  }
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (values.empty() || 2 * values.size() < resamples.first.size()) return {kNan, kNan};
  std::ranges::sort(values);
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace serpette
