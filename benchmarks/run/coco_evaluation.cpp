// COCO evaluation of 5,000 images, 36,335 boxes and 500,000 detections, by stage. Files first:
//   python3 benchmarks/peers/coco_files.py out/coco
//   SERPETTE_COCO_FILES=out/coco bench_coco_evaluation --benchmark_repetitions=20
// Peers run the same files in benchmarks/peers/coco_evaluation.py.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "serpette/io/coco_json.hpp"
#include "serpette/io/detections.hpp"
#include "serpette/metric/coco_evaluation.hpp"

namespace {

using namespace serpette;

std::filesystem::path files() {
  const char* folder = std::getenv("SERPETTE_COCO_FILES");
  return folder == nullptr ? "out/coco" : folder;
}

void whole(benchmark::State& state) {
  for (auto _ : state) {
    const auto truth = load_instances(files() / "instances.json");
    const auto found = read_detections(files() / "detections.json", truth);
    state.counters["AP"] = evaluate(truth, found, static_cast<int>(state.range(0))).AP;
  }
}
BENCHMARK(whole)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void load_truth(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(load_instances(files() / "instances.json"));
}
BENCHMARK(load_truth)->Unit(benchmark::kMillisecond);

void load_detections(benchmark::State& state) {
  const auto truth = load_instances(files() / "instances.json");
  for (auto _ : state)
    benchmark::DoNotOptimize(read_detections(files() / "detections.json", truth));
}
BENCHMARK(load_detections)->Unit(benchmark::kMillisecond);

void evaluation(benchmark::State& state) {
  const auto truth = load_instances(files() / "instances.json");
  const auto found = read_detections(files() / "detections.json", truth);
  for (auto _ : state)
    benchmark::DoNotOptimize(evaluate(truth, found, static_cast<int>(state.range(0))));
}
BENCHMARK(evaluation)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  if (!std::filesystem::exists(files() / "detections.json")) {
    fmt::print(stderr,
               "{}: should hold instances.json and detections.json; make them with "
               "benchmarks/peers/coco_files.py {}\n",
               files().string(), files().string());
    return 2;
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
