#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "serpette/core/contract.hpp"

namespace serpette {

/// The q-quantile of sorted values, linear between neighbours; equals numpy.quantile.
/// @param q       in [0, 1].
/// @throws Error  for no values.
inline double quantile(std::span<const double> sorted, double q) {
  require(!sorted.empty(), "quantile", "should be of at least one value, got none");
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const auto high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

/// The middle value, or the mean of the middle two.
inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return quantile(values, 0.5);
}

}  // namespace serpette
