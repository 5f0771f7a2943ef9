#include "serpette/method/train.hpp"

#include "serpette/attack/pgd.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/method/train_scores.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/hydra.hpp"
#include "support/catch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
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

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!at::equal(a[i], b[i])) return false;
  return true;
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
  const auto victim = colored_victim(detector, truth, GreyscaleRec601{});
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
    const double loss =
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
                        noise_batches(1), kDefence, kSettings, Seed(1), at::kCPU, silent);
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
    CHECK(at::allclose(trained[i], expected, 1e-5, 1e-7));
  }
}
