#pragma once

#include <fmt/ranges.h>
#include <range/v3/view/zip.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/graph/compaction.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/mask.hpp"
#include "serpette/graph/residual_blocks.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

namespace detail {

/// A mask's flags over `count` channels; all true where it says nothing.
inline std::vector<bool> flags(const at::Tensor& mask, int count, std::string_view what,
                               const Layer& layer) {
  std::vector<bool> found(static_cast<std::size_t>(count), true);
  if (!mask.defined()) return found;
  if (mask.dim() != 1 || mask.size(0) != count)
    fail("mask", "shape should be [{}] as the {} of layer \"{}\", got [{}]", count, what,
         layer.name, fmt::join(mask.sizes().vec(), ", "));
  const auto kept = mask.to(at::kCPU, at::kBool).contiguous();
  std::copy_n(kept.const_data_ptr<bool>(), count, found.begin());
  return found;
}

/// The residual blocks of which no filter is kept.
inline std::vector<ResidualBlock> dropped_blocks(const Graph& graph,
                                                 const std::vector<std::vector<bool>>& kept) {
  const auto convolutions = graph.convolutions();
  auto blocks = residual_blocks(graph);
  std::erase_if(blocks, [&](const ResidualBlock& block) {
    return std::ranges::any_of(block.layers, [&](int index) {
      const auto k = std::ranges::lower_bound(convolutions, index) - convolutions.begin();
      const auto& filters = kept[static_cast<std::size_t>(k)];
      return std::ranges::find(filters, true) != filters.end();
    });
  });
  return blocks;
}

}  // namespace detail

/// The smaller network that a mask leaves: without the filters it removes, without the residual
/// blocks of which it keeps no filter, and without what nobody reads any more by its input
/// channels.
/// @throws Error  if the mask does not fit the network, or as plan_compaction.
inline Compaction plan_compaction(const Graph& graph, const Mask& mask) {
  const auto convolutions = graph.convolutions();
  require(mask.size() == convolutions.size(), "mask",
          "should have {} layers as the network, got {}", convolutions.size(), mask.size());
  std::vector<std::vector<bool>> kept, read;
  bool all_read = true;
  for (auto&& [pieces, index] : ranges::views::zip(mask, convolutions)) {
    const Layer& layer = graph[index];
    kept.push_back(detail::flags(pieces.filter, layer.output.channels, "filters", layer));
    read.push_back(detail::flags(pieces.input, graph.shape(layer.inputs.front()).channels,
                                 "input channels", layer));
    all_read = all_read && !pieces.input.defined();
  }
  const auto blocks = detail::dropped_blocks(graph, kept);
  if (!blocks.empty()) {
    const auto left = without_blocks(graph, blocks);
    Mask of_left;
    for (const int k : left.convolutions) of_left.push_back(mask[static_cast<std::size_t>(k)]);
    auto plan = plan_compaction(left.graph, of_left);
    for (int& layer : plan.layers) layer = left.layers[static_cast<std::size_t>(layer)];
    return plan;
  }
  if (!all_read) kept = without_unread(graph, std::move(kept), read);
  return plan_compaction(graph, kept);
}

}  // namespace serpette
