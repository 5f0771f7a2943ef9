#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/studentized_range.hpp"

namespace serpette {

/// Two of several groups compared, the p-value holding for all pairs at once.
struct PairComparison {
  std::size_t first = 0, second = 0;  ///< Indices of the groups.
  double difference = 0;              ///< Mean of the first less mean of the second.
  double low = 0, high = 0;           ///< Simultaneous 95 % interval of the difference.
  double q = 0, df = 0, p = 0;        ///< NaN where undefined (no variance, or one that overflows).
};

namespace detail {
/// @param critical  the 5 % point of the studentized range, called only where it is needed.
template <class Critical>
PairComparison compare_pair(const Groups& groups, std::size_t i, std::size_t j, double error,
                            double df, Critical&& critical) {
  const auto k = static_cast<int>(groups.size());
  PairComparison pair{
      .first = i, .second = j, .difference = mean(groups[i]) - mean(groups[j]), .df = df};
  if (!is_spread(error)) {
    pair.low = pair.high = pair.q = pair.p = std::numeric_limits<double>::quiet_NaN();
    return pair;
  }
  pair.q = std::abs(pair.difference) / error;
  pair.p = studentized_range_tail(pair.q, k, df);
  const double half = critical() * error;
  pair.low = pair.difference - half, pair.high = pair.difference + half;
  return pair;
}
}  // namespace detail

/// All pairs of groups by Tukey's honest significant difference in Kramer's form for unequal sizes;
/// assumes equal variances. Source: Tukey 1953, Kramer 1956; equals scipy.stats.tukey_hsd.
inline std::vector<PairComparison> tukey_kramer(const Groups& groups) {
  detail::require_groups(groups, 2, "Tukey-Kramer");
  double within = 0, count = 0;
  for (const auto& group : groups) {
    within += squared_deviations(group);
    count += static_cast<double>(group.size());
  }
  const double df = count - static_cast<double>(groups.size()), square = within / df;
  const double critical = studentized_range_quantile(0.05, static_cast<int>(groups.size()), df);
  std::vector<PairComparison> pairs;
  for (std::size_t i = 0; i < groups.size(); ++i)
    for (std::size_t j = i + 1; j < groups.size(); ++j)
      pairs.push_back(detail::compare_pair(groups, i, j,
                                           std::sqrt(square / 2 *
                                                     (1 / static_cast<double>(groups[i].size()) +
                                                      1 / static_cast<double>(groups[j].size()))),
                                           df, [&] { return critical; }));
  return pairs;
}

/// All pairs of groups whose variances may differ. Source: Games and Howell 1976; equals
/// pingouin.pairwise_gameshowell.
inline std::vector<PairComparison> games_howell(const Groups& groups) {
  detail::require_groups(groups, 2, "Games-Howell");
  std::vector<PairComparison> pairs;
  for (std::size_t i = 0; i < groups.size(); ++i)
    for (std::size_t j = i + 1; j < groups.size(); ++j) {
      const auto a = static_cast<double>(groups[i].size()),
                 b = static_cast<double>(groups[j].size());
      const double u = variance(groups[i]) / a;
      const double v = variance(groups[j]) / b;
      const double df = detail::welch_df(u, a, v, b);
      pairs.push_back(detail::compare_pair(groups, i, j, std::sqrt((u + v) / 2), df, [&] {
        return studentized_range_quantile(0.05, static_cast<int>(groups.size()), df);
      }));
    }
  return pairs;
}

}  // namespace serpette
