#pragma once

#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette_report/statistics/describe.hpp"

namespace serpette {

/// Samples to compare: one list of values per group.
using Groups = std::vector<std::vector<double>>;

/// What a test of "all groups are alike" found.
struct TestResult {
  double statistic = std::numeric_limits<double>::quiet_NaN();
  double df1 =
      std::numeric_limits<double>::quiet_NaN();  ///< Numerator (or only) degrees of freedom.
  double df2 = std::numeric_limits<double>::quiet_NaN();
  double p =
      std::numeric_limits<double>::quiet_NaN();  ///< NaN: the test is undefined on these data.

  [[nodiscard]] bool defined() const { return !std::isnan(p); }
};

namespace detail {

/// At least two groups of at least `size` finite values.
inline void require_groups(const Groups& groups, std::size_t size, std::string_view test) {
  require(groups.size() >= 2, test, "should compare at least two groups, got {}", groups.size());
  for (const auto& group : groups) {
    require(group.size() >= size, test, "every group should have at least {} values, got one of {}",
            size, group.size());
    for (const double x : group)
      require(std::isfinite(x), test, "values should be finite, got {}", x);
  }
}

/// P(F > f) with the limits that the distribution has at 0 and ∞.
inline double f_tail(double f, double df1, double df2) {
  if (std::isnan(f)) return f;
  if (std::isinf(f)) return 0;
  return boost::math::cdf(boost::math::complement(boost::math::fisher_f(df1, df2), f));
}

}  // namespace detail

/// One-way analysis of variance, with its effect size.
struct Anova : TestResult {
  double eta_squared = std::numeric_limits<double>::quiet_NaN();  ///< SS between / SS total.
};

/// F = (SS between / (k − 1)) / (SS within / (N − k)): are the means of k groups alike, given equal
/// variances? Groups without any variance inside: F is infinite and p 0 if their values differ,
/// undefined (NaN) if they do not, or if a square overflows.
/// @throws Error  for fewer than two groups, an empty group, or values that are not finite.
/// Source: Fisher 1925; equals scipy.stats.f_oneway.
inline Anova one_way_anova(const Groups& groups) {
  detail::require_groups(groups, 1, "one-way ANOVA");
  std::vector<double> all;
  for (const auto& group : groups) all.insert(all.end(), group.begin(), group.end());
  const double center = mean(all);
  double between = 0, within = 0;
  for (const auto& group : groups) {
    const double off = mean(group) - center;
    between += static_cast<double>(group.size()) * off * off;
    within += squared_deviations(group);
  }
  Anova result;
  result.df1 = static_cast<double>(groups.size() - 1);
  result.df2 = static_cast<double>(all.size() - groups.size());
  if (result.df2 < 1 || !detail::is_spread(between + within)) return result;
  result.statistic = (between / result.df1) / (within / result.df2);
  result.p = detail::f_tail(result.statistic, result.df1, result.df2);
  result.eta_squared = between / (between + within);
  return result;
}

/// Welch's analysis of variance: variances may differ.
/// Undefined (NaN) if a group has no variance, or one that overflows.
/// @throws Error  for fewer than two groups, a group of fewer than two values, or values that are
/// not finite. Source: Welch 1951; equals pingouin.welch_anova and, for two groups, the square of
/// Welch's t.
inline TestResult welch_anova(const Groups& groups) {
  detail::require_groups(groups, 2, "Welch's ANOVA");
  const auto k = static_cast<double>(groups.size());
  TestResult result{.df1 = k - 1};
  std::vector<double> weights;
  double total = 0, center = 0;
  for (const auto& group : groups) {
    const double spread = variance(group);
    if (!detail::is_spread(spread)) return result;
    weights.push_back(static_cast<double>(group.size()) / spread);
    total += weights.back();
    center += weights.back() * mean(group);
  }
  center /= total;
  double between = 0, lambda = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const double off = mean(groups[i]) - center, rest = 1 - weights[i] / total;
    between += weights[i] * off * off;
    lambda += rest * rest / (static_cast<double>(groups[i].size()) - 1);
  }
  lambda *= 3 / (k * k - 1);
  result.statistic = between / (k - 1) / (1 + 2 * lambda * (k - 2) / 3);
  result.df2 = 1 / lambda;
  result.p = detail::f_tail(result.statistic, result.df1, result.df2);
  return result;
}

}  // namespace serpette
