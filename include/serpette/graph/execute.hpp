#pragma once

#include <fmt/ranges.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layers.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// How a layer runs, by default. A caller's rules derive from it, say what a convolution does
///   convolution(i, conv, x)       its activated output, a tensor of its own
/// and may replace the rest: to record, to split what passes, to write into buffers.
struct LayerRules {
  /// What follows a shortcut's sum `y`, in place.
  static at::Tensor activation(int /*index*/, Activation activation, const at::Tensor& y) {
    return detail::activate_(y, activation);
  }
  static at::Tensor pool(int /*index*/, const MaxPool& pool, const at::Tensor& x,
                         const Shape& output) {
    return detail::max_pool(x, pool, output);
  }
  static at::Tensor product(int /*index*/, const at::Tensor& x, const at::Tensor& other) {
    return other.mul(x);  // the larger one first: the result is laid out as it is
  }
  /// The tensor that layer i's output goes to; undefined: a new one.
  static at::Tensor into(int /*index*/) { return {}; }
};

/// The output of layer i; a head hands on what it reads.
/// @param of     index (kImage for the images) → that output, [N, C, H, W].
/// @param rules  as LayerRules.
template <class Outputs, class Rules>
at::Tensor run_layer(const Graph& graph, int i, const Outputs& of, Rules&& rules) {
  const Layer& layer = graph[i];
  const at::Tensor& x = of(layer.inputs.front());
  return visit(
      layer, [&](const Convolutional& conv) -> at::Tensor { return rules.convolution(i, conv, x); },
      [&](const Shortcut& shortcut) -> at::Tensor {
        return rules.activation(i, shortcut.activation,
                                detail::add(x, of(layer.inputs.back()), rules.into(i)));
      },
      [&](const Route& route) {
        std::vector<at::Tensor> inputs;
        for (const int j : layer.inputs) inputs.push_back(of(j));
        return detail::concatenate(route, inputs, rules.into(i));
      },
      [&](const Upsample& up) { return detail::enlarge(x, up, rules.into(i)); },
      [&](const MaxPool& pool) -> at::Tensor { return rules.pool(i, pool, x, layer.output); },
      [&](const Product&) -> at::Tensor { return rules.product(i, x, of(layer.inputs.back())); },
      [&](const GlobalAverage&) -> at::Tensor { return x.mean({2, 3}, true); },
      [&](const Yolo&) { return x; });
}

/// Outputs of all layers for some images, and the images.
struct Trace {
  at::Tensor images;
  std::vector<at::Tensor> output;  ///< By graph index.

  [[nodiscard]] const at::Tensor& of(int index) const {
    return index == kImage ? images : output[static_cast<std::size_t>(index)];
  }
};

/// Runs a graph and keeps the output of every layer.
/// @param images  [N, C, H, W] like `graph.input`.
/// @param rules   as LayerRules.
template <class Rules>
Trace trace(const Graph& graph, at::Tensor images, Rules&& rules) {
  Trace found{std::move(images), std::vector<at::Tensor>(graph.layers.size())};
  for (int i = 0; i < graph.size(); ++i)
    found.output[static_cast<std::size_t>(i)] =
        run_layer(graph, i, [&](int j) -> const at::Tensor& { return found.of(j); }, rules);
  return found;
}

/// Runs a graph and keeps no output longer than somebody reads it. What a convolution does (folded,
/// batch norm by batch or running statistics, sparse) is the caller's.
/// @param images    [N, C, H, W] like `graph.input`.
/// @param convolve  (graph index, input) → the convolution's activated output, a tensor of its own.
/// @return          what each head reads, in the order of `graph.heads()`.
template <class Convolve>
std::vector<at::Tensor> run_graph(const Graph& graph, const at::Tensor& images,
                                  Convolve&& convolve) {
  struct Rules : LayerRules {
    Convolve& convolve;
    explicit Rules(Convolve& f) : convolve(f) {}
    at::Tensor convolution(int i, const Convolutional&, const at::Tensor& x) const {
      return convolve(i, x);
    }
  };
  const Rules rules(convolve);
  std::vector<int> last_reader(graph.layers.size(), 0);
  for (int i = 0; i < graph.size(); ++i)
    for (const int j : graph[i].inputs)
      if (j != kImage) last_reader[static_cast<std::size_t>(j)] = i;
  Trace now{images, std::vector<at::Tensor>(graph.layers.size())};
  for (int i = 0; i < graph.size(); ++i) {
    now.output[static_cast<std::size_t>(i)] =
        run_layer(graph, i, [&](int j) -> const at::Tensor& { return now.of(j); }, rules);
    for (const int j : graph[i].inputs)
      if (j != kImage && last_reader[static_cast<std::size_t>(j)] == i)
        now.output[static_cast<std::size_t>(j)].reset();
  }
  std::vector<at::Tensor> heads;
  for (const int i : graph.heads()) heads.push_back(now.of(i));
  return heads;
}

/// Checks that images fit the graph.
/// @throws Error  if they are not [N, channels, height, width] of the graph's canvas.
inline void require_images(const Graph& graph, const at::Tensor& images) {
  const auto& in = graph.input;
  require(images.dim() == 4 && images.size(1) == in.channels && images.size(2) == in.height &&
              images.size(3) == in.width,
          "images", "shape should be [N, {}, {}, {}] as the network's input, got [{}]", in.channels,
          in.height, in.width, fmt::join(images.sizes().vec(), ", "));
}

}  // namespace serpette
