#pragma once

/// @file
/// How large a network is and how much it computes, from its graph alone.

#include <cstdint>

#include "serpette/graph/graph.hpp"

namespace serpette {

/// Numbers that one convolution stores, as darknet's .weights file does: its weights, and per
/// filter either a bias or batch norm's four (β, γ, running mean, running variance).
inline std::int64_t parameters(const Graph& graph, int index) {
  const auto& conv = graph.convolution(index);
  const auto [out, in, height, width] = weight_shape(graph, index);
  return out * in * height * width + out * (conv.batch_normalize ? 4 : 1);
}

/// Numbers in the network's .weights file, header apart: 62,001,757 for YOLOv3 with 80 classes.
inline std::int64_t parameters(const Graph& graph) {
  std::int64_t total = 0;
  for (const int index : graph.convolutions()) total += parameters(graph, index);
  return total;
}

/// Multiply-accumulates of one convolution for one image. Padding counts as if it were image; bias,
/// batch norm and activation do not count. Twice this is what darknet prints as FLOPs.
inline std::int64_t macs(const Graph& graph, int index) {
  const auto [out, in, height, width] = weight_shape(graph, index);
  const Shape& shape = graph.shape(index);
  return out * in * height * width * shape.height * shape.width;
}

/// Multiply-accumulates of all convolutions for one image at the graph's input size; other layers
/// count nothing.
inline std::int64_t macs(const Graph& graph) {
  std::int64_t total = 0;
  for (const int index : graph.convolutions()) total += macs(graph, index);
  return total;
}

/// Numbers of the image and of what every layer makes of it.
inline std::int64_t map_numbers(const Graph& graph) {
  const auto of = [](const Shape& map) {
    return std::int64_t{map.channels} * map.height * map.width;
  };
  std::int64_t total = of(graph.input);
  for (const Layer& layer : graph.layers) total += of(layer.output);
  return total;
}

}  // namespace serpette
