#include "serpette/prune/by_target.hpp"

#include <vector>

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

TEST_CASE("a budget of parameters is met by what training leaves", "[prune][target]") {
  const SearchRange fine{.resolution = Ratio::parse("0.1")};
  std::vector<Probe> heard;
  const auto hear = [&](const Probe& probe) { heard.push_back(probe); };
  const auto search = [&](Ratio first, std::int64_t most, const SearchRange& range, auto trained) {
    heard.clear();
    return trained_within_parameters(first, 1000, most, range, trained, hear);
  };
  // What is left falls evenly, or by less and less, as two sides of a layer's weights do.
  const auto even = [](Ratio ratio) { return 1000 - 800 * ratio.fraction(); };
  const auto ever_less = [](Ratio ratio) {
    return 1000 * (1 - ratio.fraction()) * (1 - ratio.fraction()) + 100;
  };
  SECTION("at once, where the allocation looks at no scores") {
    const auto found = search(Ratio::percent(40), 680, fine, even);
    CHECK(found.ratio == Ratio::percent(40));
    CHECK(heard.size() == 1);
  }
  SECTION("farther on, no farther than it takes") {
    CHECK(search(Ratio::percent(40), 600, fine, even).ratio == Ratio::percent(50));
    CHECK(heard.size() == 2);
    const auto found = search(Ratio::percent(40), 300, fine, ever_less);
    CHECK(found.meets);
    CHECK(found.value == ever_less(found.ratio));
    CHECK(found.value <= 300);
    CHECK(found.ratio < Ratio::percent(62));  // 55.3 % would do
    for (std::size_t i = 1; i < heard.size(); ++i) CHECK(heard[i - 1].ratio < heard[i].ratio);
    CHECK(heard.size() <= kTrainedAttempts);
  }
  SECTION("from nothing on, by steps that double") {
    const auto stubborn = [](Ratio ratio) { return ratio < Ratio::parse("0.7") ? 1000.0 : 0.0; };
    CHECK(search(Ratio(), 500, fine, stubborn).ratio == Ratio::parse("0.7"));
    CHECK(heard.size() == 4);
  }
  SECTION("or not, which is said") {
    CHECK_THROWS_WITH(search(Ratio::percent(40), 50, fine, ever_less),
                      ContainsSubstring("--max-parameters: should be at least 100, what training "
                                        "leaves at 99 %, got 50"));
    CHECK(heard.size() <= kTrainedAttempts);
    const SearchRange narrow{.most = Ratio::percent(50), .resolution = Ratio::parse("0.1")};
    CHECK_THROWS_WITH(search(Ratio::percent(50), 500, narrow, even), ContainsSubstring("at 50 %"));
    CHECK(heard.size() == 1);
    const auto never = [](Ratio) { return 1000.0; };
    CHECK_THROWS_WITH(search(Ratio(), 500, fine, never),
                      ContainsSubstring("should be met within 8 ratios"));
    CHECK(heard.size() == kTrainedAttempts);
  }
}
