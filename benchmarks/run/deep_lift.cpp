// DeepLIFT of all layers with per-image |S| against one training pass (forward + backward with
// weight gradients).
//
// YOLOv3 at 416, batch 1, one thread, fresh weights with batch norm calibrated on noise. Every
// round runs the three once, in rotating order; the counters are medians over rounds, "ratio" the
// median of the rounds' own ratios. Before anything is timed, the contributions are checked to add
// up to the output difference on the first layer.
//
//   OMP_NUM_THREADS=1 bench_deep_lift --benchmark_out=benchmarks/results/deep_lift.json

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "serpette/core/reused_memory.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/score/deep_lift.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;

struct Setup {
  Yolov3 net{load_cfg(std::filesystem::path(__FILE__).parent_path() / "../../share/cfg/yolov3.cfg"),
             Seed(1)};
  ImageBatch batch;

  Setup() {
    Generator rng{Seed(2)};
    batch.images = torch::empty({1, 3, 416, 416}).uniform_(0, 1, rng.torch());
    batch.truth =
        torch::tensor({0.0F, 3.0F, 0.3F, 0.4F, 0.2F, 0.3F, 0.0F, 7.0F, 0.6F, 0.5F, 0.7F, 0.8F})
            .view({2, 6});
    batch.image_ids = {0};
    batch.geometry = {Letterbox::fit(416, 416, 416, 416)};
    bench::calibrate(net, batch.images);
  }
};

Setup& setup() {
  static const ReusedMemory memory;  // as in our programs; all contestants have it
  static Setup s;
  return s;
}

/// Largest relative error of completeness on the first layer.
double check() {
  auto& [net, batch] = setup();
  const Attribution attribution(net);
  const auto x = attribution.run(batch.images),
             x0 = attribution.run(torch::zeros_like(batch.images));
  const auto now = attribution.heads(x), then = attribution.heads(x0);
  const auto target = net.targets(now, batch.truth);
  double difference = 0, sum = 0;
  for (std::size_t h = 0; h < now.size(); ++h)
    difference += (target[h] * (now[h] - then[h])).sum().item<double>();
  attribution.explain(x, x0, target, [&](std::size_t i, const at::Tensor& sums) {
    if (i == 0) sum = (attribution.weight(0) * sums).sum().item<double>();
  });
  return std::abs(sum - difference) / std::abs(difference);
}

void deep_lift(benchmark::State& state) {
  auto& [net, batch] = setup();
  const double error = check();
  if (!(error < 1e-3))
    return state.SkipWithError("contributions do not add up to the output difference");
  const std::vector<ImageBatch> one{batch}, four(4, batch);
  bench::rounds(state, {
                           {"forward_backward_ms",
                            [&] {
                              for (auto& p : net.parameters()) p.mutable_grad() = at::Tensor();
                              net.loss(net.forward(batch.images), batch.truth).total().backward();
                            },
                            1},
                           {"deep_lift_ms",
                            [&] {
                              Generator rng{Seed(0)};
                              benchmark::DoNotOptimize(DeepLift{}.score_all(net, one, rng));
                            },
                            1},
                           // Four images of batch 1: the reference's forward pass is shared.
                           {"deep_lift_shared_reference_ms",
                            [&] {
                              Generator rng{Seed(0)};
                              benchmark::DoNotOptimize(
                                  DeepLift{.images_at_once = 1}.score_all(net, four, rng));
                            },
                            4},
                       });
  state.counters["completeness_error"] = error;
}

}  // namespace

BENCHMARK(deep_lift)->Iterations(20)->UseManualTime()->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
