// The detector's own work against LibTorch eager: forward, decode + NMS, loss, training step.
//
// One thread, fresh weights with batch norm calibrated on noise, the same tensors for all. Every
// round runs each contestant once, in rotating order; counters are medians over rounds, `ratio_…`
// the median of the rounds' own ratios to the first contestant. Before anything is timed the
// contestants' answers are compared (`error`).
//
//   forward        YOLOv3 at 416, batch 1. First: eager, batch norm folded, channels-last.
//   decode         heads of YOLOv3 at 416, logits like a trained network's, at 0.001 and 0.5; and a
//                  network that fires everywhere.
//   loss           those heads at batch 8, 56 truths: decide and add up; with its gradient.
//   training_step  quarter-width YOLOv3 at 416, batch 8: forward, loss, backward, SGD. First:
//   eager,
//                  channels-first, float.
//
//   OMP_NUM_THREADS=1 bench_network --benchmark_out=benchmarks/results/network.json

#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "serpette/detector/yolov3.hpp"
#include "serpette/graph/execute.hpp"
#include "support/contestants.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;
using bench::boxes, bench::error, bench::FoldedEager, bench::noise, bench::shipped;

/// A module as people write it: channels-first convolution, batch norm, activation in place.
std::vector<at::Tensor> eager(const Yolov3& net, const at::Tensor& images, bool training) {
  return run_graph(net.graph(), images, [&](int i, const at::Tensor& x) {
    const auto p = net.layer(i);
    const auto& c = net.graph().convolution(i);
    auto y = at::conv2d(x, p.weight, p.bias, c.stride, c.padding);
    if (p.gamma.defined())
      y = at::batch_norm(y, p.gamma, p.beta, p.running_mean, p.running_var, training, 0.1, 1e-5,
                         true);
    return c.activation == Activation::kLeaky ? at::leaky_relu_(y, kLeakySlope) : y;
  });
}

void forward(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  const auto images = noise({1, 3, 416, 416});
  Yolov3 net(shipped("yolov3", 416), Seed(1));
  bench::calibrate(net, images);
  const auto frozen = net.frozen();
  const FoldedEager folded(net, at::MemoryFormat::ChannelsLast);
  const double worst = std::max(error(frozen.forward(images), folded(images)),
                                error(frozen.forward(images), eager(net, images, false)));
  if (!(worst < 1e-4)) return state.SkipWithError("the contestants' heads differ");
  bench::rounds(
      state, {{"eager_folded_channels_last_ms", [&] { benchmark::DoNotOptimize(folded(images)); }},
              {"serpette_ms", [&] { benchmark::DoNotOptimize(frozen.forward(images)); }},
              {"eager_ms", [&] { benchmark::DoNotOptimize(eager(net, images, false)); }},
              {"freeze_ms", [&] { benchmark::DoNotOptimize(net.frozen()); }}});
  state.counters["error"] = worst;
}

/// Heads of YOLOv3 at 416: mostly background, some objects.
std::vector<at::Tensor> plausible_heads(std::int64_t images) {
  Generator rng{Seed(4)};
  std::vector<at::Tensor> heads;
  for (const int side : {13, 26, 52}) {
    auto head = at::empty({images, 255, side, side}).normal_(0, 1, rng.torch());
    auto split = head.view({images, 3, 85, side, side});
    split.narrow(2, 4, 1).mul_(2).sub_(7);
    split.narrow(2, 5, 80).mul_(1.5).sub_(5);
    heads.push_back(head.contiguous(at::MemoryFormat::ChannelsLast));
  }
  return heads;
}

void decode_and_nms(benchmark::State& state) {
  const auto graph = shipped("yolov3", 416);
  const auto heads = plausible_heads(1);
  std::vector<at::Tensor> flat;
  for (const auto& head : heads) flat.push_back(at::zeros_like(head));
  const ImageBatch batch{
      at::zeros({1, 3, 416, 416}), at::zeros({0, 6}), {1}, {Letterbox::fit(640, 480, 416, 416)}};
  const auto at_confidence = [&](const std::vector<at::Tensor>& h, double confidence) {
    benchmark::DoNotOptimize(decode(graph, h, batch, {.confidence = confidence}));
  };
  state.counters["detections"] = double(decode(graph, heads, batch)[0].size());
  bench::rounds(state, {{"standard_ms", [&] { at_confidence(heads, 0.001); }},
                        {"paper_ms", [&] { at_confidence(heads, 0.5); }},
                        {"fires_everywhere_ms", [&] { at_confidence(flat, 0.001); }}});
}

void loss(benchmark::State& state) {
  const auto graph = shipped("yolov3", 416);
  const YoloLoss criterion(graph);
  auto heads = plausible_heads(8);
  for (auto& head : heads) head.requires_grad_(true);
  const auto truth = boxes(8);
  const auto value = [&] { return criterion(heads, criterion.assign(heads, truth)).total(); };
  bench::rounds(state, {{"value_ms", [&] { benchmark::DoNotOptimize(value()); }},
                        {"value_and_gradient_ms", [&] {
                           benchmark::DoNotOptimize(torch::autograd::grad({value()}, heads));
                         }}});
}

void training_step(benchmark::State& state) {
  const auto side = state.range(0);
  const auto images = noise({8, 3, side, side});
  const auto graph = shipped("yolov3-quarter", side);
  const auto truth = boxes(8);
  struct Trainee {
    Yolov3 net;
    torch::optim::SGD optimizer;
    explicit Trainee(const Graph& graph)
        : net(graph, Seed(1)),
          optimizer(net.parameters(), torch::optim::SGDOptions(1e-5).momentum(0.9)) {
      net.train(true);
    }
  };
  Trainee plain(graph), ours(graph), half(graph);
  half.net.set_precision(Precision::kBFloat16);
  const auto step = [&](Trainee& t, auto&& forward) {
    t.optimizer.zero_grad();
    t.net.loss(forward(), truth).total().backward();
    t.optimizer.step();
  };
  const auto plain_forward = [&] { return eager(plain.net, images, true); };
  const double worst = error(ours.net.forward(images), plain_forward());
  if (!(worst < 1e-3)) return state.SkipWithError("the contestants' heads differ");
  bench::rounds(state,
                {{"eager_ms", [&] { step(plain, plain_forward); }},
                 {"float_ms", [&] { step(ours, [&] { return ours.net.forward(images); }); }},
                 {"bfloat16_ms", [&] { step(half, [&] { return half.net.forward(images); }); }}});
  state.counters["error"] = worst;
}

}  // namespace

BENCHMARK(forward)->Iterations(20)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(decode_and_nms)->Iterations(50)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(loss)->Iterations(50)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(training_step)
    ->Arg(416)
    ->Arg(160)
    ->Iterations(20)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
