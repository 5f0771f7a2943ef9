#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/settings.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/label.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"

namespace serpette {

/// A hybrid of two granularities, a coarse and a fine one: the first prunes at its share of the
/// ratio, the second takes what is missing,
///
///   mask = First(share · ratio) ∧ Second(r₂),
///
/// r₂ the largest at which no more than `ratio` of the weights are gone in all: of those of the
/// layers that may lose some. Whole filters give speed on any machine, single weights what is left
/// to give. Both choose by the scores as they are, so masks nest as the ratio grows as long as
/// those of the parts do and a step is more than one piece of the first.
///
/// Cost: about 27 masks of the second. Source: the paper's future work, "hybrid pruning";
/// docs/policies/prune_granularity.md.
template <PruneGranularity First, PruneGranularity Second>
struct Both {
 private:
  static constexpr Label kName{First::name, " and ", Second::name};

 public:
  static constexpr std::string_view name = kName;
  static constexpr bool removes_filters = serpette::removes_filters<First>;

  First first{};
  Second second{};
  double share = 0.5;  ///< Of the ratio that the first takes: 0 leaves all to the second.

  static constexpr auto describe() {
    return settings(part<&Both::first>("first"), part<&Both::second>("second"),
                    setting<&Both::share>("Share of the ratio that the first granularity takes",
                                          from_to(0, 1)));
  }

  /// @name The second's, whose pieces fill the ratio
  /// @{
  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    return second.pieces(graph);
  }
  [[nodiscard]] Importance importance(const Graph& graph, const ScoreMap& scores) const {
    return second.importance(graph, scores);
  }
  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    return second.mask(graph, choice);
  }
  /// @}

  [[nodiscard]] constexpr Levelled ranks() const {
    return std::max(serpette::ranks(first), serpette::ranks(second));
  }

  /// @throws Error  as either.
  void require_fits(const Graph& graph) const {
    if constexpr (requires { first.require_fits(graph); }) first.require_fits(graph);
    if constexpr (requires { second.require_fits(graph); }) second.require_fits(graph);
  }

  /// @throws Error  as make_mask of either.
  template <Allocation A>
  [[nodiscard]] Mask composed(const Graph& graph, const ScoreMap& scores, Ratio ratio,
                              const A& allocation) const {
    const auto here = checked_scores(graph, scores);
    const auto coarse =
        make_mask(graph, here, Ratio::nearest(share * ratio.fraction()), first, allocation);
    const auto sets = second.pieces(graph);
    // Of what scores nothing, what the first took ranks last. In later rounds of a schedule the
    // rest of it is what the second took before, and has to go again.
    constexpr double kBehind = 1e-37;  // below whatever is left there, which scores 1e-30 or more
    ScoreMap ranked;
    for (std::size_t i = 0; i < here.size(); ++i)
      ranked.push_back(
          here[i].masked_fill(here[i].eq(0).logical_and(coarse[i].weight.logical_not()), kBehind));
    const auto importance = second.importance(graph, ranked);
    const auto with = [&](std::int64_t fine) {
      auto mask = second.mask(graph, keep_most_important(sets, importance,
                                                         allocation.removed(graph, sets, importance,
                                                                            Ratio::level(fine))));
      for (std::size_t i = 0; i < mask.size(); ++i) {
        mask[i].weight = mask[i].weight.logical_and(coarse[i].weight);
        mask[i].filter = coarse[i].filter;
        mask[i].input = coarse[i].input;
      }
      return mask;
    };
    auto limited = sets;
    if constexpr (requires { allocation.limits.applied(graph, sets); })
      limited = allocation.limits.applied(graph, sets);
    std::vector<bool> counts(here.size(), false);  // whose weights the ratio is one of
    for (const PieceSet& set : limited)
      if (set.removable > 0)
        for (const int convolution : set.convolutions)
          counts[static_cast<std::size_t>(convolution)] = true;
    const auto fits = [&](const Mask& mask) {
      std::int64_t all = 0, kept = 0;
      for (std::size_t i = 0; i < mask.size(); ++i) {
        if (!counts[i]) continue;
        all += mask[i].weight.numel();
        kept += mask[i].weight.count_nonzero().template item<std::int64_t>();
      }
      return all - kept <= ratio.count(all);
    };
    std::int64_t low = 0, high = ratio.count(Ratio::kLevels) + 1;
    auto found = with(low);
    while (high - low > 1) {
      const auto middle = low + (high - low) / 2;
      if (auto tried = with(middle); fits(tried)) {
        low = middle;
        found = std::move(tried);
      } else {
        high = middle;
      }
    }
    return beside(scores, std::move(found));
  }
};
static_assert(PruneGranularity<Both<Filter, Weight>>);

}  // namespace serpette
