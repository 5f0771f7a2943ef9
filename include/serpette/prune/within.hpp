#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace serpette {

/// Counts on their way from few to many, stopped where the next piece would break the budget: exact
/// to one piece.
///
/// The way: counts(0), counts(1), …, counts(levels − 1), none smaller than its predecessor in any
/// place; between two of them the first set goes to its next count piece by piece, then the second,
/// and so on. Wherever it stops, a larger budget stops no earlier, so masks nest.
/// @param cost  of counts; grows with each of them.
/// @return      the farthest counts on the way whose cost is at most `budget`; counts(0) if there
///              are none.
/// Cost: about log₂(levels) calls of `counts`, and as many of `cost` again for the last piece.
template <class Counts, class Cost>
std::vector<std::int64_t> farthest_within(std::int64_t budget, std::int64_t levels,
                                          const Counts& counts, const Cost& cost) {
  std::int64_t low = 0, high = levels;  // low fits, high does not
  auto found = counts(low);
  while (high - low > 1) {
    const auto middle = low + (high - low) / 2;
    if (auto tried = counts(middle); cost(tried) <= budget) {
      low = middle;
      found = std::move(tried);
    } else {
      high = middle;
    }
  }
  if (high == levels || cost(found) > budget) return found;
  const auto next = counts(high);
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::int64_t fits = found[i], breaks = next[i] + 1;
    while (breaks - fits > 1) {
      const auto middle = fits + (breaks - fits) / 2;
      found[i] = middle;
      (cost(found) <= budget ? fits : breaks) = middle;
    }
    found[i] = fits;
    if (fits < next[i]) break;
  }
  return found;
}

}  // namespace serpette
