#pragma once

#include <ATen/ops/sort.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <tuple>
#include <vector>

#include "serpette/concepts/pieces.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/prune/within.hpp"

namespace serpette {

/// The weights that a ratio of these sets is: of those that may lose some.
inline std::int64_t budget_of(Ratio ratio, const std::vector<PieceSet>& sets) {
  std::int64_t all = 0;
  for (const PieceSet& set : sets)
    if (set.removable > 0) all += set.weights;
  return ratio.count(all);
}

/// The weights that go with so many pieces of each set.
inline std::int64_t weights_of(const std::vector<PieceSet>& sets,
                               const std::vector<std::int64_t>& counts) {
  std::int64_t all = 0;
  for (std::size_t i = 0; i < sets.size(); ++i) all += counts[i] * sets[i].size;
  return all;
}

/// A set's |importance|, ascending.
inline at::Tensor ascending(const at::Tensor& importance) {
  return std::get<0>(importance.abs().sort()).contiguous();
}

/// How many pieces of each set go when the lowest values of all sets go, as many as the budget of
/// weights allows, exact to one piece; of equal values those of the first set go first.
/// @param values  per set what its pieces are worth beside those of other sets, ascending, float32,
///                at least 0.
inline std::vector<std::int64_t> lowest_of_all(const std::vector<PieceSet>& sets,
                                               const std::vector<at::Tensor>& values,
                                               std::int64_t budget) {
  // Numbers of at least 0 order as their bits do: the threshold is searched among the bits.
  const auto below = [&](std::int64_t bits) {
    const auto threshold = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    std::vector<std::int64_t> counts;
    for (std::size_t i = 0; i < sets.size(); ++i) {
      const std::span<const float> of(values[i].const_data_ptr<float>(),
                                      static_cast<std::size_t>(values[i].numel()));
      counts.push_back(std::min<std::int64_t>(std::ranges::lower_bound(of, threshold) - of.begin(),
                                              sets[i].removable));
    }
    return counts;
  };
  constexpr auto kInfinity = static_cast<std::int64_t>(
      std::bit_cast<std::uint32_t>(std::numeric_limits<float>::infinity()));
  return farthest_within(budget, kInfinity + 1, below,
                         [&](const auto& counts) { return weights_of(sets, counts); });
}

}  // namespace serpette
