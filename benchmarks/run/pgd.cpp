// PGD with five steps against five training passes (forward + backward with weight gradients).
//
// YOLOv3 at 416, batch 1, one thread, fresh weights with batch norm calibrated on noise. The
// attack's passes need no weight gradients and run on folded weights: the ratio says what that
// saves. Before anything is timed, the frozen detector's loss and input gradient are checked
// against autograd through the detector itself, in double. In float they differ by a part in a
// hundred: some of the 39 million activations lie so near 0 that rounding decides on which side of
// the leaky kink they are, and then passes on ten times or a tenth of a gradient. Neither is nearer
// to the gradient in double; what the float ones are off is reported beside it.
//
//   OMP_NUM_THREADS=1 bench_pgd --benchmark_out=benchmarks/results/pgd.json

#include <benchmark/benchmark.h>

#include <filesystem>

#include "serpette/attack/pgd.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;

Ascent by_autograd(const Yolov3& net, const at::Tensor& images, const at::Tensor& truth) {
  const auto x = images.clone().set_requires_grad(true);
  const auto loss = net.loss(net.forward(x), truth).total();
  return {loss.detach(), torch::autograd::grad({loss}, {x})[0]};
}

void convert(const Yolov3& net, at::ScalarType type) {
  for (const int i : net.graph().convolutions()) {
    const auto p = net.layer(i);
    for (auto t : {p.weight, p.bias, p.gamma, p.beta, p.running_mean, p.running_var})
      if (t.defined()) t.set_data(t.detach().to(type));
  }
}

void pgd_5(benchmark::State& state) {
  Yolov3 net(load_cfg(std::filesystem::path(__FILE__).parent_path() / "../../share/cfg/yolov3.cfg"),
             Seed(1));
  Generator rng{Seed(2)};
  const auto images = torch::empty({1, 3, 416, 416}).uniform_(0, 1, rng.torch());
  const auto truth =
      torch::tensor({0.0F, 3.0F, 0.3F, 0.4F, 0.2F, 0.3F, 0.0F, 7.0F, 0.6F, 0.5F, 0.7F, 0.8F})
          .view({2, 6});
  bench::calibrate(net, images);

  const auto rounded = net.victim(truth)(images, {}).gradient;
  const auto rounded_autograd = by_autograd(net, images, truth).gradient;
  convert(net, at::kDouble);
  const auto frozen = net.victim(truth.to(at::kDouble))(images.to(at::kDouble), {});
  const auto exact = by_autograd(net, images.to(at::kDouble), truth.to(at::kDouble));
  convert(net, at::kFloat);  // every weight was a float: none changes
  const auto off = [&](const at::Tensor& gradient) {
    return ((gradient - exact.gradient).norm() / exact.gradient.norm()).item<double>();
  };
  const double loss_error = std::abs(frozen.loss.item<double>() / exact.loss.item<double>() - 1);
  const double gradient_error = off(frozen.gradient);
  if (!(loss_error < 1e-12 && gradient_error < 1e-10))
    return state.SkipWithError(
        fmt::format("in double the frozen detector differs from the detector: loss by {:.1e}, "
                    "gradient by {:.1e}",
                    loss_error, gradient_error)
            .c_str());

  bench::rounds(
      state, {
                 {"five_training_passes_ms",
                  [&] {
                    for (int i = 0; i < 5; ++i) {
                      for (auto& p : net.parameters()) p.mutable_grad() = at::Tensor();
                      net.loss(net.forward(images), truth).total().backward();
                    }
                  }},
                 // What robust training does per batch: freezing the network is part of the price.
                 {"pgd_5_ms",
                  [&] { benchmark::DoNotOptimize(Pgd{}.perturb(net.victim(truth), images, rng)); }},
             });
  state.counters["loss_error"] = loss_error;
  state.counters["gradient_error"] = gradient_error;
  state.counters["float_rounding"] = off(rounded);
  state.counters["float_rounding_autograd"] = off(rounded_autograd);
}

}  // namespace

BENCHMARK(pgd_5)->Iterations(20)->UseManualTime()->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
