// How often the CPU waits for a device, and what is sent there: counted by the second device.

#include "serpette/torch/nn.hpp"

#include <vector>

#include "serpette/attack/registry.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/method/train.hpp"
#include "serpette/method/train_scores.hpp"
#include "serpette/objective/clean.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/input_channel.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/score/hydra.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/second_device.hpp"
#include "support/slim_yolov3.hpp"

using namespace serpette;
using test::kSecondDevice;
using test::Traffic;
using test::traffic_of;

namespace {

/// A YOLOv3 of three heads and 25 convolutions.
Yolov3 detector_there() {
  Yolov3 detector(test::slim_yolov3(), Seed(1));
  detector.to(kSecondDevice);
  return detector;
}

test::NoiseData noise_there() { return test::NoiseData(4, 1, 64); }

ImageBatch batch_there() {
  return noise_there().batch(std::vector<std::int64_t>{0, 1, 2, 3}).to(kSecondDevice);
}

/// Of one more step of a training.
template <class Moves>
Traffic traffic_of_step(Yolov3& detector, Moves& moves, const Defence& defence,
                        const TrainSettings& settings) {
  Training training(detector, moves, defence, settings, Seed(1), kSecondDevice);
  const auto batch = noise_there().batch(std::vector<std::int64_t>{0, 1, 2, 3});
  training.step([&] { return batch; });
  return traffic_of([&] { training.step([&] { return batch; }); });
}

/// Of one more step of an attack.
template <class A>
Traffic traffic_of_step(const A& attack, int A::*length = &A::steps) {
  auto detector = detector_there();
  const auto batch = batch_there();
  const auto victim = detector.victim(batch.truth);
  const auto of = [&](int steps) {
    auto some = attack;
    some.*length = steps;
    Generator rng{Seed(1)};
    return traffic_of([&] { (void)some.perturb(victim, batch.images, rng); });
  };
  return of(8) - of(7);
}

}  // namespace

namespace Catch {
template <>
struct StringMaker<Traffic> {
  static std::string convert(const Traffic& t) {
    return fmt::format("{} to the CPU, {} to the device", t.to_cpu, t.to_device);
  }
};
}  // namespace Catch

TEST_CASE("the second device keeps what a GPU keeps", "[method][device]") {
  test::need_second_device();
  const auto here = at::arange(12, at::kFloat).view({3, 4});
  const auto there = here.to(kSecondDevice);
  REQUIRE(there.device() == kSecondDevice);
  CHECK(there.cpu().equal(here));

  SECTION("tensors of two devices do not meet, but for numbers") {
    CHECK_THROWS_AS(there + here, c10::Error);
    CHECK_THROWS_AS(here + there, c10::Error);
    CHECK_THROWS_AS(at::cat({here, there}), c10::Error);
    CHECK_THROWS_AS(there.index_select(0, at::arange(2)), c10::Error);
    CHECK_THROWS_AS(there.index({at::arange(2)}), c10::Error);
    CHECK_THROWS_AS(at::where(here > 1, there, there), c10::Error);
    CHECK_THROWS_AS(at::conv2d(there.view({1, 1, 3, 4}), at::ones({1, 1, 2, 2})), c10::Error);
    CHECK_THROWS_AS(at::add_out(const_cast<at::Tensor&>(here), there, there), c10::Error);
    CHECK((there * at::scalar_tensor(2.0)).cpu().equal(here * 2));
    CHECK((there + 1).cpu().equal(here + 1));
  }
  SECTION("random numbers are not drawn there") {
    CHECK_THROWS_AS(at::rand({2}, there.options()), c10::Error);
    Generator rng{Seed(1)};
    CHECK_THROWS_AS(there.clone().uniform_(0, 1, rng.torch()), c10::Error);
  }
  SECTION("views are views, and arguments of results grow") {
    there.view({4, 3}).select(0, 1).narrow(0, 1, 2).fill_(-1);
    there.t().slice(0, 0, 4, 2).add_(100);
    here.view({4, 3}).select(0, 1).narrow(0, 1, 2).fill_(-1);
    here.t().slice(0, 0, 4, 2).add_(100);
    CHECK(there.cpu().equal(here));
    CHECK(there.is_alias_of(there.unfold(1, 2, 1)));
    auto sum = at::empty({0}, there.options());
    at::add_out(sum, there, there);
    CHECK(sum.cpu().equal(here + here));
  }
  SECTION("autograd reaches through, by views and in place") {
    const auto gradient = [](const at::Tensor& x) {
      const auto leaf = x.detach().clone().requires_grad_();
      auto y = leaf * 2;
      y.select(0, 1).mul_(leaf.select(0, 2));
      at::conv2d(y.view({1, 1, 3, 4}), at::ones({1, 1, 2, 2}, x.options()))
          .square()
          .sum()
          .backward();
      return leaf.grad();
    };
    CHECK(gradient(there).device() == kSecondDevice);
    CHECK(gradient(there).cpu().equal(gradient(here)));
  }
  SECTION("copies are counted, and what has to wait for them") {
    CHECK(traffic_of([&] { (void)there.add(1).sum(); }) == Traffic{});
    CHECK(traffic_of([&] { (void)there.cpu(); }) == Traffic{1, 0});
    CHECK(traffic_of([&] { (void)here.to(kSecondDevice); }) == Traffic{0, 1});
    CHECK(traffic_of([&] { (void)there.sum().item<double>(); }) == Traffic{1, 0});
    CHECK(traffic_of([&] { (void)there.equal(there); }) == Traffic{1, 0});
    CHECK(traffic_of([&] { (void)there.nonzero(); }) == Traffic{1, 0});
    CHECK(traffic_of([&] { (void)there.index({there > 3}); }) == Traffic{1, 0});
    CHECK(traffic_of([&] {
            there.clone().index_put_({there > 3}, at::zeros({}, there.options()));
          }) == Traffic{1, 0});
    CHECK(traffic_of([&] { (void)at::tensor({1.0, 2.0}, there.options()); }) == Traffic{0, 1});
  }
}

// The numbers below are docs/guides/scale.md's. One of three heads has no positive here; it gets
// nothing.

TEST_CASE("a step of an attack sends nothing and waits for nothing", "[method][device][traffic]") {
  test::need_second_device();
  CHECK(traffic_of_step(Pgd{}) == Traffic{});
  CHECK(traffic_of_step(Pgd{.random_start = true, .norm = Norm::kL2}) == Traffic{});
  CHECK(traffic_of_step(Apgd{}) == Traffic{});
  CHECK(traffic_of_step(TogUntargeted{}) == Traffic{});
  CHECK(traffic_of_step(TogVanishing{}) == Traffic{});
  CHECK(traffic_of_step(TogMislabelling{}) == Traffic{});
  CHECK(traffic_of_step(Square{}, &Square::queries) == Traffic{0, 1});
}

TEST_CASE("the start of an attack", "[method][device][traffic]") {
  test::need_second_device();
  auto detector = detector_there();
  const auto batch = batch_there();
  const auto victim = detector.victim(batch.truth);
  Generator rng{Seed(1)};
  CHECK(traffic_of([&] { (void)Pgd{}.perturb(victim, batch.images, rng); }) == Traffic{2, 6});
}

TEST_CASE("a step of training", "[method][device][traffic]") {
  test::need_second_device();
  auto detector = detector_there();
  MovedWeights weights(detector);
  CHECK(traffic_of_step(detector, weights, {Clean{}, NoAttack{}, Rgb{}},
                        {.clip = 1, .average = 0.9}) == Traffic{3, 8});
  CHECK(traffic_of_step(detector, weights, {PgdAdversarial{}, Pgd{}, Rgb{}}, {}) == Traffic{5, 14});
  ScoreMap scores;
  for (const auto& tensor : weights.tensors().decayed) scores.push_back(tensor.detach().clone());
  const auto masks = [&](const auto& granularity) {
    return [&detector, granularity](const ScoreMap& now) {
      return make_mask(detector.graph(), now, Ratio::percent(50), granularity);
    };
  };
  const Mask mask = masks(InputChannel{})(scores);
  MovedWeights masked(detector, &mask);
  CHECK(traffic_of_step(detector, masked, {Clean{}, NoAttack{}, Rgb{}}, {}) == Traffic{2, 8});
  MovedScores moved(detector, scores, Hydra{}.optimizer, masks(Filter{}));
  CHECK(traffic_of_step(detector, moved, {Clean{}, NoAttack{}, Rgb{}}, {}) == Traffic{4, 9});
}

TEST_CASE("an evaluated batch", "[method][device][traffic]") {
  test::need_second_device();
  auto detector = detector_there();
  const auto data = noise_there();
  Silent silent;
  const auto of = [&](std::int64_t images) {
    auto frozen = detector.frozen();
    return traffic_of([&] {
      (void)evaluate(detector, frozen, data, Unattacked{}, Rgb{},
                     {.batch_size = 2, .images = images}, Seed(1), kSecondDevice, silent);
    });
  };
  CHECK(of(4) - of(2) == Traffic{3, 2});
}
