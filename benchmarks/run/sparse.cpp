// Pruned networks through deployment plans, against the same network through LibTorch's dense
// convolutions.
//
// Batch 1, one thread, uniform random scores, so every layer is pruned alike. Every round runs each
// contestant once, in rotating order; times are medians over rounds, ratios medians of the rounds'
// own ratios to "libtorch_dense": LibTorch's convolution with batch norm folded and the activation
// in place. "frozen" is our dense network (fused activation, packed weights). Before anything is
// timed, plan and LibTorch are compared on the same images. Arguments: network (0: YOLOv3 at 416,
// 1: quarter-width YOLOv3 at 160, 2: the demo's slim YOLOv3 at 128), granularity (0: Weight,
// 1: Kernel, 2: Filter), percent.
//
//   OMP_NUM_THREADS=1 bench_sparse --benchmark_out=benchmarks/results/sparse.json

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <map>
#include <string>

#include "serpette/deploy/plan.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/graph/apply_mask.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"
#include "support/contestants.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;

Graph network(std::int64_t which) {
  if (which == 0) return bench::shipped("yolov3", 416);
  if (which == 1) return bench::shipped("yolov3-quarter", 160);
  return bench::shipped("../demo/yolov3-slim", 128);
}

Mask mask(std::int64_t granularity, const Graph& graph, Ratio ratio) {
  Generator rng{Seed(2)};
  ScoreMap scores;
  for (const int i : graph.convolutions())
    scores.push_back(at::randn(weight_shape(graph, i), rng.torch()));
  if (granularity == 0) return make_mask(graph, scores, ratio, Weight{});
  if (granularity == 1) return make_mask(graph, scores, ratio, Kernel{});
  return make_mask(graph, scores, ratio, Filter{});
}

void plan(benchmark::State& state) {
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  Yolov3 net(network(state.range(0)), Seed(1));
  const auto& graph = net.graph();
  Generator rng{Seed(3)};
  const auto images = at::rand({1, 3, graph.input.height, graph.input.width}, rng.torch());
  bench::calibrate(net, images);
  const auto eager = [&] { return bench::FoldedEager(net, at::MemoryFormat::Contiguous); };
  const auto unpruned = eager();
  const auto convolutions = graph.convolutions();
  const auto kept = mask(state.range(1), graph, Ratio::percent(static_cast<int>(state.range(2))));
  for (std::size_t i = 0; i < kept.size(); ++i) apply_mask(kept[i], net.layer(convolutions[i]));

  const FrozenNetwork frozen(net);
  auto fast = deploy::make_plan(net);
  const double error = bench::error(fast.forward(images), eager()(images));
  if (!(error < 1e-4)) return state.SkipWithError("plan and LibTorch disagree");

  bench::rounds(
      state, {
                 {"libtorch_dense_ms", [&] { benchmark::DoNotOptimize(unpruned(images).size()); }},
                 {"frozen_ms", [&] { benchmark::DoNotOptimize(frozen.forward(images).size()); }},
                 {"plan_ms", [&] { benchmark::DoNotOptimize(fast.forward(images).size()); }},
             });
  state.counters["relative_error"] = error;
  std::map<std::string, double> forms{
      {"direct", 0}, {"winograd", 0}, {"weights", 0}, {"shifted_weights", 0}, {"kernels", 0}};
  for (const auto& choice : fast.choices()) ++forms[choice.form];
  for (const auto& [form, layers] : forms) state.counters[form + "_layers"] = layers;
}

}  // namespace

BENCHMARK(plan)
    ->ArgNames({"network", "granularity", "percent"})
    ->ArgsProduct({{0}, {0, 1}, {50, 75, 90, 95, 99}})
    ->ArgsProduct({{0}, {2}, {50, 75, 90}})
    ->Iterations(20)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(plan)
    ->Name("plan_small")
    ->ArgNames({"network", "granularity", "percent"})
    ->ArgsProduct({{1, 2}, {0, 1, 2}, {50, 75, 90, 95, 99}})
    ->Iterations(50)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
