// Rates that are trained with the scores, on toys whose answer is known.
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/method/budgets.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/method/train_scores.hpp"
#include "serpette/prune/both.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/layers.hpp"
#include "serpette/prune/learned.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/scenario/erased.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using test::TinyDetector;

namespace {

constexpr int kUseless = 1;  // position of the layer whose outputs are all 0

/// Batches that can be learned by heart.
auto few_batches(const TinyDetector& detector) {
  return [graph = detector.graph(), n = std::make_shared<std::uint64_t>(0)] {
    return test::tiny_batch(graph, 4, Seed(++*n % 3));
  };
}

constexpr Convolutional kLayer{.filters = 8,
                               .size = 3,
                               .padding = 1,
                               .batch_normalize = true,
                               .activation = Activation::kLeaky};

/// Two layers side by side whose outputs both go on, one of them silent.
TinyDetector half_silent() {
  TinyDetector detector(test::GraphBuilder({3, 16, 16})
                            .conv(kLayer)
                            .conv(kLayer)
                            .route({1, 0})
                            .conv(kLayer)
                            .head(2)
                            .done());
  const torch::NoGradGuard no_grad;
  const LayerParameters useless =
      detector.layer(detector.graph().convolutions()[std::size_t{kUseless}]);
  useless.gamma.zero_();
  useless.beta.zero_();
  return detector;
}

/// To say what the whole network says: whatever does something is worth keeping.
struct Faithful {
  static constexpr std::string_view name = "Faithful";
  std::shared_ptr<TinyDetector> whole;

  struct State {
    std::shared_ptr<TinyDetector> whole;
    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary&) const {
      whole->train(true);
      const auto wanted = whole->forward(batch.images), said = detector.forward(batch.images);
      auto sum = at::zeros({});
      for (std::size_t h = 0; h < said.size(); ++h)
        sum = sum + (said[h] - wanted[h].detach()).square().sum() / batch.size();
      return sum;
    }
  };
  [[nodiscard]] State start(const TrainingContext&) const { return {whole}; }
};

ScoreMap hydra_start(const TinyDetector& detector) {
  Generator rng{Seed(1)};
  ScoreMap scores;
  for (const int i : detector.graph().convolutions())
    scores.push_back(Hydra{}.score({.weight = detector.layer(i).weight.detach()}, rng));
  return scores;
}

}  // namespace

TEMPLATE_TEST_CASE(
    "a layer that does nothing ends emptier than those that do, under an exact budget",
    "[method][learned]", Weight, Filter) {
  auto detector = half_silent();
  const auto& graph = detector.graph();
  const ErasedPruning pruning(TestType{}, Learned{.rate = 3, .window = 0.1});
  REQUIRE(pruning.learning.has_value());
  const auto ratio = Ratio::percent(50);
  Silent silent;
  const auto before = state_of(detector);
  const MovedRates rates{
      .logits = pruning.learning->start(graph),
      .rate = pruning.learning->rate,
      .mask = [&](const ScoreMap& s,
                  const at::Tensor& t) { return pruning.learning->mask(graph, s, ratio, t); },
      .gradient =
          [&](const ScoreMap& s, const at::Tensor& t, const Slopes& slopes) {
            return pruning.learning->gradient(graph, s, ratio, t, slopes);
          }};
  const auto trained = train_scores(
      detector, hydra_start(detector), Hydra{}.optimizer, rates, few_batches(detector),
      Defence{Faithful{std::make_shared<TinyDetector>(detector.clone())}, Pgd{}, Rgb{}},
      {.steps = 15, .batch_size = 4}, Seed(1), at::kCPU, silent);
  for (std::size_t i = 0; i < before.size(); ++i)
    CHECK(at::equal(before[i], state_of(detector)[i]));
  const auto& logits = trained.logits;
  CHECK(at::equal(rates.logits, at::zeros_like(rates.logits)));  // what was given stays
  INFO(logits);
  // Half of what the third layer reads is silent, so its rate may fall as far.
  for (const int busy : {0, -1}) CHECK((logits[kUseless] < logits[busy]).template item<bool>());

  const auto mask = pruning.learning->mask(graph, trained.scores, ratio, logits);
  const auto share = [&](std::size_t i) { return mask[i].weight.to(at::kDouble).mean(); };
  CHECK((share(kUseless) < 0.8 * share(0)).template item<bool>());
  const auto kept = pruning.kept(graph, mask);
  if constexpr (std::same_as<TestType, Weight>) {
    std::int64_t all = 0;
    for (const auto& layer : mask) all += layer.weight.numel();
    CHECK(kept.weights == all - all / 2);
  } else {
    CHECK(parameters(detector.compact(mask).graph()) >= (parameters(graph) + 1) / 2);
  }
}

TEST_CASE("the slope of a filter's gate is that of a factor on its output", "[method][learned]") {
  auto plain = kLayer;
  plain.batch_normalize = false;
  auto detector =
      TinyDetector(test::GraphBuilder({3, 16, 16}).conv(plain).conv(kLayer).head(2).done(), Seed(2),
                   at::kDouble);
  const auto& graph = detector.graph();
  const auto convolutions = graph.convolutions();
  const ErasedPruning pruning(Filter{}, Learned{});
  const auto scores = hydra_start(detector);
  const auto batch = test::tiny_batch(graph, 3, Seed(4), at::kDouble);

  // Straight through, a dropped filter passes its gradient on: exact are all layers where none is
  // dropped, and the last one, kept filters and dropped ones.
  for (const auto& [percent, first] :
       {std::pair{0, std::size_t{0}}, std::pair{40, std::size_t{1}}}) {
    const auto ratio = Ratio::percent(percent);
    Slopes seen;
    const MovedRates rates{
        .logits = pruning.learning->start(graph),
        .rate = 1,
        .mask = [&](const ScoreMap& s,
                    const at::Tensor& t) { return pruning.learning->mask(graph, s, ratio, t); },
        .gradient =
            [&](const ScoreMap&, const at::Tensor& t, const Slopes& slopes) {
              for (const auto& layer : slopes)
                seen.push_back({layer.weight.clone(), layer.filter.clone()});
              return at::zeros_like(t);
            }};
    auto fresh = detector.clone();
    MovedScores moves(fresh, scores, Hydra{}.optimizer, rates);
    moves.prepare();
    fresh.train(true);
    fresh.loss(fresh.forward(batch.images), batch.truth).total().backward();
    (void)moves.gradients();

    // The same loss where a filter's output is let through a little more.
    const auto mask = rates.mask(scores, rates.logits);
    CHECK(mask[1].filter.all().item<bool>() == (percent == 0));
    const torch::NoGradGuard no_grad;
    const auto loss = [&](int layer, std::int64_t filter, double factor) {
      fresh.set_output_hook([&](int index, const at::Tensor& y) {
        auto gates = at::ones({1, y.size(1), 1, 1}, at::kDouble);
        for (std::size_t i = 0; i < convolutions.size(); ++i)
          if (convolutions[i] == index)
            gates = mask[i].filter.to(at::kDouble).view({1, -1, 1, 1}).clone();
        if (index == layer) gates[0][filter] += factor;
        return y * gates;
      });
      return fresh.loss(fresh.forward(batch.images), batch.truth).total().item<double>();
    };
    for (std::size_t i = first; i < 2; ++i)
      for (std::int64_t f = 0; f < seen[i].filter.size(0); ++f) {
        constexpr double kStep = 1e-5;
        const double slope =
            (loss(convolutions[i], f, kStep) - loss(convolutions[i], f, -kStep)) / (2 * kStep);
        CHECK(seen[i].filter[f].item<double>() == Catch::Approx(slope).epsilon(1e-4).margin(1e-7));
      }
    // Behind batch norm a whole row of weights has no slope: the norm takes any factor back.
    const auto rows = seen[1].weight.flatten(1), sums = rows.sum(1).abs(),
               sizes = rows.abs().sum(1);
    CHECK((sums < 1e-3 * sizes).all().item<bool>());
  }
}

TEST_CASE("a cell learns its rates and prunes by them", "[method][learned]") {
  const test::NoiseData train(8, 1), test(4, 2);
  Budget budget = budget_named("smoke").budget;
  budget.scores.steps = 4;
  const Experiment experiment(TinyDetector(), train, test, budget, Seed(5));
  Silent silent;
  const auto kept = [&](AllocationKind kind) {
    const Scenario<Hydra, Weight, Pgd, Rgb> scenario{.allocation = {.kind = kind}};
    const auto cell = train_cell(ErasedScenario(scenario), experiment, NoStore{},
                                 {"mine", 1, Ratio::percent(50)}, silent);
    std::vector<std::int64_t> each;
    for (const int i : cell.network.graph().convolutions())
      each.push_back(cell.network.layer(i).weight.count_nonzero().item<std::int64_t>());
    return each;
  };
  const auto learned = kept(AllocationKind::kLearned), alike = kept(AllocationKind::kPerLayer);
  CHECK(learned == kept(AllocationKind::kLearned));
  CHECK(learned != alike);
  std::int64_t all = 0, left = 0;
  for (const auto of_layer : learned) left += of_layer;
  for (const int i : experiment.pretrained.graph().convolutions())
    all += experiment.pretrained.layer(i).weight.numel();
  CHECK(left == all - all / 2);
}

TEST_CASE("rates are learned only where scores are trained, in one shot, set by set",
          "[scenario][learned]") {
  const ChosenAllocation learned{.kind = AllocationKind::kLearned};
  CHECK_NOTHROW(ErasedScenario(Scenario<Hydra, Weight, Pgd, Rgb>{.allocation = learned}));
  CHECK_THROWS_WITH(ErasedScenario(Scenario<Magnitude, Weight, Pgd, Rgb>{.allocation = learned}),
                    ContainsSubstring("Learned: should come with a score that is trained") &&
                        ContainsSubstring("got Magnitude"));
  CHECK_THROWS_WITH(ErasedScenario(Scenario<Hydra, Weight, Pgd, Rgb>{
                        .allocation = learned, .schedule = {.curve = Curve::kCubic, .rounds = 3}}),
                    ContainsSubstring("Learned: should come with pruning in one shot"));
  CHECK_THROWS_WITH(
      ErasedScenario(Scenario<Hydra, Both<Filter, Weight>, Pgd, Rgb>{.allocation = learned}),
      ContainsSubstring("got Structured and Unstructured"));
  CHECK_THROWS_WITH(
      ErasedScenario(Scenario<Hydra, Filter, Pgd, Rgb>{
          .allocation = {.kind = AllocationKind::kLearned, .learned = {.of = LearnedOf::kMacs}}}),
      ContainsSubstring("should leave what a ratio is of to Structured"));
  const Scenario<Hydra, Layers, Pgd, Rgb> blocks{.allocation = {.kind = AllocationKind::kLamp}};
  const std::vector ratios{Ratio::percent(50)};
  CHECK_THROWS_WITH(ErasedScenario(blocks).pruning.require_possible(test::all_kinds(), ratios),
                    ContainsSubstring("--allocation per-layer") && ContainsSubstring("got lamp"));
  // Scores that make equal what is to be told apart are no scores for it.
  using Levelled = Scenario<DeepLift, Filter, Pgd, Rgb>;
  CHECK_THROWS_WITH(
      ErasedScenario(Levelled{}),
      ContainsSubstring("Structured: should come with scores that tell filters apart, "
                        "got DeepLIFT divided by the mean of the filter"));
  CHECK_NOTHROW(ErasedScenario(Levelled{.score = {.normalise = Normalise::kLayer}}));
  CHECK_NOTHROW(ErasedScenario(Levelled{.granularity = {.reduce = Reducer::kMax}}));
  CHECK_THROWS_WITH(
      ErasedScenario(Scenario<Normalised<Magnitude>, Both<Filter, Weight>, Pgd, Rgb>{}),
      ContainsSubstring("should come with scores that tell filters apart"));
  using Twice = Scenario<Normalised<DeepLift>, Filter, Pgd, Rgb>;
  for (const auto by : {Normalise::kNone, Normalise::kLayer})
    CHECK_THROWS_WITH(ErasedScenario(Twice{.score = {.normalise = by}}),
                      ContainsSubstring("should come with scores that tell filters apart"));
  CHECK_THROWS_WITH(ErasedScenario(Scenario<DeepLiftOfFilters, Layers, Pgd, Rgb>{}),
                    ContainsSubstring("should come with scores that tell layers apart"));
  CHECK_NOTHROW(ErasedScenario(Scenario<DeepLift, Weight, Pgd, Rgb>{}));
  // As people choose it.
  const auto typed = [](const std::string& option) {
    return option == "allocation"      ? std::optional<std::string>("learned")
           : option == "allocation-of" ? std::optional<std::string>("macs")
                                       : std::nullopt;
  };
  const auto chosen = ErasedScenario(Scenario<Hydra, Weight, Pgd, Rgb>{}).with(typed);
  CHECK(chosen.texts.allocation.starts_with("Learned{of=macs,"));
  CHECK_THROWS_WITH(ErasedScenario(Scenario<Magnitude, Weight, Pgd, Rgb>{}).with(typed),
                    ContainsSubstring("got Magnitude"));
}
