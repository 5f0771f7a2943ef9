// Keep rates that are trained: counts against the formula, gradients against finite differences.
#include "serpette/prune/learned.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "serpette/laws/allocation.hpp"
#include "serpette/prune/chosen_allocation.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/layer_times.hpp"
#include "serpette/prune/lowest.hpp"
#include "serpette/prune/possible.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/slim_yolov3.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using serpette::test::slim_yolov3;

namespace {

at::Tensor some_logits(std::int64_t sets) {
  Generator rng{Seed(3)};
  return at::empty({sets}, at::kDouble).normal_(0, 1, rng.torch());
}

/// Milliseconds that have nothing to do with multiply-adds.
std::vector<double> some_times(const Graph& graph) {
  std::vector<double> ms;
  for (std::size_t i = 0; i < graph.convolutions().size(); ++i)
    ms.push_back(0.25 + double(i * 7 % 5));
  return ms;
}

std::string table_of(const Graph& graph, const std::vector<double>& ms) {
  std::string table;
  const auto convolutions = graph.convolutions();
  for (std::size_t i = 0; i < ms.size(); ++i)
    table += fmt::format("{}{}:{}", i == 0 ? "" : ",", graph[convolutions[i]].name, ms[i]);
  return table;
}

/// Sets and what their pieces are worth by random scores.
template <PruneGranularity G>
struct Ranked {
  Graph graph = slim_yolov3();
  ScoreMap scores = laws::random_scores(graph, Seed(5));
  std::vector<PieceSet> sets;
  Importance importance;

  explicit Ranked(const G& granularity)
      : sets(granularity.pieces(graph)),
        importance(granularity.importance(graph, checked_scores(graph, scores))) {}
};

}  // namespace

TEST_CASE("learned rates meet a ratio of weights or multiply-adds to one piece",
          "[allocation][learned]") {
  const Ranked s(Weight{});
  for (const auto of : {LearnedOf::kWeights, LearnedOf::kMacs})
    for (const int percent : {0, 10, 50, 90}) {
      const Learned policy{.of = of};
      const auto costs = policy.costs(s.graph, s.sets);
      const auto rates = policy.with(some_logits(std::ssize(s.sets)));
      const auto ratio = Ratio::percent(percent);
      const auto removed = rates.removed(s.graph, s.sets, s.importance, ratio);
      std::int64_t all = 0, gone = 0;
      for (std::size_t i = 0; i < removed.size(); ++i) {
        all += costs[i] * s.sets[i].pieces;
        gone += costs[i] * removed[i];
      }
      std::int64_t weights = 0;
      for (const auto& set : s.sets) weights += set.weights;
      CHECK(all == (of == LearnedOf::kMacs ? macs(s.graph) : weights));
      CHECK(gone <= ratio.count(all));
      CHECK(gone > ratio.count(all) - std::ranges::max(costs));
    }
}

TEST_CASE("learned rates meet a ratio however far apart they are", "[allocation][learned]") {
  const Ranked s(Weight{});
  std::int64_t all = 0;
  for (const auto& set : s.sets) all += set.weights;
  for (const double far : {10.0, 30.0, 100.0}) {
    auto logits = at::zeros({std::ssize(s.sets)}, at::kDouble).add_(far);
    logits[0] = -far;
    const auto removed =
        Learned{}.with(logits).removed(s.graph, s.sets, s.importance, Ratio::percent(90));
    CHECK(weights_of(s.sets, removed) == Ratio::percent(90).count(all));
  }
}

TEST_CASE("learned rates meet a ratio of time by a table of layers",
          "[allocation][learned][times]") {
  const Ranked s(Weight{});
  const auto ms = some_times(s.graph);
  const auto table = table_of(s.graph, ms);
  const auto rates =
      Learned{.of = LearnedOf::kTime, .times = table}.with(some_logits(std::ssize(s.sets)));
  for (const int percent : {0, 10, 50, 90}) {
    const auto removed = rates.removed(s.graph, s.sets, s.importance, Ratio::percent(percent));
    double all = 0, gone = 0, largest = 0;  // a set is a layer here
    for (std::size_t i = 0; i < removed.size(); ++i) {
      const double piece = ms[i] / double(s.sets[i].pieces);
      all += ms[i];
      gone += piece * double(removed[i]);
      largest = std::max(largest, piece);
    }
    CHECK(gone <= all * percent / 100 * (1 + 1e-6));
    CHECK(gone > all * percent / 100 - 1.01 * largest);
    CHECK(removed == rates.removed(s.graph, s.sets, s.importance, Ratio::percent(percent)));
  }
  // Where all layers are equally fast, time is multiply-adds.
  std::vector<double> even;
  for (const int i : s.graph.convolutions()) even.push_back(1e-6 * double(macs(s.graph, i)));
  const auto by_time = Learned{.of = LearnedOf::kTime, .times = table_of(s.graph, even)}.removed(
                 s.graph, s.sets, s.importance, Ratio::percent(60)),
             by_work = Learned{.of = LearnedOf::kMacs}.removed(s.graph, s.sets, s.importance,
                                                               Ratio::percent(60));
  for (std::size_t i = 0; i < by_time.size(); ++i) CHECK(std::abs(by_time[i] - by_work[i]) <= 2);
}

TEST_CASE("what a network of fewer channels takes follows from its multiply-adds",
          "[prune][times]") {
  const auto graph = slim_yolov3();
  const auto ms = some_times(graph);
  const auto table = table_of(graph, ms);
  const Filter granularity{.ratio_of = RatioOf::kTime, .times = table};
  const auto mask =
      make_mask(graph, laws::random_scores(graph, Seed(5)), Ratio::percent(50), granularity);
  std::vector<std::vector<bool>> kept;
  for (const auto& layer : mask) {
    const bool* flag = layer.filter.const_data_ptr<bool>();
    kept.emplace_back(flag, flag + layer.filter.numel());
  }
  const auto smaller = plan_compaction(graph, kept).graph;
  const auto convolutions = graph.convolutions();
  double left = 0, all = 0;
  for (std::size_t i = 0; i < convolutions.size(); ++i) {
    const auto now = double(macs(smaller, smaller.convolutions()[i]));
    left += ms[i] * now / double(macs(graph, convolutions[i]));
    all += ms[i];
  }
  CHECK(left >= all / 2 * (1 - 1e-9));
  CHECK(left < 0.56 * all);  // the largest channel is several percent of so small a network
  CHECK(double(LayerTimes(graph, table).of(smaller)) == Catch::Approx(1e12 * left).epsilon(1e-9));
}

TEST_CASE("a table of times that does not fit is refused before any work", "[prune][times]") {
  const auto graph = test::tiny_graph();
  const std::vector ratios{Ratio::percent(50)};
  std::vector<double> ms(graph.convolutions().size(), 1.5);
  const auto refused = [&](const std::string& table, const std::string& why) {
    CHECK_THROWS_WITH(
        require_possible(graph, ratios, Filter{.ratio_of = RatioOf::kTime, .times = table},
                         PerLayer{}),
        Catch::Matchers::ContainsSubstring(why));
    CHECK_THROWS_WITH(
        require_possible(graph, ratios, Weight{},
                         ChosenAllocation{.kind = AllocationKind::kLearned,
                                          .learned = {.of = LearnedOf::kTime, .times = table}}),
        Catch::Matchers::ContainsSubstring(why));
  };
  const auto good = table_of(graph, ms);
  CHECK_NOTHROW(require_possible(graph, ratios, Filter{.ratio_of = RatioOf::kTime, .times = good},
                                 PerLayer{}));
  refused("conv_0", "times: should be NAME:MILLISECONDS with commas between, got \"conv_0\"");
  refused("conv_0:nan", "got \"conv_0:nan\"");
  refused("conv_0:0", "got \"conv_0:0\"");
  refused("conv_0:1x", "got \"conv_0:1x\"");
  refused("conv_0:1e300", "times: should have at most 10000 ms for a layer, got \"conv_0:1e300\"");
  refused("conv_0:1,conv_0:1", "should name each layer once, got conv_0 twice");
  refused("conv_99:1", "should name convolutions of the network, got \"conv_99\"");
  refused("conv_0:1", "should have a time for every convolution, got none for");
  CHECK_THROWS_WITH(check_settings(Filter{.ratio_of = RatioOf::kTime}),
                    Catch::Matchers::ContainsSubstring("--granularity-times"));
  CHECK_THROWS_WITH(check_settings(Learned{.of = LearnedOf::kTime}),
                    Catch::Matchers::ContainsSubstring("--allocation-times"));
  // What a ratio of something else is kept under has no table.
  CHECK(settings_text(Filter{.times = good}) == settings_text(Filter{}));
  CHECK(settings_text(Filter{.ratio_of = RatioOf::kTime, .times = good})
            .find("times=\"conv_0:1.5,") != std::string::npos);
}

TEST_CASE("sets of learned rates are as far apart as their logits", "[allocation][learned]") {
  const Ranked s(Weight{});
  const auto t = some_logits(std::ssize(s.sets));
  const auto removed = Learned{}.with(t).removed(s.graph, s.sets, s.importance, Ratio::percent(60));
  double low = INFINITY, high = -INFINITY;  // of τ, from every set that is large enough to tell
  for (std::size_t i = 0; i < removed.size(); ++i) {
    if (s.sets[i].pieces < 4000) continue;
    const double k = 1 - double(removed[i]) / double(s.sets[i].pieces);
    const double tau = t[std::int64_t(i)].item<double>() - std::log(k / (1 - k));
    low = std::min(low, tau), high = std::max(high, tau);
  }
  CHECK(high - low < 0.02);
  // Untrained, all are alike, to the pieces that rounding leaves over.
  const auto alike = Learned{}.removed(s.graph, s.sets, s.importance, Ratio::percent(60));
  for (std::size_t i = 0; i < alike.size(); ++i)
    CHECK(std::abs(double(alike[i]) - 0.6 * double(s.sets[i].pieces)) <= 5);
}

TEST_CASE("under Filter learned rates meet the ratio of parameters, or of multiply-adds",
          "[allocation][learned]") {
  const auto check = [](const Filter& granularity) {
    const Ranked s(granularity);
    const auto rates = Learned{}.with(some_logits(std::ssize(s.sets)));
    const auto removed =
        removed_pieces(s.graph, s.sets, s.importance, Ratio::percent(50), granularity, rates);
    const auto all = granularity.ratio_of == RatioOf::kMacs ? macs(s.graph) : parameters(s.graph);
    const auto gone = granularity.cost(s.graph)(removed);
    CHECK(gone <= all / 2);
    CHECK(double(gone) > 0.46 * double(all));  // the largest channel is 3 % of so small a network
    // What is counted is what is cut out.
    const auto mask = granularity.mask(s.graph, keep_most_important(s.sets, s.importance, removed));
    std::vector<std::vector<bool>> kept;
    for (const auto& layer : mask) {
      const bool* flag = layer.filter.const_data_ptr<bool>();
      kept.emplace_back(flag, flag + layer.filter.numel());
    }
    const auto smaller = plan_compaction(s.graph, kept).graph;
    CHECK(gone ==
          all - (granularity.ratio_of == RatioOf::kMacs ? macs(smaller) : parameters(smaller)));
  };
  check({});
  check({.ratio_of = RatioOf::kMacs});
}

TEST_CASE("the logits' gradient is that of a loss under a budget that holds",
          "[allocation][learned]") {
  const std::vector<double> costs{3, 1, 7, 2}, a{2, -1, 0.5, -3}, b{-1, 4, 2, 1};
  const double budget = 6.1;
  const auto rates = [&](const std::vector<double>& t) {
    double low = -50, high = 50;  // of τ
    std::vector<double> k(t.size());
    for (int step = 0; step < 200; ++step) {
      const double tau = (low + high) / 2;
      double cost = 0;
      for (std::size_t i = 0; i < t.size(); ++i)
        cost += costs[i] * (k[i] = 1 / (1 + std::exp(tau - t[i])));
      (cost > budget ? low : high) = tau;
    }
    return k;
  };
  const auto loss = [&](const std::vector<double>& t) {
    double sum = 0;
    const auto k = rates(t);
    for (std::size_t i = 0; i < t.size(); ++i) sum += a[i] * k[i] + b[i] * k[i] * k[i];
    return sum;
  };
  const std::vector<double> t{0.3, -1.2, 0.8, 2};
  const auto k = rates(t);
  std::vector<double> slopes;
  for (std::size_t i = 0; i < t.size(); ++i) slopes.push_back(a[i] + 2 * b[i] * k[i]);
  const auto gradient = logit_gradient(slopes, costs, k);
  for (std::size_t i = 0; i < t.size(); ++i) {
    auto more = t, less = t;
    more[i] += 1e-5, less[i] -= 1e-5;
    CHECK(gradient[i] == Catch::Approx((loss(more) - loss(less)) / 2e-5).epsilon(1e-6));
  }
}

TEST_CASE("what a set's rate is worth is what the pieces at its threshold change",
          "[allocation][learned]") {
  // L = Σ ½ (w · M − y)², whose gates have the slopes (w · M − y) · w.
  const auto check = [](const auto& granularity) {
    const Ranked s(granularity);
    const auto targets = laws::random_scores(s.graph, Seed(8));
    const auto& weights = s.scores;  // |w| ranks
    const auto removed =
        removed_pieces(s.graph, s.sets, s.importance, Ratio::percent(40), granularity, Learned{});
    const auto mask = [&](const std::vector<std::int64_t>& counts) {
      return granularity.mask(s.graph, keep_most_important(s.sets, s.importance, counts));
    };
    const auto now = mask(removed);
    Slopes slopes;
    for (std::size_t i = 0; i < weights.size(); ++i)
      slopes.push_back({(weights[i] * now[i].weight - targets[i]) * weights[i], {}});
    constexpr double kWindow = 0.01;  // so near that pieces are alike
    const auto found = serpette::detail::rate_slopes(s.graph, granularity, s.sets, s.importance,
                                                     removed, kWindow, slopes);
    for (std::size_t i = 0; i < s.sets.size(); ++i) {
      if (s.sets[i].pieces < 2000) continue;
      const auto near = std::int64_t(kWindow * double(s.sets[i].pieces));
      const auto loss = [&](std::int64_t change) {
        auto counts = removed;
        counts[i] += change;
        return (weights[i] * mask(counts)[i].weight - targets[i])
                   .square()
                   .sum()
                   .template item<double>() /
               2;
      };
      const double share = 2 * double(near) / double(s.sets[i].pieces);
      CHECK(found[i] == Catch::Approx((loss(-near) - loss(near)) / share).epsilon(0.1).margin(1));
    }
  };
  check(Weight{});
  check(Kernel{});
}

TEST_CASE("a chosen allocation is the one it names", "[allocation][chosen]") {
  const Ranked s(Weight{});
  const Limits limits{.spare_heads = true, .at_least = 0.1};
  const auto same = [&](const ChosenAllocation& chosen, const auto& named) {
    const auto ratio = Ratio::percent(70);
    CHECK(chosen.removed(s.graph, s.sets, s.importance, ratio) ==
          named.removed(s.graph, s.sets, s.importance, ratio));
    CHECK(settings_text(chosen) == settings_text(named));
  };
  same({.limits = limits}, PerLayer{.limits = limits});
  same({.kind = AllocationKind::kGlobal, .limits = limits, .compared = Comparable::kRms},
       Global{.compared = Comparable::kRms, .limits = limits});
  same({.kind = AllocationKind::kLamp, .limits = limits}, Lamp{.limits = limits});
  same({.kind = AllocationKind::kErdosRenyiKernel, .limits = limits},
       ErdosRenyiKernel{.limits = limits});
  same({.kind = AllocationKind::kLearned, .limits = limits, .learned = {.of = LearnedOf::kMacs}},
       Learned{.of = LearnedOf::kMacs, .limits = limits});
  CHECK(learns(ChosenAllocation{.kind = AllocationKind::kLearned}));
  CHECK_FALSE(learns(ChosenAllocation{}));
  CHECK(learns(Learned{}));
  CHECK_FALSE(learns(PerLayer{}));
}
