// What another device computes is what the CPU computes. Held by the GPU where there is one, and
// elsewhere by a second device in the CPU's memory, which takes the paths that a GPU takes.
// On the second device a detector of plain operations gives the CPU's numbers to the bit; Yolov3
// does so up to rounding, since on the CPU it has kernels of its own.

#include "serpette/torch/nn.hpp"

#include <ATen/Parallel.h>
#include <torch/cuda.h>

#include <boost/hana/for_each.hpp>

#include <algorithm>
#include <array>
#include <vector>

#include "serpette/attack/registry.hpp"
#include "serpette/attack/restarts.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/core/reproducible.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/objective/adversarial_only.hpp"
#include "serpette/objective/both_forms.hpp"
#include "serpette/objective/clean.hpp"
#include "serpette/objective/distilled.hpp"
#include "serpette/objective/fast_adversarial.hpp"
#include "serpette/objective/free_adversarial.hpp"
#include "serpette/objective/mixed.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "serpette/objective/trades_like.hpp"
#include "serpette/objective/under.hpp"
#include "serpette/prune/block.hpp"
#include "serpette/prune/both.hpp"
#include "serpette/prune/erdos_renyi_kernel.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/global.hpp"
#include "serpette/prune/input_channel.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/lamp.hpp"
#include "serpette/prune/layers.hpp"
#include "serpette/prune/n_of_m.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/registry.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/scratch.hpp"
#include "support/second_device.hpp"
#include "support/slim_yolov3.hpp"
#include "support/small_study.hpp"

using namespace serpette;
using test::kSecondDevice;
using test::TinyDetector;

namespace {

/// The device that is held against the CPU.
at::Device other_device() {
  if (test::kSecondDeviceIsKnown) return kSecondDevice;
  make_reproducible();
  return {at::kCUDA, 0};
}

/// Residual blocks, a route back up and two heads, without the max-pools, whose gradients a GPU
/// sums in any order.
Graph residual_graph() {
  const Convolutional conv{.filters = 8,
                           .size = 3,
                           .padding = 1,
                           .batch_normalize = true,
                           .activation = Activation::kLeaky};
  auto half = conv;
  half.stride = 2;
  return test::GraphBuilder({3, 16, 16})
      .conv(conv)
      .conv(conv)
      .shortcut(0)
      .conv(half)
      .head(2)
      .route({3})
      .upsample()
      .route({7, 2})
      .conv(conv)
      .head(2)
      .done();
}

/// One that finds boxes, as an attack on its own wants: fresh heads find nothing.
template <class D>
D seeing(D detector) {
  const at::NoGradGuard no_grad;
  const auto& graph = detector.graph();
  for (const int head : graph.heads())
    LayerParameters(detector.layer(graph[head].inputs.front()))
        .bias.view({-1, 5 + graph.head(head).classes})
        .select(1, 4)
        .fill_(0.5);
  return detector;
}

/// A detector on the CPU and the same one elsewhere, and how near their numbers should be.
template <class D>
struct Twins {
  D here, there;
  at::Device device;
  double relative;  ///< Largest difference by the largest number; 0: equal.

  Twins(const D& detector, at::Device device, double relative)
      : here(detector.clone()), there(detector.clone()), device(device), relative(relative) {
    there.to(device);
  }

  void check(const at::Tensor& a, const at::Tensor& b) const {
    REQUIRE(a.is_cpu());
    REQUIRE(b.device() == device);
    check_numbers(a, b.cpu());
  }
  void check_numbers(const at::Tensor& a, const at::Tensor& b) const {
    REQUIRE(a.sizes() == b.sizes());
    if (a.numel() == 0) return;
    if (relative == 0)
      CHECK(a.equal(b));
    else
      CHECK((a - b).abs().max().item<double>() <= relative * a.abs().max().item<double>());
  }
  void check(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) const {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) check(a[i], b[i]);
  }
  /// Images of attacks: a gradient that is next to nothing may have either sign.
  void check_images(const at::Tensor& a, const at::Tensor& b) const {
    REQUIRE(b.device() == device);
    if (relative == 0)
      CHECK(a.equal(b.cpu()));
    else
      CHECK(((a - b.cpu()).abs() > 1e-4).to(at::kFloat).mean().item<double>() < 0.01);
  }
};

/// Calls f with detectors on the other device, of all kinds where that is the second. On one
/// thread: by their number LibTorch chooses a convolution's algorithm on the CPU, but not
/// elsewhere.
template <class F>
void on_the_other_device(const F& f) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto device = other_device();
  INFO(device);
  f(Twins(seeing(Yolov3(residual_graph(), Seed(1))), device, 1e-4));
  if (device == kSecondDevice) {
    f(Twins(seeing(Yolov3(test::all_kinds(), Seed(1))), device, 1e-4));
    f(Twins(seeing(TinyDetector(test::all_kinds(), Seed(1))), device, 0));
  }
  at::set_num_threads(threads);
}

ImageBatch four_images() {
  return test::NoiseData(4, 1).batch(std::vector<std::int64_t>{0, 1, 2, 3});
}

/// Shorter, where a policy has a length.
template <class P>
P brief(P policy) {
  if constexpr (requires { policy.steps; }) policy.steps = 4;
  if constexpr (requires { policy.queries; }) policy.queries = 6;
  if constexpr (requires { policy.searches; }) policy.searches = 2;
  return policy;
}

}  // namespace

TEST_CASE("heads, loss, gradients and detections are the CPU's", "[method][device]") {
  on_the_other_device([](auto twins) {
    auto &here = twins.here, &there = twins.there;
    const at::Device device = twins.device;
    const auto batch = four_images(), moved = batch.to(device);
    for (const bool training : {false, true}) {
      here.train(training);
      there.train(training);
      const auto a = here.forward(batch.images), b = there.forward(moved.images);
      twins.check(a, b);
      const auto loss = here.loss(a, batch.truth).total();
      const auto other = there.loss(b, moved.truth).total();
      twins.check(loss, other);
      loss.backward();
      other.backward();
    }
    const auto parameters = here.parameters(), others = there.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      twins.check(parameters[i].grad(), others[i].grad());
    here.train(false);
    there.train(false);
    twins.check(here.frozen().forward(batch.images), there.frozen().forward(moved.images));

    const at::NoGradGuard no_grad;
    const auto found = here.detections(here.forward(batch.images), batch, 0.001);
    const auto too = there.detections(there.forward(moved.images), moved, 0.001);
    REQUIRE(found.size() == too.size());
    for (std::size_t n = 0; n < found.size(); ++n) {
      REQUIRE(!found[n].empty());
      CHECK(found[n].size() == too[n].size());
      CHECK(std::abs(found[n].front().score - too[n].front().score) < 1e-5);
    }
  });
}

TEST_CASE("every attack makes the CPU's images", "[method][device]") {
  on_the_other_device([](auto twins) {
    auto &here = twins.here, &there = twins.there;
    const at::Device device = twins.device;
    const auto batch = four_images(), moved = batch.to(device);
    const auto agrees = [&](const auto& attack, const ErasedColorMode& color) {
      INFO(attack.name << ", " << color.name);
      Generator rng{Seed(1)}, same{Seed(1)};
      twins.check_images(attacked_images(here, batch, attack, color, rng),
                         attacked_images(there, moved, attack, color, same));
    };
    boost::hana::for_each(kAttacks, [&](const auto& entry) { agrees(brief(entry.policy), Rgb{}); });
    agrees(Pgd{.epsilon = 2, .step = 1, .steps = 2, .random_start = true, .norm = Norm::kL2},
           Rgb{});
    agrees(Pgd{.steps = 2}, GreyscaleRec601{});
    agrees(Restarts<Pgd>{{.steps = 2, .random_start = true}, 2}, Rgb{});
  });
}

TEST_CASE("every score is the CPU's", "[method][device]") {
  on_the_other_device([](auto twins) {
    auto &here = twins.here, &there = twins.there;
    const at::Device device = twins.device;
    const std::vector<ImageBatch> batches{four_images()}, moved{batches.front().to(device)};
    const auto agrees = [&](const ErasedScore& score) {
      INFO(score.name);
      auto near = twins;  // what explains all layers at once has kernels of its own on the CPU
      if (score.score_all) near.relative = std::max(near.relative, 1e-4);
      near.check(importance_scores(score, here, batches, Seed(3)),
                 importance_scores(score, there, moved, Seed(3)));
    };
    boost::hana::for_each(kScores, [&](const auto& entry) { agrees(entry.policy); });
    for (const auto reference : {Reference::kLetterboxGrey, Reference::kImageMean,
                                 Reference::kBlurred, Reference::kCleanTwin})
      agrees(DeepLift{.reference = reference});
    for (const auto target : {Target::kLoss, Target::kDetectionAndBox, Target::kLogits})
      agrees(DeepLift{.target = target, .aggregate = Aggregate::kRms});
    agrees(DeepLift{.rule = AttributionRule::kRevealCancel, .aggregate = Aggregate::kSigned});
  });
}

TEST_CASE("every objective has the CPU's loss and gradients", "[method][device]") {
  on_the_other_device([](auto twins) {
    auto &here = twins.here, &there = twins.there;
    const at::Device device = twins.device;
    const auto batch = four_images(), moved = batch.to(device);
    const auto agrees = [&](const auto& objective) {
      INFO(objective.name);
      const auto run = [&](auto& detector, const ImageBatch& images) {
        Generator rng{Seed(1)};
        const auto adversary =
            make_adversary(detector, Pgd{.steps = 2, .random_start = true}, Rgb{}, rng);
        auto state = objective.start({.teacher = deploy_frozen(detector)});
        for (const auto& parameter : detector.parameters()) parameter.mutable_grad() = at::Tensor();
        std::vector<at::Tensor> results;
        for (int replay = 0; replay < 2; ++replay) {  // some remember the step before
          detector.train(true);
          results.push_back(state.loss(detector, images, adversary));
          results.back().backward();
          detector.train(false);
        }
        for (const auto& parameter : detector.parameters()) results.push_back(parameter.grad());
        return results;
      };
      const auto a = run(here, batch), b = run(there, moved);
      twins.check(a[0], b[0]);
      // Of Yolov3 the gradients under attack are those of images that differ in a pixel or two.
      for (std::size_t i = 2; i < a.size() && twins.relative == 0; ++i) twins.check(a[i], b[i]);
    };
    agrees(PgdAdversarial{});
    agrees(BothForms{});
    agrees(AdversarialOnly{});
    agrees(Clean{});
    agrees(FreeAdversarial<>{});
    agrees(FastAdversarial{});
    agrees(TradesLike{});
    agrees(Mixed<Under<TogVanishing, AdversarialOnly>, Clean>{});
    agrees(Distilled<BothForms>{});
  });
}

TEST_CASE("every granularity makes the CPU's masks, and applies them where the network is",
          "[method][device]") {
  const auto device = other_device();
  INFO(device);
  const Twins twins(TinyDetector(test::slim_yolov3(), Seed(1)), device, 0);
  const auto &here = twins.here, &there = twins.there;
  Generator rng{Seed(2)};
  ScoreMap scores, moved;
  for (const int i : here.graph().convolutions()) {
    scores.push_back(at::rand(LayerParameters(here.layer(i)).weight.sizes(), rng.torch()));
    moved.push_back(scores.back().to(device));
  }
  const auto agrees = [&](const auto& granularity, const auto& allocation) {
    INFO(granularity.name << ", " << allocation.name);
    const auto ratio = Ratio::percent(30);
    const auto a = make_mask(here.graph(), scores, ratio, granularity, allocation);
    const auto b = make_mask(there.graph(), moved, ratio, granularity, allocation);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i)
      for (const auto part : {&LayerMask::weight, &LayerMask::filter, &LayerMask::input}) {
        REQUIRE((a[i].*part).defined() == (b[i].*part).defined());
        if (!(a[i].*part).defined()) continue;
        REQUIRE((b[i].*part).device() == device);
        CHECK((a[i].*part).equal((b[i].*part).cpu()));
      }
    auto one = here.clone(), two = there.clone();
    apply_mask(a, one);
    apply_mask(b, two);
    const auto masked = state_of(one), others = state_of(two);
    for (std::size_t i = 0; i < masked.size(); ++i) CHECK(masked[i].equal(others[i].cpu()));
    const auto small = state_of(one.compact(a)), too = state_of(two.compact(b));
    for (std::size_t i = 0; i < small.size(); ++i) CHECK(small[i].equal(too[i].cpu()));
  };
  agrees(Weight{}, PerLayer{});
  agrees(Weight{}, Global{});
  agrees(Weight{}, Lamp{});
  agrees(Weight{}, ErdosRenyiKernel{});
  agrees(Kernel{}, PerLayer{});
  agrees(Filter{}, PerLayer{});
  agrees(InputChannel{}, PerLayer{});
  agrees(Block<2, 4>{}, PerLayer{});
  agrees(NofM<2, 4>{.skip_uneven = true}, PerLayer{});
  agrees(Layers{}, PerLayer{});
  agrees(Both<Filter, Weight>{}, PerLayer{});
}

TEST_CASE("a study on the second device has the CPU's tables, to the last digit",
          "[method][device]") {
  test::need_second_device();
  test::SmallStudy study;
  study.scenarios = {"original", "structured_hydra"};
  const test::Scratch here, there;
  REQUIRE(study.run(here.path()) == 0);
  study.device = kSecondDevice;
  REQUIRE(study.run(there.path()) == 0);
  CHECK(test::timeless(here / "cells.csv") == test::timeless(there / "cells.csv"));
}

TEST_CASE("a cell elsewhere has the same numbers each time", "[method][device]") {
  const test::NoiseData train(8, 1), test(4, 2);
  const Budget budget{
      .pretrain = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3, .clip = 1, .average = 0.9},
      .scores = {.steps = 2, .batch_size = 2},
      .finetune = {.steps = 2,
                   .batch_size = 2,
                   .learning_rate = 1e-3,
                   .optimizer = TrainSettings::Optimizer::kAdamW,
                   .statistics_images = 2},
      .score_images = 4,
      .evaluate = {.batch_size = 2, .images = 4, .timing_images = 2, .timing_warmup = 1}};
  const auto device = other_device();
  INFO(device);
  Yolov3 pretrained = seeing(Yolov3(residual_graph(), Seed(1)));
  pretrained.to(device);
  const Experiment experiment(pretrained, train, test, budget, Seed(5), device);
  Silent silent;
  const auto run = [&] {
    return run_cell(
        Scenario<Hydra, Filter, Pgd, Rgb>{.schedule = {.curve = Curve::kIterative, .rounds = 2}},
        experiment, NoStore{}, {"s", 1, Ratio::percent(50)}, silent);
  };
  const auto once = run(), again = run();
  CHECK(once.trained.network.device() == device);
  CHECK(!once.measured.clean.detections.empty());
  CHECK((once.measured.clean.detections == again.measured.clean.detections));
  CHECK((once.measured.attacked.detections == again.measured.attacked.detections));
  const auto first = state_of(once.trained.network), second = state_of(again.trained.network);
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(first[i].cpu().equal(second[i].cpu()));
}
