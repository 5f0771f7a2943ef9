#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::detail {

/// Most numbers of a map: an `int` counts its cells.
inline constexpr std::int64_t kMapNumbers = std::numeric_limits<int>::max();

/// Shape of what `layer` makes of its inputs.
/// @throws Error  at `place` if the inputs do not fit the operation, nothing is left of them, or
/// the
///                output is larger than any network's.
inline Shape infer_shape(const Graph& graph, const Layer& layer, std::string_view place) {
  const Shape in = graph.shape(layer.inputs.front());
  const auto show = [](const Shape& s) {
    return fmt::format("{} × {} × {}", s.channels, s.height, s.width);
  };
  const auto limited = [&](std::int64_t channels, std::int64_t height, std::int64_t width) {
    constexpr std::int64_t kLargest = 1 << 20;
    if (channels > kLargest || height > kLargest || width > kLargest)
      fail(place, "{} should make at most {} of anything, got {} × {} × {}", layer.name, kLargest,
           channels, height, width);
    if (channels * height > kMapNumbers / width)
      fail(place, "{} should make at most {} numbers, got {} × {} × {}", layer.name, kMapNumbers,
           channels, height, width);
    return Shape{static_cast<int>(channels), static_cast<int>(height), static_cast<int>(width)};
  };
  const auto slid = [&](std::int64_t channels, int size, int stride, int padding) {
    require(in.height + padding >= size && in.width + padding >= size, place,
            "{} should read at least {} × {} cells, got {} × {} (with padding)", layer.name, size,
            size, in.height + padding, in.width + padding);
    return limited(channels, (in.height + padding - size) / stride + 1,
                   (in.width + padding - size) / stride + 1);
  };
  return visit(
      layer,
      [&](const Convolutional& conv) {
        require(in.channels % conv.groups == 0 && conv.filters % conv.groups == 0, place,
                "{}: groups should divide {} input channels and {} filters, got {}", layer.name,
                in.channels, conv.filters, conv.groups);
        const auto kernel = std::int64_t{conv.size} * conv.size * (in.channels / conv.groups);
        require(kernel < (std::int64_t{1} << 31) / conv.filters, place,
                "{} should have less than 2^31 weights, got {} × {}", layer.name, conv.filters,
                kernel);
        return slid(conv.filters, conv.size, conv.stride, 2 * conv.padding);
      },
      [&](const Shortcut&) {
        const Shape other = graph.shape(layer.inputs.back());
        if (in.height != other.height || in.width != other.width)
          fail(place,
               "{}: both inputs should have as many cells, got {} (layer {}) and {} (layer {})",
               layer.name, show(in), layer.inputs.front(), show(other), layer.inputs.back());
        return in;
      },
      [&](const Route& route) {
        std::int64_t channels = 0;
        for (const int i : layer.inputs) {
          const Shape s = graph.shape(i);
          require(s.height == in.height && s.width == in.width, place,
                  "{}: all inputs should be {} × {} cells as layer {}, got {} × {} of layer {}",
                  layer.name, in.height, in.width, layer.inputs.front(), s.height, s.width, i);
          require(s.channels % route.groups == 0, place,
                  "{}: groups should divide the {} channels of layer {}, got {}", layer.name,
                  s.channels, i, route.groups);
          channels += route.taken(s.channels).count;
        }
        return limited(channels, in.height, in.width);
      },
      [&](const Upsample& up) {
        return limited(in.channels, std::int64_t{in.height} * up.stride,
                       std::int64_t{in.width} * up.stride);
      },
      [&](const Product& product) {
        const Shape other = graph.shape(layer.inputs.back());
        const Shape wanted = product.by_channel ? Shape{other.channels, 1, 1}
                                                : Shape{other.channels, other.height, other.width};
        require(in == wanted, place,
                "{} should multiply {} of layer {} with {}, got {} of layer {}", layer.name,
                show(other), layer.inputs.back(), show(wanted), show(in), layer.inputs.front());
        return other;
      },
      [&](const GlobalAverage&) { return Shape{in.channels, 1, 1}; },
      [&](const MaxPool& pool) { return slid(in.channels, pool.size, pool.stride, pool.padding); },
      [&](const Yolo& yolo) {
        const auto wanted = static_cast<std::int64_t>(yolo.mask.size()) * (5 + yolo.classes);
        require(in.channels == wanted, place,
                "{} should read {} channels = {} anchors × (5 + {} classes), got {} from layer {}",
                layer.name, wanted, yolo.mask.size(), yolo.classes, in.channels,
                layer.inputs.front());
        return in;
      });
}

}  // namespace serpette::detail
