#pragma once

#include <ATen/ops/batch_norm.h>

#include <span>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/graph/convolve.hpp"
#include "serpette/graph/execute.hpp"

namespace serpette {

/// What every convolution reads when the detector sees the first batch, batch norm in evaluation
/// mode; in the order of `Graph::convolutions()`, each [N, C_in, H, W].
template <Detector D>
std::vector<at::Tensor> convolution_inputs(const D& detector, std::span<const ImageBatch> batches) {
  require(!batches.empty(), "scores", "should have images to look at, got none");
  const Graph& graph = detector.graph();
  std::vector<at::Tensor> inputs;
  run_graph(graph, batches.front().images, [&](int index, const at::Tensor& x) {
    inputs.push_back(x);
    const auto& conv = *graph[index].as<Convolutional>();
    const LayerParameters layer = detector.layer(index);
    auto y = convolve(x, layer.weight, layer.bias, conv);
    if (conv.batch_normalize)
      y = at::batch_norm(y, layer.gamma, layer.beta, layer.running_mean, layer.running_var, false,
                         0, 1e-5, false);
    return detail::activate_(y, conv.activation);
  });
  return inputs;
}

}  // namespace serpette
