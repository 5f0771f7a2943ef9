#include "serpette/prune/both.hpp"

#include <ATen/ops/full.h>

#include <cmath>

#include "serpette/graph/compact.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/laws/prune_granularity.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/torch/operators.hpp"
#include "support/catch.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;

namespace {

std::int64_t count(const Mask& mask, bool kept) {
  std::int64_t n = 0;
  for (const auto& layer : mask)
    n += kept ? layer.weight.sum().item<std::int64_t>()
              : layer.weight.logical_not().sum().item<std::int64_t>();
  return n;
}

}  // namespace

TEST_CASE("hybrids hold the laws", "[prune][both][law]") {
  laws::prune_granularity(Both<Filter, Weight>{}, test::tiny_graph());
  laws::prune_granularity(Both<Filter, Weight>{.share = 0.2}, test::tiny_graph());
  laws::prune_granularity(Both<Kernel, Weight>{}, test::tiny_graph());
}

TEST_CASE("a hybrid removes exactly its ratio, the coarse part by the coarse granularity",
          "[prune][both]") {
  const auto graph = test::tiny_graph();
  const auto scores = laws::random_scores(graph, Seed(3));
  const auto all = count(make_mask(graph, scores, Ratio(), Weight{}), true);
  CHECK(Both<Filter, Weight>::name == "Structured and Unstructured");
  const auto layers = static_cast<std::int64_t>(scores.size());
  for (const int percent : {25, 50, 75, 90}) {
    const auto ratio = Ratio::percent(percent);
    for (const double share : {0.25, 0.5, 0.75}) {
      INFO(percent << " % " << share);
      const auto mask = make_mask(graph, scores, ratio, Both<Filter, Weight>{.share = share});
      const auto gone = count(mask, false);
      CHECK(gone <= ratio.count(all));
      CHECK(gone > ratio.count(all) - layers);  // of equal steps one weight a layer at most
      // By a plain loop: what is kept is what both parts keep, and the filters are the first's.
      const auto filters =
          make_mask(graph, scores, Ratio::level(std::llround(share * percent * 1e6)), Filter{});
      for (std::size_t i = 0; i < mask.size(); ++i) {
        CHECK(mask[i].filter.equal(filters[i].filter));
        CHECK_FALSE(mask[i].weight.logical_and(filters[i].weight.logical_not()).any().item<bool>());
        // Of what the first leaves, the second takes the lowest.
        const auto s = scores[i].abs();
        const auto taken =
                       s.masked_select(filters[i].weight.logical_and(mask[i].weight.logical_not())),
                   left = s.masked_select(mask[i].weight);
        if (taken.numel() > 0 && left.numel() > 0)
          CHECK(taken.max().item<float>() <= left.min().item<float>());
      }
    }
  }
}

TEST_CASE("what a hybrid took in an earlier round stays gone", "[prune][both][schedule]") {
  const auto graph = test::tiny_graph();
  // The weakest filters are the first ones; the weakest single weights stand in others, behind.
  ScoreMap scores;
  for (const int i : graph.convolutions())
    scores.push_back(at::full(weight_shape(graph, i), 10, at::kFloat));
  scores[0].narrow(0, 0, 2).fill_(1);
  scores[1].narrow(1, 5, 3).fill_(0.01);
  scores[1].select(0, 0).fill_(1);
  const Both<Filter, Weight> hybrid{};
  const auto before = make_mask(graph, scores, Ratio::percent(62), hybrid);
  ScoreMap left;  // as rounds rank it
  for (std::size_t i = 0; i < scores.size(); ++i) left.push_back(scores[i] * before[i].weight);
  const auto after = make_mask(graph, left, Ratio::percent(64), hybrid);
  CHECK(count(after, false) > count(before, false));
  for (std::size_t i = 0; i < after.size(); ++i)
    CHECK_FALSE(after[i].weight.logical_and(before[i].weight.logical_not()).any().item<bool>());
}

TEST_CASE("shares of 0 and 1 are the parts alone", "[prune][both]") {
  const auto graph = test::tiny_graph();
  const auto scores = laws::random_scores(graph, Seed(4));
  const auto ratio = Ratio::percent(50);
  const auto fine = make_mask(graph, scores, ratio, Both<Filter, Weight>{.share = 0});
  for (const auto& layer : fine) CHECK(layer.filter.all().item<bool>());
  CHECK(count(fine, false) == count(make_mask(graph, scores, ratio, Weight{}), false));
  const auto coarse = make_mask(graph, scores, ratio, Both<Filter, Weight>{.share = 1});
  const auto filters = make_mask(graph, scores, ratio, Filter{});
  for (std::size_t i = 0; i < coarse.size(); ++i) CHECK(coarse[i].filter.equal(filters[i].filter));
  // The filters are cut out: the smaller network has the parameters of the filters' share.
  CHECK(parameters(plan_compaction(graph, coarse).graph) ==
        parameters(plan_compaction(graph, filters).graph));
}

TEST_CASE("a hybrid's ratio is one of what may go", "[prune][both]") {
  const auto graph = test::tiny_graph();
  const auto scores = laws::random_scores(graph, Seed(5));
  const PerLayer spared{.limits = {.spare_heads = true, .spare_first = true}};  // all but one layer
  const auto n = scores[1].numel();
  for (const int percent : {50, 60, 75, 90}) {
    const auto ratio = Ratio::percent(percent);
    const auto mask = make_mask(graph, scores, ratio, Both<Filter, Weight>{}, spared);
    CHECK(mask[1].weight.logical_not().sum().item<std::int64_t>() == ratio.count(n));
  }
}
