// The network, attacks and training on a CUDA device; says so and times nothing where none is.
//
// A contestant ends when what it started on the device has ended. Before anything is timed the
// contestants' heads are compared (`error`; those of TF32, bf16 and the graph beside it).
//
//   forward        YOLOv3 at 416, batch 1 and 8. First: LibTorch eager, batch norm folded. Then
//                  eager in channels-last; ours in float, TF32 and bf16, and recorded as a CUDA
//                  graph; the network without the whole filters of 75 % of the parameters. Zeros
//                  among the weights change no time here: a GPU runs them dense.
//   pgd_5          five steps of PGD on 16 images of the demo's network at 224, of YOLOv3-tiny at
//                  320 and of YOLOv3 at 416.
//   training_step  a step of Adam on 16 images, half of them under that attack.
//   processes      how many images a second are trained on by several of these programs at once.
//                  One serves them in turns, unless NVIDIA's MPS runs (nvidia-cuda-mps-control -d).
//
//   bench_gpu --benchmark_out=benchmarks/results/gpu.json --benchmark_out_format=json

#include <benchmark/benchmark.h>
#include <torch/cuda.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#ifdef SERPETTE_HAS_CUDA_GRAPH  // with CUDA's own headers, which LibTorch does not bring
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#endif

#include "serpette/attack/pgd.hpp"
#include "serpette/core/reproducible.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/mask.hpp"
#include "support/contestants.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;
using bench::boxes, bench::error, bench::FoldedEager, bench::noise, bench::shipped;

const at::Device kGpu(at::kCUDA, 0);

/// Whether there is something to time; says why not.
bool has_gpu(benchmark::State& state) {
  if (torch::cuda::is_available()) {
    make_reproducible();
    return true;
  }
  state.SkipWithError("no CUDA device is here");
  return false;
}

/// Products of floats rounded to TF32 while it lives.
class Tf32 {
 public:
  Tf32() { set(true); }
  ~Tf32() { set(false); }
  Tf32(const Tf32&) = delete;
  Tf32& operator=(const Tf32&) = delete;

 private:
  static void set(bool on) {
    at::globalContext().setAllowTF32CuDNN(on);
    at::globalContext().setAllowTF32CuBLAS(on);
  }
};

Yolov3 network(const std::string& name, std::int64_t side) {
  Yolov3 net(shipped(name, side), Seed(1));
  bench::calibrate(net, noise({1, 3, side, side}));
  return net;
}

/// A contestant that waits for the device.
template <class F>
bench::Contestant until_done(std::string name, F work) {
  return {std::move(name), [work] {
            benchmark::DoNotOptimize(work());
            torch::cuda::synchronize();
          }};
}

#ifdef SERPETTE_HAS_CUDA_GRAPH
/// A network's work on these images, started at once.
class Recorded {
 public:
  Recorded(FrozenNetwork net, at::Tensor images)
      : net_(std::move(net)), images_(std::move(images)) {
    const c10::cuda::CUDAStreamGuard side(c10::cuda::getStreamFromPool());
    for (int i = 0; i < 3; ++i) net_.forward(images_);
    graph_.capture_begin();
    heads_ = net_.forward(images_);
    graph_.capture_end();
  }
  const std::vector<at::Tensor>& operator()() {
    graph_.replay();
    return heads_;
  }

 private:
  FrozenNetwork net_;
  at::Tensor images_;
  at::cuda::CUDAGraph graph_;
  std::vector<at::Tensor> heads_;
};
#endif

void forward(benchmark::State& state) {
  if (!has_gpu(state)) return;
  const torch::NoGradGuard no_grad;
  constexpr int kSide = 416;
  auto net = network("yolov3", kSide);
  ScoreMap scores;
  for (const int i : net.graph().convolutions()) scores.push_back(net.layer(i).weight.abs());
  auto few = net.compact(make_mask(net.graph(), scores, Ratio::percent(75), Filter{}));
  net.to(kGpu);
  few.to(kGpu);
  const auto images = noise({state.range(0), 3, kSide, kSide}).to(kGpu);
  const FoldedEager eager(net, at::MemoryFormat::Contiguous),
      last(net, at::MemoryFormat::ChannelsLast);
  const auto ours = net.frozen(), pruned = few.frozen();
  auto coarse = net.clone();
  coarse.set_precision(Precision::kBFloat16);
  const auto bf16 = coarse.frozen();

  const auto exact = eager(images);
  const double worst = std::max(error(ours.forward(images), exact), error(last(images), exact));
  if (!(worst < 1e-3)) return state.SkipWithError("the contestants' heads differ");
  state.counters["error"] = worst;
  state.counters["error_bf16"] = error(bf16.forward(images), exact);
  {
    const Tf32 tf32;
    state.counters["error_tf32"] = error(ours.forward(images), exact);
  }
  std::vector<bench::Contestant> contestants{
      until_done("eager_ms", [&] { return eager(images); }),
      until_done("eager_channels_last_ms", [&] { return last(images); }),
      until_done("float_ms", [&] { return ours.forward(images); }),
      until_done("tf32_ms",
                 [&] {
                   const Tf32 tf32;
                   return ours.forward(images);
                 }),
      until_done("bf16_ms", [&] { return bf16.forward(images); }),
      until_done("quarter_of_parameters_ms", [&] { return pruned.forward(images); })};
#ifdef SERPETTE_HAS_CUDA_GRAPH
  Recorded recorded(ours, images), recorded_bf16(bf16, images);
  state.counters["error_graph"] = error(recorded(), exact);
  contestants.push_back(until_done("float_graph_ms", [&] { return recorded(); }));
  contestants.push_back(until_done("bf16_graph_ms", [&] { return recorded_bf16(); }));
#endif
  bench::rounds(state, contestants);
}

/// The networks of `pgd_5` and `training_step`, by their argument.
Yolov3 trained_network(std::int64_t side) {
  auto net = network(side == 224   ? "../demo/yolov3-slim"
                     : side == 320 ? "yolov3-tiny"
                                   : "yolov3",
                     side);
  net.to(kGpu);
  return net;
}

constexpr std::int64_t kBatch = 16;

std::uint64_t classes(const Yolov3& net) {
  return static_cast<std::uint64_t>(net.graph().classes());
}

/// Images a second beside every contestant's time.
void add_rates(benchmark::State& state, const std::vector<bench::Contestant>& contestants) {
  for (const auto& c : contestants) {
    const auto name = c.name.substr(0, c.name.size() - 3);  // without _ms
    state.counters[name + "_images_per_second"] = 1e3 * double(kBatch) / state.counters[c.name];
  }
}

/// `work(net)` in float, TF32 and bf16, each with a network of its own.
template <class Work>
void in_every_precision(benchmark::State& state, std::vector<Yolov3>& nets, const Work& work) {
  nets[2].set_precision(Precision::kBFloat16);
  const std::vector<bench::Contestant> contestants{until_done("float_ms", [&] { return work(0); }),
                                                   until_done("tf32_ms",
                                                              [&] {
                                                                const Tf32 tf32;
                                                                return work(1);
                                                              }),
                                                   until_done("bf16_ms", [&] { return work(2); })};
  bench::rounds(state, contestants);
  add_rates(state, contestants);
}

void pgd_5(benchmark::State& state) {
  if (!has_gpu(state)) return;
  const auto net = trained_network(state.range(0));
  std::vector<Yolov3> nets{net.clone(), net.clone(), net.clone()};
  const auto images = noise({kBatch, 3, state.range(0), state.range(0)}).to(kGpu);
  const auto truth = boxes(kBatch, classes(net));
  Generator rng{Seed(4)};
  in_every_precision(state, nets, [&](std::size_t k) {
    return Pgd{}.perturb(nets[k].victim(truth), images, rng);
  });
}

void training_step(benchmark::State& state) {
  if (!has_gpu(state)) return;
  const auto net = trained_network(state.range(0));
  std::vector<Yolov3> nets{net.clone(), net.clone(), net.clone()};
  std::vector<torch::optim::Adam> optimizers;
  for (auto& n : nets) {
    n.train(true);
    optimizers.emplace_back(n.parameters(), torch::optim::AdamOptions(1e-6));
  }
  const auto images = noise({kBatch, 3, state.range(0), state.range(0)}).to(kGpu);
  const auto truth = boxes(kBatch, classes(net)).to(kGpu),
             truth_of_half = boxes(kBatch / 2, classes(net));
  Generator rng{Seed(4)};
  in_every_precision(state, nets, [&](std::size_t k) {
    const auto attacked =
        Pgd{}.perturb(nets[k].victim(truth_of_half), images.slice(0, kBatch / 2, kBatch), rng);
    const auto mixed = at::cat({images.slice(0, 0, kBatch / 2), attacked});
    optimizers[k].zero_grad();
    nets[k].loss(nets[k].forward(mixed), truth).total().backward();
    optimizers[k].step();
    return mixed;
  });
}

/// Its output, once it has ended well.
std::string output_of(std::FILE* process) {
  std::string text;
  char part[4096];
  while (const auto n = std::fread(part, 1, sizeof part, process)) text.append(part, n);
  if (pclose(process) != 0) text.clear();
  return text;
}

/// So many of these programs, each with its own training step of YOLOv3-tiny.
void processes(benchmark::State& state) {
  if (!has_gpu(state)) return;
  const auto command = std::filesystem::read_symlink("/proc/self/exe").string() +
                       " --benchmark_filter=training_step/320 --benchmark_format=json 2>/dev/null";
  for (auto _ : state) {
    std::vector<std::FILE*> started;
    for (std::int64_t i = 0; i < state.range(0); ++i)
      started.push_back(popen(command.c_str(), "r"));
    for (auto* process : started) {
      const auto report = nlohmann::json::parse(output_of(process), nullptr, false);
      if (report.is_discarded()) return state.SkipWithError("a process failed");
      const auto& step = report.at("benchmarks").at(0);
      for (const auto* rate :
           {"float_images_per_second", "tf32_images_per_second", "bf16_images_per_second"})
        state.counters[rate].value += step.at(rate).get<double>();
    }
  }
}

}  // namespace

BENCHMARK(forward)->Arg(1)->Arg(8)->Iterations(20)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(pgd_5)->Arg(224)->Arg(320)->Arg(416)->Iterations(20)->UseManualTime()->Unit(
    benchmark::kMillisecond);
BENCHMARK(training_step)
    ->Arg(224)
    ->Arg(320)
    ->Arg(416)
    ->Iterations(20)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(processes)->Arg(1)->Arg(6)->Iterations(1)->UseRealTime()->Unit(benchmark::kSecond);

BENCHMARK_MAIN();
