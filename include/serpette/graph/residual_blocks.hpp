#pragma once

/// @file
/// What a network can do without: the branches that shortcuts add to what they skip.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "serpette/graph/activation.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// A branch that a shortcut adds to a layer, and that nobody else reads. Without it the shortcut's
/// readers read that layer.
struct ResidualBlock {
  int shortcut = 0;         ///< Its index in the graph.
  int skipped = 0;          ///< The layer it adds to.
  std::vector<int> layers;  ///< The branch, ascending: convolutions that follow one another.
};

namespace detail {
/// The branch from `end` back to `start`, if it is a chain of convolutions that only its next layer
/// reads; empty otherwise.
inline std::vector<int> chain(const Graph& graph, int start, int end,
                              const std::vector<int>& readers) {
  std::vector<int> layers;
  for (int at = end; at != start; at = graph[at].inputs.front()) {
    if (at == kImage || !graph[at].as<Convolutional>() ||
        readers[static_cast<std::size_t>(at)] != 1)
      return {};
    layers.insert(layers.begin(), at);
  }
  return layers;
}
}  // namespace detail

/// The residual blocks of a network that can be dropped, in its order: the shortcut only adds
/// (linear activation), both inputs have its shape, the branch is silent where its last convolution
/// is, and somebody reads the sum. YOLOv3 has 23.
inline std::vector<ResidualBlock> residual_blocks(const Graph& graph) {
  std::vector<int> readers(graph.layers.size(), 0);
  for (const Layer& layer : graph.layers)
    for (const int input : layer.inputs)
      if (input != kImage) ++readers[static_cast<std::size_t>(input)];
  std::vector<ResidualBlock> blocks;
  for (const int index : graph.all<Shortcut>()) {
    const Layer& layer = graph[index];
    if (layer.inputs.size() != 2 || readers[static_cast<std::size_t>(index)] == 0 ||
        std::get<Shortcut>(layer.operation).activation != Activation::kLinear)
      continue;
    for (const auto& [skipped, end] : {std::pair{layer.inputs[1], layer.inputs[0]},
                                       std::pair{layer.inputs[0], layer.inputs[1]}}) {
      if (skipped == kImage || end <= skipped || graph.shape(skipped) != layer.output ||
          graph.shape(end) != layer.output)
        continue;
      auto layers = detail::chain(graph, skipped, end, readers);
      if (layers.empty() || !is_zero_at_zero(graph.convolution(end).activation)) continue;
      blocks.push_back({index, skipped, std::move(layers)});
      break;
    }
  }
  return blocks;
}

/// A network without some layers, and where what is left of it stood.
struct Remainder {
  Graph graph;
  std::vector<int> layers;        ///< Per layer: its index before.
  std::vector<int> convolutions;  ///< Per convolution: its position among them before.
};

/// The network without some residual blocks, shortcuts included. Layers keep their names.
inline Remainder without_blocks(const Graph& graph, const std::vector<ResidualBlock>& blocks) {
  std::vector<int> stands_for(graph.layers.size(), 0);  // the layer that readers read instead
  std::vector<bool> goes(graph.layers.size(), false);
  for (int i = 0; i < graph.size(); ++i) stands_for[static_cast<std::size_t>(i)] = i;
  for (const ResidualBlock& block : blocks) {
    for (const int i : block.layers) goes[static_cast<std::size_t>(i)] = true;
    goes[static_cast<std::size_t>(block.shortcut)] = true;
    stands_for[static_cast<std::size_t>(block.shortcut)] = block.skipped;
  }
  Remainder left{.graph = {.input = graph.input, .layers = {}, .net = graph.net},
                 .layers = {},
                 .convolutions = {}};
  std::vector<int> now(graph.layers.size(), 0);
  int convolution = 0;
  for (int i = 0; i < graph.size(); ++i) {
    const bool convolves = graph[i].as<Convolutional>() != nullptr;
    if (convolves) ++convolution;
    if (goes[static_cast<std::size_t>(i)]) continue;
    Layer layer = graph[i];
    for (int& input : layer.inputs) {
      if (input == kImage) continue;
      while (goes[static_cast<std::size_t>(input)])  // blocks may follow one another
        input = stands_for[static_cast<std::size_t>(input)];
      input = now[static_cast<std::size_t>(input)];
    }
    now[static_cast<std::size_t>(i)] = left.graph.size();
    left.graph.layers.push_back(std::move(layer));
    left.layers.push_back(i);
    if (convolves) left.convolutions.push_back(convolution - 1);
  }
  return left;
}

}  // namespace serpette
