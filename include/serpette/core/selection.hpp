#pragma once

/// @file
/// The lowest |scores| of a layer, found without sorting it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"

namespace serpette {

/// kept[i] = false for the `removed` entries of lowest |score|, true for the others. Among equal
/// |scores| the lower index is removed first, so the removed sets of growing counts nest.
///
/// Three linear passes: |score| as an integer orders like |score|, so a histogram over its leading
/// bits finds the threshold's bucket, and only that bucket (some percent of the entries) is
/// searched.
/// @param removed  in [0, scores.size()].
/// @param place    what an error calls the scores, e.g. the layer's name.
/// @throws Error   if a score is NaN or infinite.
inline void keep_highest(std::span<const float> scores, std::int64_t removed, std::span<bool> kept,
                         std::string_view place) {
  require(kept.size() == scores.size() && removed >= 0 &&
              removed <= static_cast<std::int64_t>(scores.size()),
          place, "should remove between 0 and {} of {} entries, got {}", scores.size(), kept.size(),
          removed);
  constexpr std::uint32_t kMagnitude = 0x7fffffffU, kInfinity = 0x7f800000U;
  constexpr int kShift = 19;  // 8 exponent and 4 mantissa bits lead
  const auto magnitude = [&](std::size_t i) {
    return std::bit_cast<std::uint32_t>(scores[i]) & kMagnitude;
  };

  // Four histograms, so that a run of similar scores does not wait for its own counter.
  std::array<std::array<std::int64_t, (kMagnitude >> kShift) + 1>, 4> histograms{};
  std::uint32_t highest = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::uint32_t m = magnitude(i);
    highest = std::max(highest, m);
    ++histograms[i % 4][m >> kShift];
  }
  if (highest >= kInfinity) {
    const auto bad = std::ranges::find_if(scores, [](float s) { return !(s - s == 0); });
    fail(place, "every score should be finite, got {} at index {}", *bad, bad - scores.begin());
  }
  if (removed == 0) {
    std::ranges::fill(kept, true);
    return;
  }

  std::uint32_t bucket = 0;
  std::int64_t below = 0;  // entries in lower buckets
  for (;; ++bucket) {
    std::int64_t inside = 0;
    for (const auto& histogram : histograms) inside += histogram[bucket];
    if (below + inside >= removed) break;
    below += inside;
  }
  std::vector<std::uint32_t> candidates;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (const auto m = magnitude(i); m >> kShift == bucket) candidates.push_back(m);
  const auto last = candidates.begin() + (removed - below - 1);  // the highest that is removed
  std::nth_element(candidates.begin(), last, candidates.end());
  const std::uint32_t threshold = *last;

  for (std::size_t i = 0; i < scores.size(); ++i) kept[i] = magnitude(i) >= threshold;
  std::int64_t equal = removed - below - std::count_if(candidates.begin(), last, [&](auto m) {
                         return m < threshold;
                       });
  for (std::size_t i = 0; equal > 0; ++i)
    if (magnitude(i) == threshold) {
      kept[i] = false;
      --equal;
    }
}

}  // namespace serpette
