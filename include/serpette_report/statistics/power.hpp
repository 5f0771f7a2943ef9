#pragma once

#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/non_central_f.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>

#include "serpette/core/contract.hpp"

namespace serpette {

/// The chance that one-way ANOVA of `groups` × `per_group` values finds (p < alpha) an effect of
/// Cohen's f (for two groups f = d / 2, d the difference in standard deviations). Equals
/// statsmodels' FTestAnovaPower.power.
inline double anova_power(double f, int groups, int per_group, double alpha = 0.05) {
  require(groups >= 2 && per_group >= 2 && f >= 0, "power",
          "should have 2 groups of 2 values and f ≥ 0, got {} × {}, f = {}", groups, per_group, f);
  const double n = double(groups) * per_group, df1 = groups - 1, df2 = n - groups;
  const double critical =
      boost::math::quantile(boost::math::complement(boost::math::fisher_f(df1, df2), alpha));
  if (f == 0) return alpha;
  return boost::math::cdf(
      boost::math::complement(boost::math::non_central_f(df1, df2, n * f * f), critical));
}

/// The smallest difference of two groups, in standard deviations, that ANOVA finds with that power.
inline double detectable_difference(int per_group, double power = 0.8, double alpha = 0.05) {
  std::uintmax_t steps = 100;
  double high = 1;
  while (anova_power(high / 2, 2, per_group, alpha) < power) high *= 2;
  const auto [a, b] = boost::math::tools::toms748_solve(
      [&](double d) { return anova_power(d / 2, 2, per_group, alpha) - power; }, 1e-6, high,
      boost::math::tools::eps_tolerance<double>(40), steps);
  return (a + b) / 2;
}

}  // namespace serpette
