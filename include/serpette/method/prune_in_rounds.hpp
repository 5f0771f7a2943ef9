#pragma once

#include <cstddef>
#include <utility>

#include "serpette/concepts/detector.hpp"
#include "serpette/method/state.hpp"
#include "serpette/prune/mask.hpp"

namespace serpette {

/// Prunes a detector in the rounds of a schedule: in each it is scored as it is then, what goes by
/// that is masked, and what is left is trained. What is gone stays gone: its scores count as 0, so
/// it goes first, and the masks of later rounds lie within those of earlier ones.
/// @param schedule  `ratios(last)` (prune/schedule.hpp).
/// @param score     score(detector, round) → ScoreMap.
/// @param train     train(detector, mask, round, rounds): fine-tuning under the mask.
/// @return          the last round's mask; the detector is masked by it.
template <Detector D, class Schedule, PruneGranularity Granularity, Allocation A, class Score,
          class Train>
Mask prune_in_rounds(D& detector, const Schedule& schedule, Ratio last,
                     const Granularity& granularity, const A& allocation, Score&& score,
                     Train&& train) {
  Mask kept;
  const auto ratios = schedule.ratios(last);
  for (std::size_t round = 0; round < ratios.size(); ++round) {
    ScoreMap scores = score(detector, round);
    for (std::size_t i = 0; i < kept.size(); ++i) scores[i] = scores[i].mul(kept[i].weight);
    auto mask = make_mask(detector.graph(), scores, ratios[round], granularity, allocation);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      mask[i].weight = mask[i].weight.logical_and(kept[i].weight);
      if (mask[i].filter.defined()) mask[i].filter = mask[i].filter.logical_and(kept[i].filter);
    }
    kept = std::move(mask);
    apply_mask(kept, detector);
    train(detector, kept, round, ratios.size());
  }
  return kept;
}

}  // namespace serpette
