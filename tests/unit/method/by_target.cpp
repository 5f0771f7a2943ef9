#include "serpette/method/by_target.hpp"

#include <numeric>

#include "serpette/method/prune_in_rounds.hpp"
#include "serpette/prune/schedule.hpp"
#include "serpette/scenario/paper.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

const auto kUnheard = [](const Probe&) {};

}  // namespace

TEST_CASE("bisection finds the last ratio that keeps, and the first that fits",
          "[method][target]") {
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
                    ContainsSubstring("--max-ms: should be within reach"));
  CHECK_THROWS_AS(largest_ratio("--keep", 2, {}, value, kUnheard), Error);
}

TEST_CASE("a budget of parameters is met by the least pruning", "[method][target]") {
  const auto graph = test::tiny_graph();
  ScoreMap scores;
  for (const int i : graph.convolutions()) scores.push_back(torch::rand(weight_shape(graph, i)));
  const auto most = parameters(graph) / 2;
  const SearchRange fine{.resolution = Ratio::parse("0.01")};
  const auto found =
      ratio_within_parameters(graph, scores, most, Filter{}, PerLayer{}, fine, kUnheard);
  const auto at = [&](Ratio ratio) {
    return parameters_at(graph, scores, ratio, Filter{}, PerLayer{});
  };
  CHECK(at(found.ratio) <= most);
  CHECK(at(Ratio::level(found.ratio.count(Ratio::kLevels) -
                        Ratio::parse("0.01").count(Ratio::kLevels))) > most);
  CHECK_THROWS_WITH(
      ratio_within_parameters(graph, scores, most, Weight{}, PerLayer{}, fine, kUnheard),
      ContainsSubstring("cuts filters out"));
  CHECK_THROWS_WITH(ratio_within_parameters(graph, scores, 1, Filter{}, PerLayer{}, fine, kUnheard),
                    ContainsSubstring("within reach"));
}

TEST_CASE("a network is pruned to keep a share of what it had", "[method][target]") {
  const test::NoiseData train(8, 1), test(6, 2);
  Budget budget;
  budget.pretrain.steps = budget.finetune.steps = 0;
  budget.score_images = 2;
  const Experiment experiment(test::TinyDetector{}, train, test, budget, Seed(1));
  Silent silent;
  std::vector<Probe> heard;
  const auto search = [&](double share) {
    return ratio_that_keeps(UnstructuredMagnitude{}, experiment, NoStore{}, {"mine", 1, {}}, share,
                            KeepOf::kAp50, {}, silent,
                            [&](const Probe& probe) { heard.push_back(probe); });
  };
  CHECK_THROWS_WITH(search(0), ContainsSubstring("--keep"));
  try {
    const auto found = search(0.5);
    CHECK(found.meets);
    CHECK(heard.front().ratio == Ratio());
    CHECK(found.value >= 0.5 * heard.front().value);
  } catch (const Error& error) {  // noise images may hold nothing that an untrained network finds
    CHECK_THAT(error.what(), ContainsSubstring("a share of something"));
  }
}

TEST_CASE("what is gone in one round stays gone, and the last round meets the ratio",
          "[method][target]") {
  test::TinyDetector detector;
  std::vector<Mask> masks;
  const auto score = [&](const test::TinyDetector& d, std::size_t round) {
    Generator rng{Seed(round)};
    ScoreMap scores;
    for (const int i : d.graph().convolutions())
      scores.push_back(at::rand(weight_shape(d.graph(), i), rng.torch()) + 0.01);
    return scores;
  };
  const auto train = [&](test::TinyDetector& d, const Mask& mask, std::size_t round,
                         std::size_t n) {
    CHECK(round == masks.size());
    CHECK(n == 3);
    masks.push_back(mask);
    for (std::size_t i = 0; i < mask.size(); ++i)
      CHECK(at::equal(d.layer(d.graph().convolutions()[i]).weight.ne(0), mask[i].weight));
  };
  const auto last = prune_in_rounds(detector, Cubic{.rounds = 3}, Ratio::percent(80), Weight{},
                                    PerLayer{}, score, train);
  REQUIRE(masks.size() == 3);
  for (std::size_t k = 1; k < 3; ++k)
    for (std::size_t i = 0; i < last.size(); ++i)
      CHECK_FALSE(
          masks[k][i].weight.logical_and(masks[k - 1][i].weight.logical_not()).any().item<bool>());
  for (const auto& layer : last)
    CHECK(layer.weight.logical_not().sum().item<std::int64_t>() ==
          Ratio::percent(80).count(layer.weight.numel()));
}
