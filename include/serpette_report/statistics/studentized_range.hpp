#pragma once

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "serpette/core/contract.hpp"

namespace serpette {

namespace detail {

/// ∫ f over [low, high] by Gauss-Legendre on equal panels.
template <class Function>
double integrate(Function&& f, double low, double high, int panels) {
  double sum = 0;
  const double step = (high - low) / panels;
  for (int i = 0; i < panels; ++i)
    sum += boost::math::quadrature::gauss<double, 10>::integrate(f, low + i * step,
                                                                 low + (i + 1) * step);
  return sum;
}

/// P(range of k standard normal numbers > w) = k ∫ φ(z) [Φ(z)^(k−1) − (Φ(z) − Φ(z − w))^(k−1)] dz.
/// The difference of powers is summed as (a − b)·Σ aⁱ bʲ, so that small tails keep their digits.
/// The trapezoidal rule, whose error falls off exponentially for what is analytic and vanishes at
/// both ends: at steps of a quarter below 1e-12 of the value for 2 to 20 numbers. w is a whole
/// number of steps, so that Φ(z − w) is the Φ(z) of an earlier node; a w below one step is not
/// worth that many nodes. Beyond w = 55 the tail, at most k² · Φ(−w / √2), is below all doubles.
inline double normal_range_tail(double w, int k) {
  if (w <= 0) return 1;
  constexpr double longest = 0.25, reach = 8.5, last = 55;
  if (w > last) return 0;
  const bool shared = w >= longest;
  const auto apart = static_cast<std::size_t>(shared ? std::ceil(w / longest) : 1);
  const double step = shared ? w / static_cast<double>(apart) : longest;
  const auto nodes = 2 * static_cast<std::size_t>(std::ceil(reach / step)) + 1;
  const double first =
      w / 2 - step * static_cast<double>(nodes / 2);  // the integrand lies about w / 2
  const auto below = [](double z) { return std::erfc(-z * 0.70710678118654752440) / 2; };
  std::vector<double> removed(apart + nodes);  // Φ(z − w) node by node, and Φ(z) `apart` places on
  for (std::size_t i = 0; i < removed.size(); ++i)
    removed[i] = below(first - w + step * static_cast<double>(i));
  double total = 0;
  for (std::size_t n = 0; n < nodes; ++n) {
    const double z = first + step * static_cast<double>(n);
    const double a = shared ? removed[n + apart] : below(z), b = a - removed[n];
    double sum = 0, power = 1;  // Σ over i of a^i · b^(k−2−i), by Horner
    for (int i = 0; i < k - 1; ++i, power *= b) sum = sum * a + power;
    total += std::exp(-z * z / 2) * 0.39894228040143267794 * removed[n] * sum;
  }
  return std::min(1.0, k * step * total);
}

}  // namespace detail

/// P(Q > q), Q the studentized range of `groups` means with `df` degrees of freedom: Q = range / s,
/// averaged over s = χ/√df by quadrature. Absolute error below 1e-9 for 2 to 20 groups; equals
/// scipy.stats.studentized_range.sf.
/// @throws Error  for fewer than two groups or df < 1.
inline double studentized_range_tail(double q, int groups, double df) {
  require(groups >= 2 && df >= 1, "studentized range",
          "should have at least 2 groups and 1 degree of freedom, got {} and {}", groups, df);
  if (std::isnan(q)) return q;
  if (q <= 0) return 1;
  if (std::isinf(q)) return 0;
  if (df > 1e6) return detail::normal_range_tail(q, groups);
  const boost::math::chi_squared chi(df);
  const double log_scale = std::numbers::ln2 + df / 2 * std::log(df / 2) - std::lgamma(df / 2);
  // s = u³: near 0 the density goes as s^(df−1), which polynomials follow badly for small
  // fractional df.
  const auto density = [&](double u) {
    const double s = u * u * u;
    return 3 * u * u * std::exp(log_scale + (df - 1) * std::log(s) - df * s * s / 2) *
           detail::normal_range_tail(q * s, groups);
  };
  const double low = std::sqrt(boost::math::quantile(chi, 1e-30) / df);
  const double high = std::sqrt(boost::math::quantile(boost::math::complement(chi, 1e-18)) / df);
  const double vanish = 20 / q;  // beyond it the tail of the range is below 1e-40
  const double last = std::max(low * (1 + 1e-9), std::min(high, vanish));
  return std::clamp(detail::integrate(density, std::cbrt(low), std::cbrt(last), 6), 0.0, 1.0);
}

/// The q with P(Q > q) = p, to eight digits: half widths of simultaneous intervals.
/// @param p  in (0, 1).
inline double studentized_range_quantile(double p, int groups, double df) {
  require(p > 0 && p < 1, "studentized range", "p should be in (0, 1), got {}", p);
  double high = 4;
  while (studentized_range_tail(high, groups, df) > p) high *= 2;
  std::uintmax_t steps = 60;
  const auto [a, b] = boost::math::tools::toms748_solve(
      [&](double q) { return studentized_range_tail(q, groups, df) - p; }, 0.0, high,
      boost::math::tools::eps_tolerance<double>(28), steps);
  return (a + b) / 2;
}

}  // namespace serpette
