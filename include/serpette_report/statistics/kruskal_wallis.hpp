#pragma once

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cstddef>
#include <range/v3/view/enumerate.hpp>
#include <range/v3/view/zip.hpp>
#include <utility>
#include <vector>

#include "serpette_report/statistics/anova.hpp"

namespace serpette {

/// H = 12 / (N(N + 1)) · Σ Rᵢ² / nᵢ − 3(N + 1), divided by the correction for ties: do k groups
/// come from one distribution, whatever its shape? p from χ² with k − 1 degrees of freedom, an
/// approximation for small groups. Undefined (NaN) if all values are equal.
/// @throws Error  for fewer than two groups, an empty group, or values that are not finite.
/// Source: Kruskal and Wallis 1952; equals scipy.stats.kruskal.
inline TestResult kruskal_wallis(const Groups& groups) {
  detail::require_groups(groups, 1, "Kruskal-Wallis");
  std::vector<std::pair<double, std::size_t>> all;  // value, group
  for (auto&& [i, group] : ranges::views::enumerate(groups))
    for (const double x : group) all.emplace_back(x, i);
  std::ranges::sort(all);
  std::vector<double> ranks(groups.size(), 0.0);
  double ties = 0;
  for (std::size_t i = 0, end = 0; i < all.size(); i = end) {
    while (end < all.size() && all[end].first == all[i].first) ++end;
    const auto count = static_cast<double>(end - i);
    ties += count * count * count - count;
    for (std::size_t j = i; j < end; ++j)
      ranks[all[j].second] += (static_cast<double>(i + 1) + static_cast<double>(end)) / 2;
  }
  const auto n = static_cast<double>(all.size());
  TestResult result{.df1 = static_cast<double>(groups.size() - 1)};
  const double correction = 1 - ties / (n * n * n - n);
  if (!(correction > 0)) return result;
  double sum = 0;
  for (auto&& [rank, group] : ranges::views::zip(ranks, groups))
    sum += rank * rank / static_cast<double>(group.size());
  result.statistic = std::max(0.0, (12 / (n * (n + 1)) * sum - 3 * (n + 1)) / correction);
  result.p = boost::math::cdf(
      boost::math::complement(boost::math::chi_squared(result.df1), result.statistic));
  return result;
}

}  // namespace serpette
