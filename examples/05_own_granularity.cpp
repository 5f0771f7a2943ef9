// 05 Own granularity: pieces that nobody ships, beside those that are.
//
// A granularity says what can go as one piece, what a piece is worth, and what is left of the
// weights when a choice of pieces is kept; how many go where is an Allocation's business. The one
// in kernel_row.hpp removes rows of k×k kernels. At the same ratio larger pieces lose more of the
// scores' sum: that is what their regularity costs.
// tests/unit/prune/own_policies.cpp runs the laws on it.
#include <fmt/core.h>

#include <range/v3/view/zip.hpp>
#include <serpette/detector/yolov3.hpp>
#include <serpette/prune/kernel.hpp>
#include <serpette/prune/mask.hpp>
#include <serpette/prune/weight.hpp>

#include "kernel_row.hpp"

using namespace serpette;

int main() {
  const std::filesystem::path share = SERPETTE_SHARE "/demo";
  const auto detector = Yolov3::load(share / "yolov3-slim.cfg", share / "yolov3-slim.weights");
  const Graph& graph = detector.graph();
  ScoreMap scores;
  double all = 0;
  for (const int i : graph.convolutions()) {
    scores.push_back(detector.layer(i).weight.detach().abs());
    all += scores.back().sum().item<double>();
  }

  const auto show = [&](const auto& granularity) {
    const auto mask = make_mask(graph, scores, Ratio::percent(50), granularity);
    double kept = 0;
    for (const auto& [score, layer] : ranges::views::zip(scores, mask))
      kept += score.mul(layer.weight).sum().template item<double>();
    fmt::print("{:<14} keeps {:7} weights with {:.0f} % of |w|\n", granularity.name,
               count_kept(graph, mask, granularity).weights, 100 * kept / all);
  };
  show(Weight{});
  show(KernelRow{});
  show(Kernel{});
}
