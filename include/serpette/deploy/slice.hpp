#pragma once

/// @internal Rows of a map that are computed together.

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "serpette/deploy/finish.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Of a map that is beyond the nearer caches [bytes]: what the rows of its channels hold is fetched
/// ahead, since it lies too far apart for the processor to guess. Measured: YOLOv3's first maps
/// gain a sixth, maps of half the size lose 3 %.
inline constexpr std::int64_t kFarMap = 4 << 20;

/// Of a map that had better not lie in memory as a whole between two convolutions [bytes, as it is
/// kept]. Measured: without YOLOv3's first maps its first four convolutions take a third less where
/// 95 % of the weights are gone; from this size on nothing is lost.
inline constexpr std::int64_t kSlicedMap = 2 << 20;

inline std::int64_t bytes_of(const Shape& map) {
  return std::int64_t{sizeof(float)} * map.channels * map.height * map.width;
}

/// Rows first … last − 1 of a map.
struct Slice {
  int first = 0, last = 0;
  int from = 0;  ///< Rows from … first − 1 are computed as well, and dropped.
};

/// All rows of a map, so many at a time.
inline std::vector<Slice> even_slices(int height, int rows) {
  std::vector<Slice> all;
  for (int row = 0; row < height; row += rows)
    all.push_back({row, std::min(row + rows, height), row});
  return all;
}

/// The rows of a map that are in memory: all of them, or those from `first` on that there is room
/// for.
template <class Number>
struct MapRows {
  Number* data = nullptr;  ///< Where row `first` begins.
  std::int64_t first = 0;
  std::int64_t plane = 0;  ///< From one channel to the next, if each is a plane.

  static MapRows whole(Number* data, const Shape& shape) {
    return {data, 0, std::int64_t{shape.height} * shape.width};
  }

  operator MapRows<const Number>() const
    requires(!std::is_const_v<Number>)
  {
    return {data, first, plane};
  }
};

/// As a convolution's `parallel`, without other threads.
inline constexpr auto on_one_thread = [](std::int64_t count, const auto& f) {
  f(std::int64_t{0}, count);
};

/// What a convolution reads and writes, in its layout: the rows that what is computed needs.
/// @tparam Number  of its operands.
template <class Number = float>
struct RowMaps {
  MapRows<const Number> x;
  MapRows<float> y;
  MapRows<const float> residual;  ///< Null if none is added.
  Finish finish;                  ///< But for its residual.
  RoundedMaps rounded = {};
};

}  // namespace serpette::deploy
