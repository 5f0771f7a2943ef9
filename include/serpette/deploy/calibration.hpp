#pragma once

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/folded_network.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/graph/evaluate.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::deploy {

/// Finds where the numbers lie that a network's convolutions read, on images like those that it
/// will see: what a plan in int8 needs to know (post-training static quantization).
///
///   Calibration calibration(detector);
///   calibration.observe(images);
///   auto plan = make_plan(detector, {.precision = PlanPrecision::kInt8, .ranges =
///   calibration.ranges()});
class Calibration {
 public:
  /// @param network  as for make_plan; later changes of it do not show.
  template <class Network>
  explicit Calibration(const Network& network) : network_(network) {}

  /// @param images   [N, C, H, W] float on the CPU, in the network's colors.
  /// @throws Error  if they have another shape, or a layer's numbers are not finite.
  void observe(const at::Tensor& images) {
    const at::NoGradGuard no_grad;
    require_images(network_.graph(), images);
    count_ += images.size(0);
    for (std::int64_t n = 0; n < images.size(0); ++n)
      (void)run_graph(network_.graph(), images.narrow(0, n, 1), [&](int i, const at::Tensor& x) {
        if (is_worth_it(i)) seen_[i].push_back(range_of(i, x));
        return evaluate(network_.layer(i), network_.graph().convolution(i), x);
      });
  }

  /// Of every convolution that is worth it, from the mean of the images' least numbers to that of
  /// their largest. Not of those that make logits, whose errors are detections' (a third of what
  /// int8 costs in AP50 with them is left), nor of those that read an image, whose products are
  /// few.
  /// @throws Error  before the first image.
  [[nodiscard]] Ranges ranges() const {
    require(count_ > 0, "calibration", "should observe at least one image, got none");
    Ranges found;
    for (const auto& [i, of_images] : seen_) {
      ValueRange& mean = found[network_.graph()[i].name];
      for (const auto& range : of_images) {
        mean.least += range.least / static_cast<float>(of_images.size());
        mean.most += range.most / static_cast<float>(of_images.size());
      }
    }
    return found;
  }

 private:
  [[nodiscard]] bool is_worth_it(int i) const {
    const Graph& graph = network_.graph();
    return graph[i].inputs.front() != kImage && std::ranges::none_of(graph.heads(), [&](int head) {
             return graph[head].inputs.front() == i;
           });
  }

  [[nodiscard]] ValueRange range_of(int i, const at::Tensor& x) const {
    const ValueRange range{x.min().item<float>(), x.max().item<float>()};
    require(std::isfinite(range.least) && std::isfinite(range.most), "calibration",
            "{} should read finite numbers, got {} to {}", network_.graph()[i].name, range.least,
            range.most);
    return range;
  }

  FoldedNetwork network_;
  std::int64_t count_ = 0;
  std::map<int, std::vector<ValueRange>> seen_;  // by graph index, of each image
};

}  // namespace serpette::deploy
