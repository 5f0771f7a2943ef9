#pragma once

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace serpette {

/// A sample in numbers; NaN where the sample is too small for one.
struct Description {
  std::size_t count = 0;
  double mean = 0, min = 0, max = 0;
  double population_sd = 0;  ///< √(Σ(x − x̄)² / n): what the paper's tables print.
  double sample_sd = 0;      ///< √(Σ(x − x̄)² / (n − 1)).
  double half_width = 0;     ///< x̄ ± this is Student's 95 % confidence interval of the mean.
};

/// Summed as distances from the first value: equal values have exactly themselves as mean, and no
/// variance.
inline double mean(std::span<const double> sample) {
  if (sample.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const double x : sample) sum += x - sample.front();
  return sample.front() + sum / static_cast<double>(sample.size());
}

/// Σ (x − x̄)².
inline double squared_deviations(std::span<const double> sample) {
  const double center = mean(sample);
  double sum = 0;
  for (const double x : sample) sum += (x - center) * (x - center);
  return sum;
}

/// Unbiased variance, Σ(x − x̄)² / (n − 1).
inline double variance(std::span<const double> sample) {
  return squared_deviations(sample) / (static_cast<double>(sample.size()) - 1);
}

namespace detail {

/// Whether there is a spread to judge by: none of equal values, nor of some whose squares overflow.
inline bool is_spread(double spread) { return spread > 0 && std::isfinite(spread); }

/// Degrees of freedom of u + v, the squared standard errors of n and of m values, by their shares,
/// which do not underflow. Source: Welch 1947.
inline double welch_df(double u, double n, double v, double m) {
  const double first = u / (u + v), second = v / (u + v);
  return 1 / (first * first / (n - 1) + second * second / (m - 1));
}

}  // namespace detail

inline Description describe(std::span<const double> sample) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  Description d{.count = sample.size(),
                .mean = kNan,
                .min = kNan,
                .max = kNan,
                .population_sd = kNan,
                .sample_sd = kNan,
                .half_width = kNan};
  if (sample.empty()) return d;
  const auto n = static_cast<double>(sample.size());
  const double squares = squared_deviations(sample);
  d.mean = mean(sample);
  d.min = *std::ranges::min_element(sample);
  d.max = *std::ranges::max_element(sample);
  d.population_sd = std::sqrt(squares / n);
  if (sample.size() < 2) return d;
  d.sample_sd = std::sqrt(squares / (n - 1));
  d.half_width =
      boost::math::quantile(boost::math::students_t(n - 1), 0.975) * d.sample_sd / std::sqrt(n);
  return d;
}

}  // namespace serpette
