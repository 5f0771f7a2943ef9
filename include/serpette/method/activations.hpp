#pragma once

#include <span>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/graph/evaluate.hpp"
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
    return evaluate(detector.layer(index), graph.convolution(index), x);
  });
  return inputs;
}

}  // namespace serpette
