#pragma once

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/graph/mask.hpp"
#include "serpette/prune/layer_times.hpp"
#include "serpette/prune/limits.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/within.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// What a ratio of learned rates is a share of.
enum class LearnedOf {
  kWeights,  ///< The weights that may go.
  kMacs,     ///< Their multiply-adds.
  kTime,     ///< What these take, by a table of layers (prune/layer_times.hpp).
};

constexpr auto words(LearnedOf) {
  return std::array<Word<LearnedOf>, 3>{
      {{"weights", LearnedOf::kWeights}, {"macs", LearnedOf::kMacs}, {"time", LearnedOf::kTime}}};
}

struct LearnedRates;

/// Rates that are trained with the scores: set l keeps the share
///
///   k_l = σ(t_l − τ)
///
/// of its pieces. The logits t begin at 0, all sets alike; τ is one number for the network, found
/// by bisection so that the ratio is met exact to one piece, at every step. The logits move along
///
///   ∂L/∂t_l = k_l (1 − k_l) (D_l − λ c_l),   λ = Σ k (1 − k) D / Σ k (1 − k) c,
///
/// c_l what the ratio counts of the whole set, D_l = ∂L/∂k_l: the loss's derivative by the gates of
/// the pieces next to the set's threshold (LayerSlopes), on either side `window` of its pieces,
/// over the share that they are. What λ subtracts is what τ gives to the other sets.
///
/// The gate of a piece of weights is the sum of theirs, Σ ∂L/∂w · w. Of a whole filter in front of
/// batch norm that sum is 0, since the norm undoes any factor; where whole filters go, the gate is
/// on the filter's output, γ ∂L/∂γ + β ∂L/∂β.
///
/// By itself, not trained, it keeps all sets alike. Source: Zhao & Wressnegger 2023 (HARP), who
/// train rates with scores and pay for the budget in the loss; here it holds at every step.
/// docs/policies/prune_granularity.md.
struct Learned {
  static constexpr std::string_view name = "Learned";
  static constexpr bool learns = true;

  LearnedOf of = LearnedOf::kWeights;  ///< What the ratio is a share of.
  std::string_view times{};  ///< Milliseconds of each convolution, as LayerTimes reads them.
  double rate = 1;       ///< Of the score training's learning rate; steps are of length 1 (rms).
  double window = 0.05;  ///< Share of a set's pieces that is looked at on either side.
  Limits limits{};       ///< What is left alone.

  static constexpr auto describe() {
    return settings(
        setting<&Learned::of>("What the ratio is a share of; under whole filters theirs decides"),
        setting<&Learned::times>("Milliseconds of each layer, as profile writes them to times.txt"),
        setting<&Learned::rate>("How fast keep rates move [learning rate of the scores]",
                                at_least(0)),
        setting<&Learned::window>("Share of a layer's pieces at its threshold that tell what more "
                                  "of them would be worth",
                                  above(0, 0.5)),
        part<&Learned::limits>(""));
  }
  [[nodiscard]] constexpr bool has(std::string_view setting) const {
    return setting != "times" || of == LearnedOf::kTime;
  }
  /// @throws Error  if a ratio of time has no table.
  void check() const {
    if (of == LearnedOf::kTime) require_times(times, name, "--allocation-times");
  }
  /// @throws Error  as LayerTimes, where the ratio is one of time.
  void require_fits(const Graph& graph) const {
    if (of == LearnedOf::kTime) (void)LayerTimes(graph, times);
  }

  /// The allocation of these logits.
  /// @param logits  [sets] double, on the CPU.
  [[nodiscard]] LearnedRates with(at::Tensor logits) const;

  /// Of logits that are all 0.
  [[nodiscard]] std::vector<std::int64_t> removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance& importance, Ratio ratio) const;

  /// What the ratio counts of one piece of each set; of multiply-adds and time that of its layers
  /// on average.
  /// @throws Error  as LayerTimes, where the ratio is one of time.
  [[nodiscard]] std::vector<std::int64_t> costs(const Graph& graph,
                                                const std::vector<PieceSet>& sets) const {
    const auto convolutions = graph.convolutions();
    std::optional<LayerTimes> table;
    if (of == LearnedOf::kTime) table.emplace(graph, times);
    std::vector<std::int64_t> costs;
    for (const PieceSet& set : sets) {
      std::int64_t all = 0;
      for (const int c : set.convolutions) {
        const auto position = static_cast<std::size_t>(c);
        const auto work = macs(graph, convolutions[position]);
        all += table ? table->of(position, work) : work;
      }
      costs.push_back(of == LearnedOf::kWeights ? set.size : all / set.pieces);
    }
    return costs;
  }
};

/// What `Learned` has learned: the counts of its logits.
struct LearnedRates {
  static constexpr std::string_view name = Learned::name;

  Learned policy;
  at::Tensor logits;  ///< [sets] double, on the CPU.

  [[nodiscard]] std::vector<std::int64_t> removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance&, Ratio ratio) const {
    const auto limited = policy.limits.applied(graph, sets);
    const auto costs = policy.costs(graph, limited);
    std::int64_t all = 0;
    std::vector<double> odds;  // e^t
    for (std::size_t i = 0; i < limited.size(); ++i) {
      if (limited[i].removable > 0)
        all += policy.of == LearnedOf::kWeights ? limited[i].weights : costs[i] * limited[i].pieces;
      constexpr double kFar = 30;
      odds.push_back(std::exp(std::clamp(logits.const_data_ptr<double>()[i], -kFar, kFar)));
    }
    // σ(t − τ) = q e^t / (1 − q + q e^t) with q = σ(−τ), which falls from 1 to 0. The last level is
    // 0 itself: the step before it leaves most of a set whose logit is far above all others.
    constexpr std::int64_t kLevels = std::int64_t{1} << 40;
    const auto counts = [&](std::int64_t level) {
      const double gone = static_cast<double>(level) / static_cast<double>(kLevels);
      std::vector<std::int64_t> counts;
      for (std::size_t i = 0; i < limited.size(); ++i) {
        const double share = gone / (gone + (1 - gone) * odds[i]);
        counts.push_back(
            std::min(static_cast<std::int64_t>(share * static_cast<double>(limited[i].pieces)),
                     limited[i].removable));
      }
      return counts;
    };
    return farthest_within(ratio.count(all), kLevels + 1, counts, [&](const auto& removed) {
      std::int64_t cost = 0;
      for (std::size_t i = 0; i < removed.size(); ++i) cost += removed[i] * costs[i];
      return cost;
    });
  }
};

inline LearnedRates Learned::with(at::Tensor logits) const { return {*this, std::move(logits)}; }

inline std::vector<std::int64_t> Learned::removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance& importance, Ratio ratio) const {
  return with(at::zeros({std::ssize(sets)}, at::kDouble)).removed(graph, sets, importance, ratio);
}
static_assert(Allocation<Learned> && Allocation<LearnedRates>);

/// ∂L/∂t where Σ c k is to stay as it is, the formula of `Learned`.
/// @param slopes  D, ∂L/∂k.
/// @param costs   c, of each set as a whole.
/// @param rates   k.
inline std::vector<double> logit_gradient(const std::vector<double>& slopes,
                                          const std::vector<double>& costs,
                                          const std::vector<double>& rates) {
  double gained = 0, paid = 0;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const double moves = rates[i] * (1 - rates[i]);
    gained += moves * slopes[i];
    paid += moves * costs[i];
  }
  const double price = paid > 0 ? gained / paid : 0;
  std::vector<double> gradient;
  for (std::size_t i = 0; i < rates.size(); ++i)
    gradient.push_back(rates[i] * (1 - rates[i]) * (slopes[i] - price * costs[i]));
  return gradient;
}

namespace detail {

/// ∂L/∂k of every set: what the pieces next to its threshold would change, over the share they are.
/// Sets that share a layer are looked at one after the other.
/// @param limited  the granularity's sets with what may go of each.
template <PruneGranularity Granularity>
std::vector<double> rate_slopes(const Graph& graph, const Granularity& granularity,
                                const std::vector<PieceSet>& limited, const Importance& importance,
                                const std::vector<std::int64_t>& removed, double window,
                                const Slopes& slopes) {
  const auto mask = [&](const std::vector<std::int64_t>& counts) {
    return granularity.mask(graph, keep_most_important(limited, importance, counts));
  };
  std::vector<double> found(limited.size(), 0);
  std::vector<bool> seen(limited.size(), false);
  while (std::ranges::find(seen, false) != seen.end()) {
    auto more = removed, fewer = removed;  // pieces that are gone
    std::set<int> taken;
    std::vector<std::size_t> now;
    for (std::size_t i = 0; i < limited.size(); ++i) {
      const auto& layers = limited[i].convolutions;
      if (seen[i] || std::ranges::any_of(layers, [&](int c) { return taken.contains(c); }))
        continue;
      seen[i] = true;
      taken.insert(layers.begin(), layers.end());
      const auto near = std::max<std::int64_t>(
          1, static_cast<std::int64_t>(window * static_cast<double>(limited[i].pieces)));
      more[i] = std::min(removed[i] + near, std::max(removed[i], limited[i].removable));
      fewer[i] = std::max<std::int64_t>(removed[i] - near, 0);
      if (more[i] > fewer[i]) now.push_back(i);
    }
    const auto less_kept = mask(more), more_kept = mask(fewer);
    for (const auto i : now) {
      double change = 0;
      for (const int c : limited[i].convolutions) {
        const auto k = static_cast<std::size_t>(c);
        const bool whole = less_kept[k].filter.defined();
        const auto open = [&](const Mask& of) { return whole ? of[k].filter : of[k].weight; };
        const auto& slope = whole ? slopes[k].filter : slopes[k].weight;
        const auto between =
            open(more_kept).logical_and(open(less_kept).logical_not()).to(slope.device());
        change += (slope.to(at::kDouble) * between).sum().template item<double>();
      }
      found[i] =
          change * static_cast<double>(limited[i].pieces) / static_cast<double>(more[i] - fewer[i]);
    }
  }
  return found;
}

/// What the ratio counts of each set as a whole, at the rate of the pieces next to its threshold.
template <PruneGranularity Granularity>
std::vector<double> set_costs(const Graph& graph, const Granularity& granularity,
                              const Learned& policy, const std::vector<PieceSet>& limited,
                              const std::vector<std::int64_t>& removed) {
  std::vector<double> all;
  if constexpr (requires { granularity.cost(graph); }) {
    const auto cost = granularity.cost(graph);
    const auto now = cost(removed);
    for (std::size_t i = 0; i < limited.size(); ++i) {
      const auto step = std::max<std::int64_t>(1, limited[i].pieces / 20);
      auto other = removed;
      other[i] = removed[i] + step <= limited[i].removable
                     ? removed[i] + step
                     : std::max<std::int64_t>(0, removed[i] - step);
      const auto apart = other[i] - removed[i];
      all.push_back(apart == 0
                        ? 0
                        : static_cast<double>(cost(other) - now) *
                              static_cast<double>(limited[i].pieces) / static_cast<double>(apart));
    }
  } else {
    const auto costs = policy.costs(graph, limited);
    for (std::size_t i = 0; i < limited.size(); ++i)
      all.push_back(static_cast<double>(costs[i] * limited[i].pieces));
  }
  return all;
}

}  // namespace detail

/// ∂L/∂t of the logits, at the mask that scores and logits have.
/// @param slopes  of the gates under that mask; any device.
/// @return        [sets] double; 0 for sets that lose nothing.
template <PruneGranularity Granularity>
at::Tensor logit_gradient(const Graph& graph, const Granularity& granularity, const Learned& policy,
                          const ScoreMap& scores, Ratio ratio, const at::Tensor& logits,
                          const Slopes& slopes) {
  const auto sets = granularity.pieces(graph);
  const auto limited = policy.limits.applied(graph, sets);
  const auto importance = granularity.importance(graph, checked_scores(graph, scores));
  const auto removed =
      removed_pieces(graph, sets, importance, ratio, granularity, policy.with(logits));
  std::vector<double> rates;
  for (std::size_t i = 0; i < limited.size(); ++i)
    rates.push_back(limited[i].removable == 0 ? 1
                                              : 1 - static_cast<double>(removed[i]) /
                                                        static_cast<double>(limited[i].pieces));
  const auto gradient = logit_gradient(
      detail::rate_slopes(graph, granularity, limited, importance, removed, policy.window, slopes),
      detail::set_costs(graph, granularity, policy, limited, removed), rates);
  auto result = at::zeros({std::ssize(gradient)}, at::kDouble);
  std::ranges::copy(gradient, result.template mutable_data_ptr<double>());
  return result;
}

}  // namespace serpette
