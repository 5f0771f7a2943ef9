// Masks of every granularity at 50 %, and for Filter the smaller network, from given scores.
//
// YOLOv3 at 416 (61.9 M weights), one thread, random scores; medians over rounds.
// "mask_and_compaction_ms" is what a pruning step costs: scores in, smaller network out. "apply_ms"
// is what masked training adds to an optimizer step. Before anything is timed, the smaller
// network's outputs are compared with the masked one's.
//
//   OMP_NUM_THREADS=1 bench_compaction --benchmark_out=benchmarks/results/compaction.json

#include <benchmark/benchmark.h>

#include <filesystem>

#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/graph/apply_mask.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;

void mask_and_compaction(benchmark::State& state) {
  Yolov3 net(load_cfg(std::filesystem::path(__FILE__).parent_path() / "../../share/cfg/yolov3.cfg"),
             Seed(1));
  const Graph& graph = net.graph();
  const auto half = Ratio::percent(50);
  Generator rng{Seed(2)};
  ScoreMap scores;
  for (const int i : graph.convolutions())
    scores.push_back(at::randn(weight_shape(graph, i), rng.torch()));

  const auto apply = [&](Yolov3& to, const Mask& mask) {
    const auto convolutions = graph.convolutions();
    for (std::size_t i = 0; i < mask.size(); ++i) apply_mask(mask[i], to.layer(convolutions[i]));
  };
  const auto weights = make_mask(graph, scores, half, Weight{}),
             filters = make_mask(graph, scores, half, Filter{});
  const auto images = at::rand({1, 3, graph.input.height, graph.input.width}, rng.torch());
  bench::calibrate(net, images);
  auto masked = net.clone(), small = net.compact(filters);
  apply(masked, filters);
  double error = 0;
  {
    const at::NoGradGuard no_grad;
    const auto expected = masked.forward(images), got = small.forward(images);
    for (std::size_t h = 0; h < got.size(); ++h)
      error = std::max(
          error, ((got[h] - expected[h]).abs().max() / expected[h].abs().max()).item<double>());
  }
  if (!(error < 1e-5)) return state.SkipWithError("masked and smaller network disagree");

  bench::rounds(
      state,
      {
          {"mask_and_compaction_ms",
           [&] {
             benchmark::DoNotOptimize(
                 net.compact(make_mask(graph, scores, half, Filter{})).graph().size());
           }},
          {"filter_mask_ms",
           [&] { benchmark::DoNotOptimize(make_mask(graph, scores, half, Filter{}).size()); }},
          {"weight_mask_ms",
           [&] { benchmark::DoNotOptimize(make_mask(graph, scores, half, Weight{}).size()); }},
          {"kernel_mask_ms",
           [&] { benchmark::DoNotOptimize(make_mask(graph, scores, half, Kernel{}).size()); }},
          {"apply_ms", [&] { apply(masked, weights); }},
      });
  state.counters["relative_error"] = error;
  state.counters["parameters_left"] = double(parameters(small.graph())) / double(parameters(graph));
  state.counters["macs_left"] = double(macs(small.graph())) / double(macs(graph));
}

}  // namespace

BENCHMARK(mask_and_compaction)->Iterations(20)->UseManualTime()->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
