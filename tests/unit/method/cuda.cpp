// What is computed on a GPU is what the CPU computes, up to rounding, and the same each time.

#include <torch/cuda.h>

#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/core/reproducible.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/hydra.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/noise_data.hpp"

using namespace serpette;

namespace {

/// The GPU, or SKIPPED where there is none.
at::Device gpu() {
  if (!torch::cuda::is_available()) SKIP("no CUDA device here");
  make_reproducible();
  return {at::kCUDA, 0};
}

/// Residual blocks, a route back up and two heads, without the max-pools, whose gradients a GPU
/// sums in any order.
Yolov3 detector(at::Device device) {
  const Convolutional conv{.filters = 8,
                           .size = 3,
                           .padding = 1,
                           .batch_normalize = true,
                           .activation = Activation::kLeaky};
  auto half = conv;
  half.stride = 2;
  Yolov3 net(test::GraphBuilder({3, 16, 16})
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
                 .done(),
             Seed(1));
  net.to(device);
  return net;
}

void check_close(const at::Tensor& a, const at::Tensor& b, double relative) {
  const auto scale = a.cpu().abs().max().item<double>();
  CHECK((a.cpu() - b.cpu()).abs().max().item<double>() <= relative * scale);
}

}  // namespace

TEST_CASE("heads, loss and gradients are the CPU's", "[pipeline][cuda]") {
  const auto device = gpu();
  auto here = detector(at::kCPU), there = detector(device);
  const auto batch = test::NoiseData(4, 1).batch(std::vector<std::int64_t>{0, 1, 2, 3});
  for (const bool training : {false, true}) {
    here.train(training);
    there.train(training);
    const auto a = here.forward(batch.images), b = there.forward(batch.images.to(device));
    for (std::size_t h = 0; h < a.size(); ++h) check_close(a[h], b[h], 1e-5);
    const auto loss = here.loss(a, batch.truth).total();
    const auto other = there.loss(b, batch.truth.to(device)).total();
    CHECK(std::abs(loss.item<double>() - other.item<double>()) < 1e-5 * loss.item<double>());
    loss.backward();
    other.backward();
  }
  for (std::size_t i = 0; i < here.parameters().size(); ++i)
    check_close(here.parameters()[i].grad(), there.parameters()[i].grad(), 1e-4);
}

TEST_CASE("attacks, DeepLIFT scores and detections are the CPU's", "[pipeline][cuda]") {
  const auto device = gpu();
  auto here = detector(at::kCPU), there = detector(device);
  const auto batch = test::NoiseData(4, 1).batch(std::vector<std::int64_t>{0, 1, 2, 3});
  Generator rng{Seed(1)}, same{Seed(1)};
  const auto truth = batch.truth;
  const Pgd attack{.steps = 2, .random_start = true};
  const auto x = attack.perturb(here.victim(truth), batch.images, rng);
  const auto y =
      attack.perturb(there.victim(truth.to(device)), batch.images.to(device), same).cpu();
  // A gradient that is next to nothing may have either sign.
  CHECK(((x - y).abs() > 1e-5).to(at::kFloat).mean().item<double>() < 1e-3);

  const std::vector<ImageBatch> on_cpu{batch}, on_gpu{batch.to(device)};
  const auto a = DeepLift{}.score_all(here, on_cpu, rng);
  const auto b = DeepLift{}.score_all(there, on_gpu, same);
  for (std::size_t i = 0; i < a.size(); ++i) check_close(a[i], b[i], 1e-4);

  const auto found = here.detections(here.forward(batch.images), batch, 0.001);
  const auto too = there.detections(there.forward(on_gpu[0].images), on_gpu[0], 0.001);
  REQUIRE(found.size() == too.size());
  for (std::size_t n = 0; n < found.size(); ++n) {
    REQUIRE(!found[n].empty());
    CHECK(found[n].size() == too[n].size());
    CHECK(std::abs(found[n].front().score - too[n].front().score) < 1e-5);
  }
}

TEST_CASE("a cell on the GPU has the same numbers each time", "[pipeline][cuda]") {
  const auto device = gpu();
  const test::NoiseData train(8, 1), test(4, 2);
  const Budget budget{
      .pretrain = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
      .scores = {.steps = 2, .batch_size = 2},
      .finetune = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
      .score_images = 4,
      .evaluate = {.batch_size = 2, .images = 4, .timing_images = 2, .timing_warmup = 1}};
  const Experiment experiment(detector(device), train, test, budget, Seed(5), device);
  Silent silent;
  const auto run = [&] {
    return run_cell(Scenario<Hydra, Filter, Pgd, Rgb>{}, experiment, NoStore{},
                    {"s", 1, Ratio::percent(50)}, silent);
  };
  const auto once = run(), again = run();
  CHECK(once.trained.network.device() == device);
  CHECK((once.measured.clean.detections == again.measured.clean.detections));
  CHECK((once.measured.attacked.detections == again.measured.attacked.detections));
  const auto first = state_of(once.trained.network), second = state_of(again.trained.network);
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(first[i].cpu().equal(second[i].cpu()));
}
