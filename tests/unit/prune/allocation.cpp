// How many pieces go where, against plain loops.

#include "serpette/laws/allocation.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "serpette/graph/footprint.hpp"
#include "serpette/prune/block.hpp"
#include "serpette/prune/erdos_renyi_kernel.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/global.hpp"
#include "serpette/prune/input_channel.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/lamp.hpp"
#include "serpette/prune/learned.hpp"
#include "serpette/prune/n_of_m.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/slim_yolov3.hpp"

using namespace serpette;
using serpette::test::slim_yolov3;

namespace {

struct Situation {
  Graph graph = slim_yolov3();
  std::vector<PieceSet> sets;
  Importance importance;
  std::int64_t all = 0;

  template <PruneGranularity G>
  explicit Situation(const G& granularity) : sets(granularity.pieces(graph)) {
    auto scores = laws::random_scores(graph, Seed(5));
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = scores[i] * double(1 + i % 4);
    importance = granularity.importance(graph, checked_scores(graph, scores));
    for (const auto& set : sets) all += set.weights;
  }
  [[nodiscard]] double value(std::size_t set, std::int64_t piece) const {
    return std::abs(double(importance[set].const_data_ptr<float>()[piece]));
  }
};

/// The lowest values of all, one by one, while the budget holds.
std::vector<std::int64_t> one_by_one(const Situation& s,
                                     const std::vector<std::vector<double>>& values,
                                     std::int64_t budget) {
  std::vector<std::tuple<double, std::size_t>> order;
  for (std::size_t i = 0; i < values.size(); ++i)
    for (const double v : values[i]) order.emplace_back(v, i);
  std::ranges::sort(order);
  std::vector<std::int64_t> counts(values.size(), 0);
  for (const auto& [v, i] : order) {
    if (counts[i] == s.sets[i].removable) continue;
    if (budget < s.sets[i].size) break;
    budget -= s.sets[i].size;
    ++counts[i];
  }
  return counts;
}

}  // namespace

TEMPLATE_TEST_CASE("allocations hold their laws under every granularity", "[allocation][law]",
                   PerLayer, Global, Lamp, ErdosRenyiKernel, Learned) {
  const auto g = slim_yolov3();
  laws::allocation(TestType{}, g, Weight{});
  laws::allocation(TestType{}, g, Kernel{});
  laws::allocation(TestType{}, g, Filter{});
  laws::allocation(TestType{}, g, InputChannel{});
  laws::allocation(TestType{}, g, NofM<2, 4>{});
  laws::allocation(TestType{}, g, Block<4, 4>{});
  laws::allocation(TestType{.limits = {.spare_heads = true, .spare_first = true, .at_least = 0.2}},
                   g, Weight{});
  laws::prune_granularity(Weight{}, g, TestType{});
  laws::prune_granularity(Filter{}, g, TestType{});
}

TEST_CASE("Global takes the lowest of all layers until the ratio is met", "[allocation][global]") {
  const auto check = [](const Situation& s) {
    for (const auto compared : {Comparable::kRaw, Comparable::kMean, Comparable::kRms})
      for (const int percent : {1, 30, 50, 90}) {
        std::vector<std::vector<double>> values;
        for (std::size_t i = 0; i < s.sets.size(); ++i) {
          auto& of_set = values.emplace_back();
          double sum = 0, square = 0;
          const auto n = s.sets[i].pieces;
          for (std::int64_t k = 0; k < n; ++k) {
            of_set.push_back(s.value(i, k));
            sum += of_set.back();
            square += of_set.back() * of_set.back();
          }
          const double by = compared == Comparable::kMean  ? sum / double(n)
                            : compared == Comparable::kRms ? std::sqrt(square / double(n))
                                                           : 1;
          for (auto& v : of_set) v /= by;
        }
        const auto expected = one_by_one(s, values, s.all * percent / 100);
        const auto removed = Global{.compared = compared}.removed(s.graph, s.sets, s.importance,
                                                                  Ratio::percent(percent));
        // Float against double at the threshold: one piece may be another layer's.
        std::int64_t apart = 0;
        for (std::size_t i = 0; i < removed.size(); ++i)
          apart += std::abs(removed[i] - expected[i]);
        CHECK(apart <= 2);
        CHECK(weights_of(s.sets, removed) <= s.all * percent / 100);
      }
  };
  check(Situation(Weight{}));
  check(Situation(Kernel{}));

  const Situation s(Weight{});
  const auto removed = Global{}.removed(s.graph, s.sets, s.importance, Ratio::percent(70));
  CHECK(weights_of(s.sets, removed) == s.all * 70 / 100);  // exact: a piece is one weight
}

TEST_CASE("LAMP takes the lowest share of what is left in its layer", "[allocation][lamp]") {
  const Situation s(Weight{});
  for (const int percent : {30, 80, 95}) {
    std::vector<std::vector<double>> values;
    for (std::size_t i = 0; i < s.sets.size(); ++i) {
      std::vector<double> sorted;
      for (std::int64_t k = 0; k < s.sets[i].pieces; ++k) sorted.push_back(s.value(i, k));
      std::ranges::sort(sorted);
      auto& of_set = values.emplace_back();
      for (std::size_t u = 0; u < sorted.size(); ++u) {
        double rest = 0;
        for (std::size_t v = u; v < sorted.size(); ++v) rest += sorted[v] * sorted[v];
        of_set.push_back(sorted[u] * sorted[u] / rest);
      }
    }
    const auto expected = one_by_one(s, values, s.all * percent / 100);
    const auto removed = Lamp{}.removed(s.graph, s.sets, s.importance, Ratio::percent(percent));
    std::int64_t apart = 0;
    for (std::size_t i = 0; i < removed.size(); ++i) apart += std::abs(removed[i] - expected[i]);
    CHECK(apart <= 2);
    CHECK(weights_of(s.sets, removed) == s.all * percent / 100);
  }
  // A layer's scale makes no difference.
  auto scaled = s.importance;
  scaled[3] = scaled[3] * 1024;
  CHECK(Lamp{}.removed(s.graph, s.sets, scaled, Ratio::percent(80)) ==
        Lamp{}.removed(s.graph, s.sets, s.importance, Ratio::percent(80)));
}

TEST_CASE("Erdos-Renyi-kernel densities have one factor", "[allocation][erdos_renyi_kernel]") {
  const Situation s(Weight{});
  const auto convolutions = s.graph.convolutions();
  for (const int percent : {30, 80, 95}) {
    const auto removed =
        ErdosRenyiKernel{}.removed(s.graph, s.sets, s.importance, Ratio::percent(percent));
    CHECK(weights_of(s.sets, removed) == s.all * percent / 100);
    // ε from any layer that lost something, to within a piece, fits all others.
    double low = 0, high = 1e18;
    for (std::size_t i = 0; i < removed.size(); ++i) {
      const auto [out, in, height, width] = weight_shape(s.graph, convolutions[i]);
      const auto n = double(out * in * height * width);
      const double raw = double(out + in + height + width) / n;
      const auto kept = n - double(removed[i]);
      if (removed[i] > 0) high = std::min(high, (kept + 1) / n / raw);
      low = std::max(low, (kept - 1) / n / raw);  // nothing lost: dense at this ε or any larger one
    }
    CHECK(low <= high * (1 + 1e-9));
  }
}

TEST_CASE("limits spare heads, the first layer and those named, and keep a share of each",
          "[allocation][limits]") {
  const Situation s(Weight{});
  const auto half = [&](const Limits& limits) {
    return PerLayer{.limits = limits}.removed(s.graph, s.sets, s.importance, Ratio::percent(50));
  };
  const auto convolutions = s.graph.convolutions();
  const auto heads = half({.spare_heads = true});
  std::size_t spared = 0;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const bool linear =
        s.graph[convolutions[i]].as<Convolutional>()->activation == Activation::kLinear;
    CHECK((heads[i] == 0) == linear);
    spared += linear ? 1 : 0;
  }
  CHECK(spared == 3);
  const auto first = half({.spare_first = true});
  CHECK(first[0] == 0);
  CHECK(first[1] == s.sets[1].pieces / 2);
  const auto named = half({.spare = "conv_0,conv_2"});
  CHECK(named[0] == 0);
  CHECK(named[1] > 0);
  CHECK(named[2] == 0);
  CHECK_THROWS_WITH(half({.spare = "conv_0,shortcut_4"}),
                    "spare: should name convolutions of the network, from conv_0 to conv_" +
                        std::to_string(convolutions.back()) + ", got \"shortcut_4\"");
  for (std::size_t i = 0; i < s.sets.size(); ++i)
    CHECK(half({.at_least = 0.75})[i] == s.sets[i].pieces / 4);
  // A share counts as it is written: 7 of 100, though 0.07 · 100 is more.
  for (const std::int64_t percent : {7, 14, 28, 29, 55, 56, 57, 58}) {
    const auto applied = Limits{.at_least = double(percent) / 100}.applied(s.graph, s.sets);
    for (std::size_t i = 0; i < s.sets.size(); ++i)
      CHECK(applied[i].removable ==
            std::min(s.sets[i].removable, s.sets[i].pieces * (100 - percent) / 100));
  }
  // Under one threshold the ratio is one of what is left.
  const auto global = Global{.limits = {.spare_heads = true}}.removed(s.graph, s.sets, s.importance,
                                                                      Ratio::percent(50));
  std::int64_t left = 0;
  for (std::size_t i = 0; i < heads.size(); ++i) left += heads[i] > 0 ? s.sets[i].weights : 0;
  CHECK(weights_of(s.sets, global) == left / 2);
}

TEST_CASE("under Filter every allocation meets the ratio of parameters", "[allocation][filter]") {
  const auto g = slim_yolov3();
  const auto scores = laws::random_scores(g, Seed(6));
  const auto check = [&](const auto& allocation) {
    const auto mask = make_mask(g, scores, Ratio::percent(50), Filter{}, allocation);
    std::vector<std::vector<bool>> kept;
    for (const auto& layer : mask) {
      const bool* flag = layer.filter.template const_data_ptr<bool>();
      kept.emplace_back(flag, flag + layer.filter.numel());
    }
    const auto left = parameters(plan_compaction(g, kept).graph), all = parameters(g);
    CHECK(left * 2 >= all);
    CHECK(double(left) < 0.54 * double(all));  // the largest channel is 3 % of so small a network
  };
  check(PerLayer{});
  check(Global{});
  check(Lamp{});
  check(ErdosRenyiKernel{});
  check(Learned{});
}
