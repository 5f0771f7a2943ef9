#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::detail {

/// Shape of what `layer` makes of its inputs.
/// @throws Error  at `place` if the inputs do not fit the operation or nothing is left of them.
inline Shape infer_shape(const Graph& graph, const Layer& layer, std::string_view place) {
  const Shape in = graph.shape(layer.inputs.front());
  Shape out = in;
  const auto show = [](const Shape& s) {
    return fmt::format("{} × {} × {}", s.channels, s.height, s.width);
  };
  const auto slide = [&](int size, int stride, int padding) {
    out.height = (in.height + padding - size) / stride + 1;
    out.width = (in.width + padding - size) / stride + 1;
    require(in.height + padding >= size && in.width + padding >= size, place,
            "{} should read at least {} × {} cells, got {} × {} (with padding)", layer.name, size,
            size, in.height + padding, in.width + padding);
  };
  if (const auto* conv = layer.as<Convolutional>()) {
    require(in.channels % conv->groups == 0 && conv->filters % conv->groups == 0, place,
            "{}: groups should divide {} input channels and {} filters, got {}", layer.name,
            in.channels, conv->filters, conv->groups);
    const auto weights =
        std::int64_t{conv->filters} * (in.channels / conv->groups) * conv->size * conv->size;
    require(weights < std::int64_t{1} << 31, place, "{} should have less than 2^31 weights, got {}",
            layer.name, weights);
    slide(conv->size, conv->stride, 2 * conv->padding);
    out.channels = conv->filters;
  } else if (const auto* pool = layer.as<MaxPool>()) {
    slide(pool->size, pool->stride, pool->padding);
  } else if (const auto* up = layer.as<Upsample>()) {
    out.height *= up->stride;
    out.width *= up->stride;
  } else if (layer.as<Shortcut>()) {
    const Shape other = graph.shape(layer.inputs.back());
    require(in == other, place,
            "{}: both inputs should have one shape, got {} (layer {}) and {} (layer {})",
            layer.name, show(in), layer.inputs.front(), show(other), layer.inputs.back());
  } else if (const auto* route = layer.as<Route>()) {
    out.channels = 0;
    for (const int i : layer.inputs) {
      const Shape s = graph.shape(i);
      require(s.height == in.height && s.width == in.width, place,
              "{}: all inputs should be {} × {} cells as layer {}, got {} × {} of layer {}",
              layer.name, in.height, in.width, layer.inputs.front(), s.height, s.width, i);
      require(s.channels % route->groups == 0, place,
              "{}: groups should divide the {} channels of layer {}, got {}", layer.name,
              s.channels, i, route->groups);
      out.channels += s.channels / route->groups;
    }
  } else if (const auto* yolo = layer.as<Yolo>()) {
    const auto wanted = static_cast<std::int64_t>(yolo->mask.size()) * (5 + yolo->classes);
    require(in.channels == wanted, place,
            "{} should read {} channels = {} anchors × (5 + {} classes), got {} from layer {}",
            layer.name, wanted, yolo->mask.size(), yolo->classes, in.channels,
            layer.inputs.front());
  }
  const int largest = 1 << 20;
  require(out.channels <= largest && out.height <= largest && out.width <= largest, place,
          "{} should make at most {} of anything, got {}", layer.name, largest, show(out));
  return out;
}

}  // namespace serpette::detail
