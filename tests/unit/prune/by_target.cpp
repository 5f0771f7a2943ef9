#include "serpette/prune/by_target.hpp"

#include "serpette/prune/filter.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

const auto kUnheard = [](const Probe&) {};

}  // namespace

TEST_CASE("bisection finds the last ratio that keeps, and the first that fits", "[prune][target]") {
  // A value that falls from 1 as the ratio grows; 0.9 is passed behind 31 %.
  const auto value = [](Ratio ratio) { return 1 - ratio.fraction() * ratio.fraction() * 1.04; };
  std::vector<Probe> heard;
  const auto hear = [&](const Probe& probe) { heard.push_back(probe); };
  const auto found = largest_ratio("--keep", 0.9, {}, value, hear);
  CHECK(found.ratio == Ratio::percent(31));
  CHECK(found.value == value(found.ratio));
  CHECK(heard.size() <= 10);
  for (const auto& probe : heard) CHECK(probe.meets == (probe.value >= 0.9));
  CHECK(least_ratio("--max", 0.9, {}, value, kUnheard).ratio == Ratio::percent(32));
  const SearchRange fine{.resolution = Ratio::parse("0.1")};
  CHECK(largest_ratio("--keep", 0.9, fine, value, kUnheard).ratio == Ratio::percent(31));
  CHECK(least_ratio("--max", 0.9, fine, value, kUnheard).ratio == Ratio::parse("31.1"));
  // Met at once, met to the end, and never.
  CHECK(least_ratio("--max", 1, {}, value, kUnheard).ratio == Ratio());
  CHECK(largest_ratio("--keep", -1, {}, value, kUnheard).ratio == Ratio::percent(99));
  CHECK_THROWS_WITH(least_ratio("--max-ms", -1, {}, value, kUnheard),
                    ContainsSubstring("--max-ms: should be at least -0.0193"));
  CHECK_THROWS_WITH(largest_ratio("--keep", 2, {}, value, kUnheard),
                    ContainsSubstring("--keep: should be at most 1, what there is at 0 %; got 2"));
}

TEST_CASE("a budget of parameters is met by the least pruning", "[prune][target]") {
  const auto graph = test::tiny_graph();
  ScoreMap scores;
  for (const int i : graph.convolutions()) scores.push_back(torch::rand(weight_shape(graph, i)));
  const auto most = parameters(graph) / 2;
  const SearchRange fine{.resolution = Ratio::parse("0.01")};
  const auto filters = [&](Ratio ratio) { return make_mask(graph, scores, ratio, Filter{}); };
  const auto weights = [&](Ratio ratio) { return make_mask(graph, scores, ratio, Weight{}); };
  const auto at = [&](Ratio ratio) {
    return parameters(plan_compaction(graph, filters(ratio)).graph);
  };
  const auto found = ratio_within_parameters(graph, most, filters, fine, kUnheard);
  CHECK(at(found.ratio) <= most);
  CHECK(at(Ratio::level(found.ratio.count(Ratio::kLevels) -
                        Ratio::parse("0.01").count(Ratio::kLevels))) > most);
  CHECK_THROWS_WITH(ratio_within_parameters(graph, 1, filters, fine, kUnheard),
                    ContainsSubstring("--max-parameters: should be at least"));
  CHECK_THROWS_AS(ratio_within_parameters(graph, most, weights, fine, kUnheard), Error);
}
