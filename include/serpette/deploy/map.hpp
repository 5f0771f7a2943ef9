#pragma once

#include <cstdint>
#include <type_traits>

#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// How a map lies in memory: channel by channel [C, H, W], or cell by cell [H, W, C].
enum class Layout { kPlanes, kChannelsLast };

/// One image's map in memory that somebody else owns: the number of channel c at cell i (row by
/// row) is data[c · channel_step + i · cell_step].
/// @tparam Number  float, or const float to read alone.
template <class Number>
struct MapView {
  Number* data = nullptr;
  Shape shape;
  std::int64_t channel_step = 0, cell_step = 0;

  /// One without gaps.
  static MapView dense(Number* data, const Shape& shape, Layout layout) {
    const auto cells = std::int64_t{shape.height} * shape.width;
    return layout == Layout::kPlanes ? MapView{data, shape, cells, 1}
                                     : MapView{data, shape, 1, std::int64_t{shape.channels}};
  }

  [[nodiscard]] std::int64_t cells() const { return std::int64_t{shape.height} * shape.width; }
  [[nodiscard]] std::int64_t numbers() const { return shape.channels * cells(); }

  /// Whether it lies so, without gaps. A map of one cell or one channel lies in both ways.
  [[nodiscard]] bool is_dense(Layout layout) const {
    const bool planes = layout == Layout::kPlanes;
    return (shape.channels == 1 || channel_step == (planes ? cells() : 1)) &&
           (cells() == 1 || cell_step == (planes ? 1 : shape.channels));
  }

  /// Some of its channels.
  [[nodiscard]] MapView part(const Route::Channels& of) const {
    return {data + of.first * channel_step,
            {of.count, shape.height, shape.width},
            channel_step,
            cell_step};
  }

  operator MapView<const Number>() const
    requires(!std::is_const_v<Number>)
  {
    return {data, shape, channel_step, cell_step};
  }
};

using Map = MapView<float>;
using ConstMap = MapView<const float>;

}  // namespace serpette::deploy
