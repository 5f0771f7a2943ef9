#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

namespace detail {

/// The activation in place: `x` must be fresh from an operation whose backward pass does not read
/// its own result.
inline at::Tensor activate_(at::Tensor x, Activation activation) {
  switch (activation) {
    case Activation::kLinear:
      return x;
    case Activation::kLeaky:
      return at::leaky_relu_(x, kLeakySlope);
    case Activation::kRelu:
      return x.relu_();
    case Activation::kLogistic:
      return x.sigmoid_();
  }
  return x;
}

/// Darknet's max-pool: the window sees −∞ beyond the edge, padding / 2 cells before and the rest
/// after.
inline at::Tensor max_pool(const at::Tensor& x, const MaxPool& pool, const Shape& out) {
  const std::int64_t before = pool.padding / 2, after = pool.padding - before;
  const auto padded = [&] {
    return pool.padding == 0 ? x
                             : at::constant_pad_nd(x, {before, after, before, after},
                                                   -std::numeric_limits<double>::infinity());
  };
  const bool is_recorded = at::GradMode::is_enabled() && x.requires_grad();
  if (x.is_cpu() && !is_recorded && !x.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    // Maxima of shifted views, along rows and then along columns: on maps that are not
    // channels-last LibTorch's own takes ten times as long.
    auto y = padded();
    for (const auto& [axis, length] : {std::pair{3, out.width}, std::pair{2, out.height}}) {
      const auto view = [&](std::int64_t first) {
        return y.slice(axis, first, first + (length - 1) * pool.stride + 1, pool.stride);
      };
      auto highest = at::maximum(view(0), view(std::min(1, pool.size - 1)));
      for (std::int64_t k = 2; k < pool.size; ++k) at::maximum_out(highest, highest, view(k));
      y = highest;
    }
    return y;
  }
  const auto cells = [&](std::int64_t in) {
    return (in + 2 * before - pool.size) / pool.stride + 1;
  };
  // LibTorch pads both sides alike; where that gives as many windows, they are the same windows.
  if (2 * before <= pool.size && cells(x.size(2)) == out.height && cells(x.size(3)) == out.width)
    return at::max_pool2d(x, {pool.size, pool.size}, {pool.stride, pool.stride}, {before, before});
  return at::max_pool2d(padded(), {pool.size, pool.size}, {pool.stride, pool.stride});
}

}  // namespace detail

/// Runs a graph over images; what a convolution does (folded, batch norm by batch or running
/// statistics, sparse) is the caller's.
/// @param images    [N, C, H, W] like `graph.input`.
/// @param convolve  (graph index, input) → the convolution's activated output, a tensor of its own.
/// @return          what each head reads, in the order of `graph.heads()`.
template <class Convolve>
std::vector<at::Tensor> run_graph(const Graph& graph, const at::Tensor& images,
                                  Convolve&& convolve) {
  std::vector<int> last_reader(graph.layers.size(), 0);
  for (int i = 0; i < graph.size(); ++i)
    for (const int j : graph[i].inputs)
      if (j != kImage) last_reader[static_cast<std::size_t>(j)] = i;
  std::vector<at::Tensor> outputs(graph.layers.size()), heads;
  const auto output = [&](int i) -> at::Tensor& { return outputs[static_cast<std::size_t>(i)]; };
  for (int i = 0; i < graph.size(); ++i) {
    const auto& layer = graph[i];
    const auto input = [&](int j) -> const at::Tensor& { return j == kImage ? images : output(j); };
    const auto& x = input(layer.inputs.front());
    if (layer.as<Convolutional>()) {
      output(i) = convolve(i, x);
    } else if (const auto* shortcut = layer.as<Shortcut>()) {
      output(i) = detail::activate_(x.add(input(layer.inputs.back())), shortcut->activation);
    } else if (const auto* route = layer.as<Route>()) {
      std::vector<at::Tensor> parts;
      for (const int j : layer.inputs) {
        const auto channels = input(j).size(1) / route->groups;
        parts.push_back(input(j).narrow(1, channels * route->group_id, channels));
      }
      output(i) = parts.size() == 1 ? parts.front() : at::cat(parts, 1);
    } else if (const auto* up = layer.as<Upsample>()) {
      output(i) = at::upsample_nearest2d(x, {x.size(2) * up->stride, x.size(3) * up->stride});
    } else if (const auto* pool = layer.as<MaxPool>()) {
      output(i) = detail::max_pool(x, *pool, layer.output);
    } else if (layer.as<Yolo>()) {
      heads.push_back(x);
    }
    for (const int j : layer.inputs)
      if (j != kImage && last_reader[static_cast<std::size_t>(j)] == i) output(j).reset();
  }
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
