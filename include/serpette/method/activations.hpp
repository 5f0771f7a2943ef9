#pragma once

#include <cstddef>

#include "serpette/concepts/detector.hpp"
#include "serpette/graph/evaluate.hpp"
#include "serpette/graph/execute.hpp"

namespace serpette {

/// Runs the detector on images, batch norm in evaluation mode, and calls visit(position, input)
/// with what each convolution reads, [N, C_in, H, W], when it reads it; positions are those in
/// `Graph::convolutions()`. No activation is held longer than the forward pass needs it.
template <Detector D, class Visit>
void for_each_convolution_input(const D& detector, const at::Tensor& images, const Visit& visit) {
  const Graph& graph = detector.graph();
  std::size_t position = 0;
  run_graph(graph, images, [&](int index, const at::Tensor& x) {
    visit(position++, x);
    return evaluate(detector.layer(index), graph.convolution(index), x);
  });
}

}  // namespace serpette
