#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

namespace serpette {

/// Holm's step-down adjustment within one family: p₍ᵢ₎ · (m − i), never falling, at most 1.
/// Rejecting where the result is below α keeps the chance of any false rejection below α. Undefined
/// p-values (NaN) stay so and count as no test. Source: Holm 1979; equals
/// statsmodels.stats.multitest.multipletests(method="holm").
inline std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (!std::isnan(p[i])) order.push_back(i);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return p[i]; });
  std::vector<double> adjusted(p.begin(), p.end());
  double highest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    highest = std::max(highest, std::min(1.0, p[order[i]] * static_cast<double>(order.size() - i)));
    adjusted[order[i]] = highest;
  }
  return adjusted;
}

}  // namespace serpette
