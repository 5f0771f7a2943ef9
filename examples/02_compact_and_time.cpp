// 02 Compact and time it: why a mask alone makes nothing faster, and what does.
//
// A masked network multiplies zeros as diligently as anything else. Filters that are gone can be
// cut out: the smaller network computes the same, to rounding, and takes less time. Timed as
// benchmarks time: warmed up, batch 1, the median of many.
#include <ATen/core/grad_mode.h>
#include <fmt/core.h>

#include <serpette/detector/yolov3.hpp>
#include <serpette/graph/footprint.hpp>
#include <serpette/method/state.hpp>
#include <serpette/metric/stopwatch.hpp>
#include <serpette/prune/filter.hpp>
#include <serpette/prune/mask.hpp>
#include <serpette/torch/ops.hpp>

using namespace serpette;

double milliseconds(Yolov3& detector, const at::Tensor& image) {
  auto network = detector.frozen();  // batch norm folded, no gradients
  std::vector<double> times;
  for (int i = -5; i < 30; ++i) {
    const Stopwatch watch;
    (void)network.forward(image);
    if (i >= 0) times.push_back(watch.milliseconds());
  }
  return statistics_of(times).median;
}

int main() {
  const at::NoGradGuard no_grad;
  const std::filesystem::path share = SERPETTE_SHARE "/demo";
  auto detector = Yolov3::load(share / "yolov3-slim.cfg", share / "yolov3-slim.weights");
  const auto& in = detector.graph().input;
  const auto image = at::rand({1, 3, in.height, in.width});

  ScoreMap scores;  // magnitude, as in 01
  for (const int i : detector.graph().convolutions())
    scores.push_back(detector.layer(i).weight.detach().abs());
  const auto mask = make_mask(detector.graph(), scores, Ratio::percent(75), Filter{});

  auto masked = detector.clone();
  apply_mask(mask, masked);
  auto smaller = masked.compact(mask);
  const auto far = (masked.frozen().forward(image)[0] - smaller.frozen().forward(image)[0]).abs();
  fmt::print("masked and smaller network differ by {:.1e} at most\n", far.max().item<double>());
  for (auto& [name, network] : {std::pair{"dense", &detector}, std::pair{"masked", &masked},
                                std::pair{"smaller", &smaller}})
    fmt::print("{:<8} {:>9} parameters {:6.2f} ms\n", name, parameters(network->graph()),
               milliseconds(*network, image));
}
