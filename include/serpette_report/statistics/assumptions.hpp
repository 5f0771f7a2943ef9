#pragma once

#include <algorithm>
#include <array>
#include <boost/math/constants/constants.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/quantile.hpp"
#include "serpette_report/statistics/anova.hpp"

namespace serpette {

/// From where Levene's test measures spread.
enum class Center { kMean, kMedian };

/// One-way ANOVA of |x − centre of its group|: are the variances alike? With the median it is Brown
/// and Forsythe's test, which skewed data mislead less. Undefined (NaN) where no group has three
/// values: two lie equally far from their middle, so that nothing varies inside the groups but
/// rounding errors.
/// @throws Error  as one_way_anova. Source: Levene 1960, Brown and Forsythe 1974; equals
/// scipy.stats.levene where it is defined.
inline TestResult levene(const Groups& groups, Center center = Center::kMedian) {
  detail::require_groups(groups, 1, "Levene");
  if (std::ranges::all_of(groups, [](const auto& group) { return group.size() < 3; })) return {};
  Groups spread;
  for (const auto& group : groups) {
    const double middle = center == Center::kMedian ? median(group) : mean(group);
    auto& list = spread.emplace_back();
    for (const double x : group) list.push_back(std::abs(x - middle));
  }
  return one_way_anova(spread);
}

namespace detail {
/// Normal quantile of AS 111 (Beasley and Springer 1977), nine digits: the one that AS R94 is built
/// on, so that W agrees with R and SciPy beyond them.
inline double quantile_as111(double p) {
  const double q = p - 0.5;
  if (std::abs(q) <= 0.42) {
    const double r = q * q;
    return q * (((-25.44106049637 * r + 41.39119773534) * r - 18.61500062529) * r + 2.50662823884) /
           ((((3.13082909833 * r - 21.06224101826) * r + 23.08336743743) * r - 8.47351093090) * r +
            1);
  }
  const double r = std::sqrt(-std::log(std::min(p, 1 - p)));
  const double value =
      (((2.32121276858 * r + 4.85014127135) * r - 2.29796479134) * r - 2.78718931138) /
      ((1.63706781897 * r + 3.54388924762) * r + 1);
  return q < 0 ? -value : value;
}
}  // namespace detail

/// W in (0, 1]: could the sample come from a normal distribution? Small p says no.
/// Undefined (NaN) for a sample without variance, or whose range overflows.
/// @param sample  3 to 5,000 values. @throws Error  for others.
/// Source: Shapiro and Wilk 1965 in Royston's approximation, AS R94 (1995); equals
/// scipy.stats.shapiro.
inline TestResult shapiro_wilk(std::span<const double> sample) {
  require(sample.size() >= 3 && sample.size() <= 5000, "Shapiro-Wilk",
          "should have 3 to 5,000 values, got {}", sample.size());
  TestResult result;
  const auto n = sample.size();
  const auto count = static_cast<double>(n);
  std::vector<double> x(sample.begin(), sample.end());
  std::ranges::sort(x);
  const double least = x.front(), range = x.back() - least;
  if (!detail::is_spread(range)) return result;
  for (double& value : x) value = (value - least) / range;  // W stays, and no square underflows
  const auto polynomial = [](std::span<const double> c, double at) {
    double value = 0;
    for (auto i = c.size(); i-- > 0;) value = value * at + c[i];
    return value;
  };
  // Weights of the order statistics: approximately the normalised expected values, the outer two
  // corrected.
  std::vector<double> a(n);
  if (n == 3) {
    a = {-std::sqrt(0.5), 0, std::sqrt(0.5)};
  } else {
    std::vector<double> m(n);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
      m[i] = detail::quantile_as111((static_cast<double>(i) + 0.625) / (count + 0.25));
      squares += m[i] * m[i];
    }
    static constexpr std::array kFirst{0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056};
    static constexpr std::array kSecond{0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633};
    const double u = 1 / std::sqrt(count), root = std::sqrt(squares);
    const double first = polynomial(kFirst, u) + m[n - 1] / root,
                 second = polynomial(kSecond, u) + m[n - 2] / root;
    const std::size_t corrected = n > 5 ? 2 : 1;
    const double scale = corrected == 2
                             ? (squares - 2 * m[n - 1] * m[n - 1] - 2 * m[n - 2] * m[n - 2]) /
                                   (1 - 2 * first * first - 2 * second * second)
                             : (squares - 2 * m[n - 1] * m[n - 1]) / (1 - 2 * first * first);
    for (std::size_t i = 0; i < n; ++i) a[i] = m[i] / std::sqrt(scale);
    a[n - 1] = first, a[0] = -first;
    if (corrected == 2) a[n - 2] = second, a[1] = -second;
  }
  const double center = mean(x), weight = mean(a);
  double aa = 0, xx = 0, ax = 0;
  for (std::size_t i = 0; i < n; ++i) {
    aa += (a[i] - weight) * (a[i] - weight);
    xx += (x[i] - center) * (x[i] - center);
    ax += (a[i] - weight) * (x[i] - center);
  }
  const double both = std::sqrt(aa * xx),
               rest = (both - ax) * (both + ax) / (aa * xx);  // 1 − W without cancellation
  result.statistic = 1 - rest;
  if (n == 3) {
    result.p = result.statistic < 0.75
                   ? 0
                   : 1 - 6 / boost::math::constants::pi<double>() *
                             std::acos(std::sqrt(std::min(1.0, result.statistic)));
    return result;
  }
  double z = 0;
  if (n <= 11) {
    static constexpr std::array kMean{0.5440, -0.39978, 0.025054, -6.714e-4},
        kSpread{1.3822, -0.77857, 0.062767, -0.0020322};
    const double gamma = -2.273 + 0.459 * count;
    if (std::log(rest) >= gamma) {
      result.p = 0;
      return result;
    }
    z = (-std::log(gamma - std::log(rest)) - polynomial(kMean, count)) /
        std::exp(polynomial(kSpread, count));
  } else {
    static constexpr std::array kMean{-1.5861, -0.31082, -0.083751, 0.0038915};
    static constexpr std::array kSpread{-0.4803, -0.082676, 0.0030302};
    const double l = std::log(count);
    z = (std::log(rest) - polynomial(kMean, l)) / std::exp(polynomial(kSpread, l));
  }
  result.p = boost::math::cdf(boost::math::complement(boost::math::normal(), z));
  return result;
}

}  // namespace serpette
