// 08 Deploy: a pruned network as it is shipped.
//
// 90 % of the weights are zeros. LibTorch multiplies them all the same; a deployment plan gives
// every convolution the form that is fastest at its sparsity on this machine. What a plan chose is
// text that can be kept and given to the next plan. For other programs the network itself is
// saved: darknet and OpenCV read it.
#include <fmt/core.h>

#include <serpette/deploy/plan.hpp>
#include <serpette/detector/yolov3.hpp>
#include <serpette/io/atomic_file.hpp>
#include <serpette/method/state.hpp>
#include <serpette/metric/stopwatch.hpp>
#include <serpette/prune/mask.hpp>
#include <serpette/prune/weight.hpp>
#include <serpette/torch/ops.hpp>

using namespace serpette;

double milliseconds(auto& network, const at::Tensor& image) {
  std::vector<double> times;
  for (int i = -5; i < 30; ++i) {
    const Stopwatch watch;
    (void)network.forward(image);
    if (i >= 0) times.push_back(watch.milliseconds());
  }
  return statistics_of(times).median;
}

int main() {
  const std::filesystem::path share = SERPETTE_SHARE "/demo";
  auto detector = Yolov3::load(share / "yolov3-slim.cfg", share / "yolov3-slim.weights");
  ScoreMap scores;  // magnitude, as in 01
  for (const int i : detector.graph().convolutions())
    scores.push_back(detector.layer(i).weight.detach().abs());
  apply_mask(make_mask(detector.graph(), scores, Ratio::percent(90), Weight{}), detector);

  auto dense = detector.frozen();
  auto plan = deploy::make_plan(detector);
  const auto& in = detector.graph().input;
  const auto image = at::rand({1, 3, in.height, in.width});
  const auto far = (plan.forward(image)[0] - dense.forward(image)[0]).abs().max();
  fmt::print("LibTorch {:.2f} ms, plan {:.2f} ms; they differ by {:.1e} at most\n",
             milliseconds(dense, image), milliseconds(plan, image), far.item<double>());

  write_file("network.plan", deploy::write_choices(plan.choices()));
  detector.save("pruned.cfg", "pruned.weights");
}
