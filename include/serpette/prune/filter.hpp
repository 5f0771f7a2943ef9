#pragma once

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

#include "serpette/core/ratio.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/graph/channels.hpp"
#include "serpette/graph/compaction.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/prune/layer_times.hpp"
#include "serpette/prune/reduce.hpp"
#include "serpette/prune/scores.hpp"
#include "serpette/prune/within.hpp"

namespace serpette {

/// What a ratio of filters is a share of.
enum class RatioOf {
  kParameters,  ///< The network's parameters (graph/footprint.hpp), as the smaller network has
                ///< them.
  kFilters,     ///< Each coupled group's filters: half of them are about three quarters of the
                ///< parameters, since the weights that read a removed filter go too.
  kMacs,        ///< The network's multiply-adds, likewise as the smaller network has them.
  kTime,        ///< What these take, by a table of layers (prune/layer_times.hpp).
};

constexpr auto words(RatioOf) {
  return std::array<Word<RatioOf>, 4>{{{"parameters", RatioOf::kParameters},
                                       {"filters", RatioOf::kFilters},
                                       {"macs", RatioOf::kMacs},
                                       {"time", RatioOf::kTime}}};
}

/// Whom a coupled group listens to.
enum class CoupledRule {
  kMean,   ///< The mean of its layers.
  kUnion,  ///< The layer that wants to keep the channel most: what any of them needs stays.
  kFirst,  ///< Its first layer alone; the others follow.
};

constexpr auto words(CoupledRule) {
  return std::array<Word<CoupledRule>, 3>{{{"mean", CoupledRule::kMean},
                                           {"union", CoupledRule::kUnion},
                                           {"first", CoupledRule::kFirst}}};
}

/// Whole filters, with all filters they are coupled to through shortcuts (graph/channels.hpp).
///
///   importance(channel) = mean over its filters f of  mean|score of f| / mean|score of f's layer|
///
/// so that layers of different scale count alike. One fraction of the channels goes from every
/// coupled group (under `PerLayer`), the largest at which no more than `ratio` of the network's
/// parameters (multiply-adds, time) are gone, exact to one channel; at least one of each group
/// stays; head outputs are exempt. Gone with a filter are its γ, β and bias, and the weights that
/// read it: masked and compacted network give the same outputs. Ties and nesting as for `Weight`.
/// Source: the paper's "structured pruning"; docs/policies/prune_granularity.md.
struct Filter {
  static constexpr std::string_view name = "Structured";
  static constexpr bool removes_filters = true;

  RatioOf ratio_of = RatioOf::kParameters;   ///< What the ratio is a share of.
  Reducer reduce = Reducer::kMean;           ///< How the scores of a filter become its importance.
  CoupledRule coupled = CoupledRule::kMean;  ///< How those of coupled filters become one.
  std::string_view times{};  ///< Milliseconds of each convolution, as LayerTimes reads them.

  static constexpr auto describe() {
    return settings(
        setting<&Filter::ratio_of>("What the ratio is a share of"),
        setting<&Filter::reduce>("How the scores of a filter become its importance"),
        setting<&Filter::coupled>("How the importances of coupled filters become one"),
        setting<&Filter::times>("Milliseconds of each layer, as profile writes them to times.txt"));
  }
  [[nodiscard]] constexpr bool has(std::string_view setting) const {
    return setting != "times" || ratio_of == RatioOf::kTime;
  }
  /// Filters by their mean score.
  [[nodiscard]] constexpr Levelled ranks() const {
    return reduce == Reducer::kMean ? Levelled::kFilters : Levelled::kNothing;
  }
  /// @throws Error  if a ratio of time has no table.
  void check() const {
    if (ratio_of == RatioOf::kTime) require_times(times, name, "--granularity-times");
  }
  /// @throws Error  as LayerTimes, where the ratio is one of time.
  void require_fits(const Graph& graph) const { (void)size_in(graph); }

  /// The channels of each coupled group that may lose some; heads are no part of it.
  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    const auto convolutions = graph.convolutions();
    std::vector<PieceSet> sets;
    for (const ChannelGroup& group : removable_channels(graph)) {
      const auto n = static_cast<std::int64_t>(group.channels.size());
      std::int64_t size = 0;
      for (const FilterId f : group.channels.front()) {
        const auto shape = weight_shape(graph, convolutions[position(f.convolution)]);
        size += shape[1] * shape[2] * shape[3];
      }
      sets.push_back({.name = graph[convolutions[position(group.convolutions.front())]].name,
                      .convolutions = group.convolutions,
                      .pieces = n,
                      .removable = n - 1,
                      .size = size,
                      .weights = n * size});
    }
    return sets;
  }

  /// @throws Error  for a score that is not finite, naming the layer.
  [[nodiscard]] Importance importance(const Graph& graph, const ScoreMap& scores) const {
    const auto of_filter = filter_importance(graph, scores);
    Importance importance;
    for (const ChannelGroup& group : removable_channels(graph)) {
      importance.push_back(
          at::empty({static_cast<std::int64_t>(group.channels.size())}, at::kFloat));
      auto* value = importance.back().mutable_data_ptr<float>();
      for (const CoupledFilters& channel : group.channels) {
        const auto of = [&](const FilterId& f) {
          return of_filter[position(f.convolution)][position(f.filter)];
        };
        double combined = of(channel.front());
        if (coupled == CoupledRule::kMean)
          combined = std::accumulate(channel.begin(), channel.end(), 0.0,
                                     [&](double sum, const FilterId& f) { return sum + of(f); }) /
                     static_cast<double>(channel.size());
        if (coupled == CoupledRule::kUnion)
          for (const FilterId& f : channel) combined = std::max(combined, of(f));
        *value++ = static_cast<float>(combined);
      }
    }
    return importance;
  }

  /// `LayerMask::filter` is defined everywhere.
  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    auto kept = all_filters(graph);
    const auto groups = removable_channels(graph);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const bool* stays = choice[g].const_data_ptr<bool>();
      for (std::size_t c = 0; c < groups[g].channels.size(); ++c)
        if (!stays[c]) remove(groups[g].channels[c], kept);
    }
    const auto plan = plan_compaction(graph, kept);
    const auto convolutions = graph.convolutions();
    Mask mask(convolutions.size());
    for_each_layer(convolutions.size(), [&](std::size_t i) {
      const auto shape = weight_shape(graph, convolutions[i]);
      mask[i].filter = flags(shape[0], plan.convolutions[i].filters);
      mask[i].weight =
          mask[i]
              .filter.view({-1, 1, 1, 1})
              .logical_and(flags(shape[1], plan.convolutions[i].inputs).view({1, -1, 1, 1}))
              .expand(shape)
              .contiguous();
    });
    return mask;
  }

  /// What a ratio counts: cost(graph)(removed) is what goes with so many channels of each group, in
  /// parameters, multiply-adds or time of the network, or weights of the filters. Which channels
  /// makes no difference.
  /// @throws Error  as LayerTimes, where the ratio is one of time.
  [[nodiscard]] auto cost(const Graph& graph) const {
    return [this, &graph, sets = pieces(graph), groups = removable_channels(graph),
            size = size_in(graph)](const std::vector<std::int64_t>& removed) {
      std::int64_t weights = 0;
      auto kept = all_filters(graph);
      for (std::size_t g = 0; g < groups.size(); ++g) {
        weights += removed[g] * sets[g].size;
        for (std::size_t c = 0; c < position(removed[g]); ++c) remove(groups[g].channels[c], kept);
      }
      return ratio_of == RatioOf::kFilters ? weights
                                           : size(graph) - size(plan_compaction(graph, kept).graph);
    };
  }

  /// What the ratio is a share of, counted as `cost` does: the whole network; none where it is each
  /// group's filters.
  [[nodiscard]] std::optional<std::int64_t> whole(const Graph& graph) const {
    if (ratio_of == RatioOf::kFilters) return std::nullopt;
    return size_in(graph)(graph);
  }

  /// How many channels of each group go, so that the share is met.
  template <class Allocate>
  [[nodiscard]] std::vector<std::int64_t> counts(const Graph& graph, const std::vector<PieceSet>&,
                                                 Ratio ratio, const Allocate& allocate) const {
    const auto all = whole(graph);
    if (!all) return allocate(ratio);
    return farthest_within(
        ratio.count(*all), Ratio::kLevels,
        [&](std::int64_t level) { return allocate(Ratio::level(level)); }, cost(graph));
  }

 private:
  using Kept = std::vector<std::vector<bool>>;  // per convolution, per filter

  /// How large a network is that was cut out of `whole`, in what the ratio counts.
  [[nodiscard]] std::function<std::int64_t(const Graph&)> size_in(const Graph& whole) const {
    if (ratio_of == RatioOf::kTime)
      return [table = LayerTimes(whole, times)](const Graph& graph) { return table.of(graph); };
    const bool work = ratio_of == RatioOf::kMacs;
    return [work](const Graph& graph) { return work ? macs(graph) : parameters(graph); };
  }

  template <class Integer>
  static std::size_t position(Integer i) {
    return static_cast<std::size_t>(i);
  }

  static std::vector<ChannelGroup> removable_channels(const Graph& graph) {
    auto groups = coupled_channels(graph);
    std::erase_if(groups, [](const ChannelGroup& group) { return !group.removable; });
    return groups;
  }

  static Kept all_filters(const Graph& graph) {
    Kept kept;
    for (const int index : graph.convolutions())
      kept.emplace_back(position(graph.convolution(index).filters), true);
    return kept;
  }

  static void remove(const CoupledFilters& channel, Kept& kept) {
    for (const FilterId& f : channel) kept[position(f.convolution)][position(f.filter)] = false;
  }

  /// Scores that were divided by their filter's mean say nothing about filters: all are worth the
  /// same, and index order would decide.
  /// @throws Error  if no layer tells its filters apart although their weights differ.
  static void require_ranking(const std::vector<std::vector<double>>& importance,
                              const ScoreMap& scores) {
    bool any = false, told_apart = false;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      std::vector<double> values;
      for (const double value : importance[i])
        if (value > 0) values.push_back(value);
      if (values.size() < 2) continue;
      const auto [low, high] = std::ranges::minmax_element(values);
      const auto magnitudes = scores[i].abs();
      const bool differ =
          magnitudes.max().item<double>() > 1.001 * magnitudes.mean().item<double>();
      any = any || differ;
      told_apart = told_apart || *high > 1.0001 * *low || !differ;
    }
    require(!any || told_apart, name,
            "scores should tell filters apart, got the same mean |score| for every filter of every "
            "layer, as after a normalisation by filter; normalise by layer instead");
  }

  /// Per convolution and filter: its scores reduced ÷ the mean of that over the layer; 0 in an
  /// all-zero layer.
  [[nodiscard]] std::vector<std::vector<double>> filter_importance(const Graph& graph,
                                                                   const ScoreMap& scores) const {
    std::vector<std::vector<double>> importance(scores.size());
    const auto convolutions = graph.convolutions();
    for_each_layer(scores.size(), [&](std::size_t i) {
      const auto filters = scores[i].size(0), area = scores[i].numel() / filters;
      const auto* score = scores[i].const_data_ptr<float>();
      for (std::int64_t f = 0; f < filters; ++f)
        importance[i].push_back(serpette::reduce(reduce, score + f * area, area));
      const double layer = std::accumulate(importance[i].begin(), importance[i].end(), 0.0) /
                           static_cast<double>(filters);
      require(std::isfinite(layer), graph[convolutions[i]].name,
              "every score should be finite, got a mean of {}", layer);
      if (layer > 0)
        for (auto& m : importance[i]) m /= layer;
    });
    if (reduce == Reducer::kMean) require_ranking(importance, scores);
    return importance;
  }

  static at::Tensor flags(std::int64_t length, const std::vector<std::int64_t>& set) {
    auto result = at::zeros({length}, at::kBool);
    for (const auto i : set) result.mutable_data_ptr<bool>()[i] = true;
    return result;
  }
};
static_assert(PruneGranularity<Filter>);

}  // namespace serpette
