#include "serpette/method/train.hpp"

#include <limits>
#include <utility>

#include "serpette/attack/pgd.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/method/train_scores.hpp"
#include "serpette/objective/clean.hpp"
#include "serpette/prune/both.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/hydra.hpp"
#include "support/catch.hpp"
#include "support/equal.hpp"
#include "support/graph_builder.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::equal;
using test::TinyDetector;

namespace {

/// Batches of noise with one box each, the same sequence for the same seed.
auto noise_batches(std::uint64_t seed, std::int64_t n = 4) {
  return [rng = std::make_shared<Generator>(Seed(seed)), n] {
    auto images = at::rand({n, 3, 16, 16}, rng->torch());
    auto truth = at::empty({n, 6});
    for (std::int64_t i = 0; i < n; ++i) {
      const double values[] = {
          double(i), double(rng->below(2)), rng->uniform(0.3, 0.7), rng->uniform(0.3, 0.7), 0.4,
          0.4};
      for (int k = 0; k < 6; ++k) truth[i][k] = values[k];
    }
    return ImageBatch{images, truth, std::vector<std::int64_t>(n),
                      std::vector<Letterbox>(n, Letterbox::fit(16, 16, 16, 16))};
  };
}

ScoreMap start(const TinyDetector& detector) {
  Generator rng{Seed(1)};
  ScoreMap scores;
  for (const int i : detector.graph().convolutions())
    scores.push_back(Hydra{}.score({.weight = detector.layer(i).weight.detach()}, rng));
  return scores;
}

/// Scores → mask.
template <PruneGranularity Granularity>
auto masks(const TinyDetector& detector, Granularity granularity, Ratio ratio) {
  return [&detector, granularity, ratio](const ScoreMap& scores) {
    return make_mask(detector.graph(), scores, ratio, granularity);
  };
}

/// Notes the running mean of a layer at every step.
struct Watching {
  static constexpr std::string_view name = "Watching";
  std::vector<at::Tensor>* seen;
  int layer;

  struct State {
    std::vector<at::Tensor>* seen;
    int layer;
    template <Detector D>
    at::Tensor loss(D& detector, const ImageBatch& batch, const Adversary&) const {
      seen->push_back(LayerParameters(detector.layer(layer)).running_mean.clone());
      return detector.loss(detector.forward(batch.images), batch.truth).total();
    }
  };
  [[nodiscard]] State start(const TrainingContext&) const { return {seen, layer}; }
};

const Defence kDefence{PgdAdversarial{}, Pgd{}, Rgb{}};
constexpr TrainSettings kSettings{.steps = 4, .batch_size = 4, .learning_rate = 1e-2};

}  // namespace

TEST_CASE("the learning rate rises, then falls on a cosine", "[pipeline][train]") {
  const TrainSettings s{.steps = 110, .learning_rate = 1, .warmup = 10};
  CHECK(learning_rate(s, 0) == Catch::Approx(1.0 / 11));
  CHECK(learning_rate(s, 10) == Catch::Approx(1));
  CHECK(learning_rate(s, 60) == Catch::Approx(0.5));
  CHECK(learning_rate(s, 109) < 0.001);
}

TEST_CASE("a warm-up longer than its stage ends half-way", "[pipeline][train]") {
  const auto rate = [](std::int64_t steps, std::int64_t warmup, std::int64_t step) {
    return learning_rate({.steps = steps, .learning_rate = 1, .warmup = warmup}, step);
  };
  for (const std::int64_t warmup : {5, 10, 1000}) {
    CHECK(rate(10, warmup, 0) == Catch::Approx(1.0 / 6));
    CHECK(rate(10, warmup, 5) == Catch::Approx(1));
    CHECK(rate(10, warmup, 9) < 0.1);
  }
  CHECK(rate(10, 4, 4) == Catch::Approx(1));
  CHECK(rate(1, 1000, 0) == Catch::Approx(1));
  CHECK(rate(2, 1000, 1) == Catch::Approx(1));
}

TEST_CASE("a robust batch is clean first and attacked last, within the ball", "[pipeline][train]") {
  TinyDetector detector;
  Generator rng{Seed(1)};
  const auto batch = noise_batches(3)();
  const auto adversary = make_adversary(detector, Pgd{}, Rgb{}, rng);
  const auto mixed = PgdAdversarial{}.start({}).images(batch, adversary);
  CHECK(at::equal(mixed.slice(0, 0, 2), batch.images.slice(0, 0, 2)));
  const auto change = (mixed - batch.images).slice(0, 2, 4).abs();
  CHECK(change.amax({1, 2, 3}).min().item<double>() > 0.01);
  CHECK(change.max().item<double>() <= Pgd{}.epsilon + 1e-6);
}

TEST_CASE("a grey image stays grey under attack", "[pipeline][view]") {
  TinyDetector detector;
  Generator rng{Seed(1)};
  const auto batch = noise_batches(3)();
  const auto hit = attacked_images(detector, batch, Pgd{}, GreyscaleRec601{}, rng);
  CHECK(at::equal(hit.select(1, 0), hit.select(1, 1)));
  CHECK(at::equal(hit.select(1, 0), hit.select(1, 2)));
  const auto grey = network_images(GreyscaleRec601{}, batch.images);
  CHECK((hit - grey).abs().max().item<double>() > 0.01);
}

TEST_CASE("the grey victim's gradient is that of the network through the expansion",
          "[pipeline][view]") {
  TinyDetector detector(test::tiny_graph(), Seed(0), at::kDouble);
  auto batch = noise_batches(3, 1)();
  const auto y = GreyscaleRec601{}.encode(batch.images.to(at::kDouble));
  const auto truth = batch.truth.to(at::kDouble);
  const auto victim = colored(detector.victim(truth), GreyscaleRec601{});
  const auto gradient = victim(y, {}).gradient;
  for (const auto place : {std::array{3, 5}, std::array{8, 9}}) {
    const double h = 1e-6;
    auto up = y.clone(), down = y.clone();
    up[0][0][place[0]][place[1]] += h;
    down[0][0][place[0]][place[1]] -= h;
    const double slope = (victim(up, {}).loss - victim(down, {}).loss).item<double>() / (2 * h);
    CHECK(gradient[0][0][place[0]][place[1]].item<double>() ==
          Catch::Approx(slope).epsilon(1e-5).margin(1e-8));
  }
}

TEST_CASE("training lowers the loss, equal seeds train equally, other seeds do not",
          "[pipeline][train]") {
  const auto run = [](std::uint64_t seed, std::int64_t steps) {
    TinyDetector detector;
    Silent silent;
    auto settings = kSettings;
    settings.steps = steps;
    train(detector, MovedWeights(detector), noise_batches(seed), kDefence, settings, Seed(seed),
          at::kCPU, silent);
    const auto batch = noise_batches(99)();
    const auto loss =
        detector.loss(detector.forward(batch.images), batch.truth).total().template item<double>();
    return std::pair{loss, state_of(detector)};
  };
  CHECK(run(1, 40).first < run(1, 0).first);
  CHECK(equal(run(1, 4).second, run(1, 4).second));
  CHECK_FALSE(equal(run(1, 4).second, run(2, 4).second));
}

TEST_CASE("what is pruned stays pruned through fine-tuning", "[pipeline][train]") {
  TinyDetector detector;
  Silent silent;
  const auto mask = make_mask(detector.graph(), start(detector), Ratio::percent(50), Filter{});
  apply_mask(mask, detector);
  train(detector, MovedWeights(detector, &mask), noise_batches(1), kDefence, kSettings, Seed(1),
        at::kCPU, silent);
  const auto convolutions = detector.graph().convolutions();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto layer = detector.layer(convolutions[i]);
    CHECK(layer.weight.masked_select(mask[i].weight.logical_not()).abs().sum().item<double>() == 0);
    if (layer.gamma.defined() && mask[i].filter.defined()) {
      const auto gone = mask[i].filter.logical_not();
      CHECK(layer.gamma.masked_select(gone).abs().sum().item<double>() == 0);
      CHECK(layer.beta.masked_select(gone).abs().sum().item<double>() == 0);
    }
  }
  CHECK(mask[0].weight.logical_not().sum().item<std::int64_t>() > 0);
}

TEST_CASE("score training moves scores and leaves the detector as it was",
          "[pipeline][train_scores]") {
  TinyDetector detector;
  Silent silent;
  const auto before = state_of(detector);
  const auto scores = start(detector);
  const auto run = [&](Ratio ratio) {
    return train_scores(detector, scores, Hydra{}.optimizer, masks(detector, Weight{}, ratio),
                        noise_batches(1), kDefence, kSettings, Seed(1), at::kCPU, silent)
        .scores;
  };
  const auto half = run(Ratio::percent(50));
  CHECK(equal(before, state_of(detector)));
  CHECK_FALSE(equal(half, scores));
  CHECK(equal(half, run(Ratio::percent(50))));
  CHECK_FALSE(equal(half, run(Ratio::percent(90))));
}

TEST_CASE("one step of score training is SGD along the straight-through gradient",
          "[pipeline][train_scores]") {
  TinyDetector detector, twin;
  Silent silent;
  const auto scores = start(detector);
  const auto ratio = Ratio::percent(50);
  const TrainSettings one{.steps = 1, .batch_size = 4};
  const auto trained = train_scores(
      detector, scores, Hydra{}.optimizer, masks(detector, Weight{}, ratio), noise_batches(1),
      Defence{PgdAdversarial{.attacked = 0}, Pgd{}, Rgb{}}, one, Seed(1), at::kCPU, silent);
  // By hand: mask, one loss in training mode, its weight gradients, s − lr · ∂L/∂eff · w · sign(s).
  const auto dense = state_of(twin);
  apply_mask(make_mask(twin.graph(), scores, ratio, Weight{}), twin);
  const auto batch = noise_batches(1)();
  twin.train(true);
  twin.loss(twin.forward(batch.images), batch.truth).total().backward();
  TinyDetector original;
  const auto convolutions = twin.graph().convolutions();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto w = original.layer(convolutions[i]).weight.detach();
    const auto expected = scores[i] - Hydra{}.optimizer.learning_rate *
                                          twin.layer(convolutions[i]).weight.grad() * w *
                                          scores[i].sign();
    CHECK(at::allclose(trained.scores[i], expected, 1e-5, 1e-7));
  }
}

TEST_CASE("clipping counts only gradients of what is kept", "[method][train]") {
  TinyDetector detector, twin;
  Silent silent;
  const auto mask = make_mask(detector.graph(), start(detector), Ratio::percent(50), Filter{});
  apply_mask(mask, detector);
  apply_mask(mask, twin);
  const TrainSettings one{
      .steps = 1, .learning_rate = 1e-2, .momentum = 0, .weight_decay = 0, .clip = 0.5};
  train(detector, MovedWeights(detector, &mask), noise_batches(1), Defence{Clean{}, Pgd{}, Rgb{}},
        one, Seed(1), at::kCPU, silent);
  // By hand: the gradient without what is pruned, scaled to the norm, one plain step.
  const auto batch = noise_batches(1)();
  twin.train(true);
  twin.loss(twin.forward(batch.images), batch.truth).total().backward();
  twin.train(false);
  mask_gradients(mask, twin);
  double square = 0;
  for (const auto& p : twin.parameters()) square += p.grad().square().sum().item<double>();
  REQUIRE(std::sqrt(square) > 0.5);
  const torch::NoGradGuard no_grad;
  for (const auto& p : twin.parameters()) p.sub_(p.grad() * (1e-2 * 0.5 / std::sqrt(square)));
  const auto got = detector.parameters(), wanted = twin.parameters();
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(at::allclose(got[i], wanted[i], 1e-4, 1e-7));
}

TEST_CASE("a loss that is not finite stops training before the step and names the images",
          "[method][train]") {
  TinyDetector detector;
  Silent silent;
  const auto before = state_of(detector);
  const auto next = [] {
    auto batch = noise_batches(1, 2)();
    batch.images.fill_(std::numeric_limits<float>::quiet_NaN());
    batch.image_ids = {17, 4};
    return batch;
  };
  CHECK_THROWS_WITH(train(detector, MovedWeights(detector), next, Defence{Clean{}, Pgd{}, Rgb{}},
                          kSettings, Seed(1), at::kCPU, silent),
                    Catch::Matchers::ContainsSubstring("at step 1 on the images 17, 4"));
  const auto convolutions = detector.graph().convolutions();
  CHECK(at::equal(detector.layer(convolutions[0]).weight,
                  TinyDetector().layer(convolutions[0]).weight));
  CHECK(before.size() == state_of(detector).size());
}

TEST_CASE("batch norm's statistics move during score training", "[method][train_scores]") {
  TinyDetector detector;
  Silent silent;
  const int first = detector.graph().convolutions().front();
  std::vector<at::Tensor> seen;
  const Watching objective{&seen, first};
  const auto before = state_of(detector);
  (void)train_scores(detector, start(detector), Hydra{}.optimizer,
                     masks(detector, Weight{}, Ratio::percent(50)), noise_batches(1),
                     Defence{objective, Pgd{}, Rgb{}}, kSettings, Seed(1), at::kCPU, silent);
  REQUIRE(seen.size() == 4);
  for (std::size_t i = 1; i < seen.size(); ++i) CHECK_FALSE(at::equal(seen[i], seen[i - 1]));
  CHECK(equal(before, state_of(detector)));
}

TEST_CASE("filters without a kept weight in front of batch norm give no score gradient",
          "[method][train_scores]") {
  TinyDetector detector;
  Silent silent;
  auto scores = start(detector);
  scores[0] = scores[0].abs() + 0.1;
  scores[0].select(0, 3).mul_(1e-3);  // 1 of 8 filters: the lowest eighth of the layer
  const auto trained = train_scores(
      detector, scores, Hydra{}.optimizer, masks(detector, Weight{}, Ratio::parse("12.5")),
      noise_batches(1), Defence{Clean{}, Pgd{}, Rgb{}}, {.steps = 1}, Seed(1), at::kCPU, silent);
  CHECK(at::equal(trained.scores[0][3], scores[0][3]));
  for (const int other : {0, 1, 2, 4, 5, 6, 7})
    CHECK_FALSE(at::equal(trained.scores[0][other], scores[0][other]));
}

TEST_CASE("scores of a layer that no head reads stay as they are", "[method][train_scores]") {
  TinyDetector detector(test::GraphBuilder({3, 16, 16})
                            .conv({.filters = 8, .size = 3, .stride = 2, .padding = 1})  // 0
                            .conv({.filters = 4, .size = 1, .batch_normalize = true})    // unread
                            .route({0})
                            .head(2)
                            .done());
  Silent silent;
  const auto scores = start(detector);
  const auto train = [&](const MaskOfStep& masks) {
    return train_scores(detector, scores, Hydra{}.optimizer, masks, noise_batches(1),
                        Defence{Clean{}, Pgd{}, Rgb{}}, {.steps = 2}, Seed(1), at::kCPU, silent);
  };
  for (const auto& trained : {train(masks(detector, Weight{}, Ratio::percent(50))),
                              train(masks(detector, Filter{}, Ratio::percent(50)))}) {
    CHECK_FALSE(at::equal(trained.scores[0], scores[0]));
    CHECK(at::equal(trained.scores[1], scores[1]));
  }
}

TEST_CASE(
    "under Filter the scores of dropped filters are trained, on the loss of the masked network",
    "[method][train_scores]") {
  TinyDetector detector, masked;
  const auto scores = start(detector);
  const auto mask = make_mask(masked.graph(), scores, Ratio::percent(50), Filter{});
  const auto gone = mask[0].filter.logical_not();
  REQUIRE(gone.any().item<bool>());
  struct Losses {
    double last = 0;
    void on_step(std::int64_t, double loss) { last = loss; }
  } losses;
  const auto trained = train_scores(
      detector, scores, Hydra{}.optimizer, masks(detector, Filter{}, Ratio::percent(50)),
      noise_batches(1), Defence{Clean{}, Pgd{}, Rgb{}}, {.steps = 1}, Seed(1), at::kCPU, losses);
  const auto moved = (trained.scores[0] - scores[0]).abs().flatten(1).amax(1);
  CHECK((moved > 0).all().item<bool>());  // every filter's, kept or dropped
  apply_mask(mask, masked);
  const auto batch = noise_batches(1)();
  masked.train(true);
  CHECK(losses.last ==
        Catch::Approx(masked.loss(masked.forward(batch.images), batch.truth).total().item<double>())
            .epsilon(1e-5));
  // The victim that attacks meet is the masked network too.
  const Untouched guard(detector, "test");
  MovedScores moves(detector, scores, Hydra{}.optimizer,
                    masks(detector, Filter{}, Ratio::percent(50)));
  moves.prepare();
  masked.train(false);
  TinyDetector fresh;
  apply_mask(mask, fresh);
  CHECK(at::allclose(detector.victim(batch.truth).loss(batch.images, {}),
                     fresh.victim(batch.truth).loss(batch.images, {}), 1e-4, 1e-4));
}

TEST_CASE("under a hybrid scores are trained on the masked network, whatever single weights went",
          "[method][train_scores]") {
  TinyDetector detector, masked;
  auto scores = start(detector);
  // Filter 7 of the first layer stays, and of what reads it nothing does.
  scores[0].select(0, 7).fill_(1);
  scores[1].select(1, 7).mul_(1e-3);
  const Both<Filter, Weight> hybrid{};
  const auto ratio = Ratio::percent(60);
  const auto mask = make_mask(masked.graph(), scores, ratio, hybrid);
  REQUIRE(mask[0].filter[7].item<bool>());
  REQUIRE(mask[0].filter.logical_not().any().item<bool>());
  REQUIRE_FALSE(mask[1].weight.select(1, 7).any().item<bool>());
  const Untouched guard(detector, "test");
  MovedScores moves(detector, scores, Hydra{}.optimizer, masks(detector, hybrid, ratio));
  moves.prepare();
  apply_mask(mask, masked);
  const auto batch = noise_batches(1)();
  CHECK(at::allclose(detector.victim(batch.truth).loss(batch.images, {}),
                     masked.victim(batch.truth).loss(batch.images, {}), 1e-4, 1e-4));
}

TEST_CASE("score training takes the optimizer that its settings name", "[method][train_scores]") {
  TinyDetector detector;
  Silent silent;
  const auto run = [&](TrainSettings::Optimizer optimizer) {
    auto settings = kSettings;
    settings.optimizer = optimizer;
    return train_scores(detector, start(detector), Hydra{}.optimizer,
                        masks(detector, Weight{}, Ratio::percent(50)), noise_batches(1), kDefence,
                        settings, Seed(1), at::kCPU, silent)
        .scores;
  };
  CHECK_FALSE(equal(run(TrainSettings::Optimizer::kSgd), run(TrainSettings::Optimizer::kAdam)));
}

TEST_CASE("AdamW decays apart from its step", "[method][optimizer]") {
  const auto w = torch::full({1}, 2.0).requires_grad_(), b = torch::full({1}, 2.0).requires_grad_();
  const auto optimizer = make_optimizer(
      {{w}, {b}},
      {.learning_rate = 0.1, .weight_decay = 0.5, .optimizer = TrainSettings::Optimizer::kAdamW});
  (w + b).sum().backward();
  optimizer->step();
  CHECK(b.item<double>() == Catch::Approx(1.9));        // lr · sign of the gradient
  CHECK(w.item<double>() == Catch::Approx(1.9 - 0.1));  // and lr · decay · w
}

TEST_CASE("the moving average remembers little of its start", "[method][optimizer]") {
  auto t = torch::full({1}, 1.0);
  MovingAverage average(0.9, {t});
  t.fill_(3);
  average.update();  // d = 2/11
  t.fill_(5);
  average.update();  // d = 3/12
  average.write();
  CHECK(t.item<double>() == Catch::Approx((1 * 2.0 / 11 + 3 * 9.0 / 11) * 0.25 + 5 * 0.75));
  t.fill_(7);
  MovingAverage(0, {t}).write();
  CHECK(t.item<double>() == 7);

  double seen = 0;
  average.during([&] { seen = t.item<double>(); });
  CHECK(seen < 5);
  CHECK(t.item<double>() == 7);
  CHECK_THROWS_AS(average.during([] { throw Interrupted{}; }), Interrupted);
  CHECK(t.item<double>() == 7);
}

TEST_CASE("averaged weights keep to the mask", "[method][train]") {
  TinyDetector detector;
  Silent silent;
  const auto mask = make_mask(detector.graph(), start(detector), Ratio::percent(50), Weight{});
  apply_mask(mask, detector);
  auto settings = kSettings;
  settings.average = 0.9;
  train(detector, MovedWeights(detector, &mask), noise_batches(1), kDefence, settings, Seed(1),
        at::kCPU, silent);
  const auto convolutions = detector.graph().convolutions();
  for (std::size_t i = 0; i < mask.size(); ++i)
    CHECK(detector.layer(convolutions[i])
              .weight.masked_select(mask[i].weight.logical_not())
              .abs()
              .sum()
              .item<double>() == 0);
}

TEST_CASE("re-estimated statistics are the mean over the batches", "[method][statistics]") {
  TinyDetector detector;
  const auto weight = detector.layer(detector.graph().convolutions().front()).weight.detach();
  const auto next = noise_batches(5);
  reestimate_statistics(detector, next, Rgb{}, 5, at::kCPU);  // two batches of four
  const auto again = noise_batches(5);
  auto mean = torch::zeros({8}), variance = torch::zeros({8});
  for (int k = 0; k < 2; ++k) {
    const auto y = torch::conv2d(again().images, weight, {}, 1, 1).transpose(0, 1).flatten(1);
    mean += y.mean(1) / 2;
    variance += y.var(1) / 2;
  }
  const auto layer = detector.layer(detector.graph().convolutions().front());
  CHECK(at::allclose(layer.running_mean, mean, 1e-4, 1e-6));
  CHECK(at::allclose(layer.running_var, variance, 1e-4, 1e-6));
  CHECK(detector.momentum() == 0.1);
  CHECK(at::equal(layer.weight.detach(), weight));
}
