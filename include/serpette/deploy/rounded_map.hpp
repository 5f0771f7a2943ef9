#pragma once

/// @internal Maps between layers that are kept in fewer bits.

/// @file
/// A map that who writes it rounds for who reads it: half or a quarter of the bytes, and nothing
/// left to be done before it is multiplied. No LibTorch.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "serpette/deploy/quantization.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/io/limits.hpp"

namespace serpette::deploy {

/// How such a map lies in memory: cell by cell, in rows with the padding of who reads it around
/// them.
struct RoundedLayout {
  Shape shape;              ///< Without padding.
  int padding = 0;          ///< Cells on each side, which hold what 0 becomes.
  std::int64_t depth = 0;   ///< Numbers from one cell to the next,
  std::int64_t filled = 0;  ///< of which so many are written: the channels, and zeros behind them,
                            ///< at most up to a multiple of 32.
  std::int64_t behind = 0;  ///< Numbers behind the last row that may be read, whatever they are.
  std::optional<Quantization> bytes = {};  ///< How bytes stand for its numbers; none: bfloat16.

  /// Whether the same numbers lie in the same places.
  [[nodiscard]] bool lies_as(RoundedLayout other) const {
    other.behind = behind;
    return *this == other;
  }
  bool operator==(const RoundedLayout&) const = default;

  /// Bytes of a number.
  [[nodiscard]] std::int64_t of_number() const { return bytes ? 1 : 2; }
  /// Cells of a row.
  [[nodiscard]] std::int64_t across() const { return std::int64_t{shape.width} + 2 * padding; }
  /// Bytes of a row.
  [[nodiscard]] std::int64_t row() const { return across() * depth * of_number(); }
  /// Bytes of the whole map.
  [[nodiscard]] std::int64_t all() const {
    return (std::int64_t{shape.height} + 2 * padding) * row() + behind * of_number();
  }
};

/// The rows of a rounded map that are in memory; none if it is not kept.
struct RoundedRows {
  std::byte* data = nullptr;  ///< Where row `first` begins, with the padding before it.
  std::int64_t first = 0;  ///< Of the map's rows; those of the padding above it are −1, −2, ….
  RoundedLayout layout;

  static RoundedRows whole(std::byte* data, const RoundedLayout& layout) {
    return {data, -layout.padding, layout};
  }

  /// Where a row's cells begin, behind the padding.
  [[nodiscard]] std::byte* cells(std::int64_t row) const {
    return data + (row - first) * layout.row() + layout.padding * layout.depth * layout.of_number();
  }

  /// Writes the padding of rows begin … end − 1 of the map, and that above or below it where they
  /// are the first or the last.
  void pad(std::int64_t begin, std::int64_t end) const {
    const std::int64_t padding = layout.padding;
    if (padding == 0) return;
    const int zero = layout.bytes ? layout.bytes->zero_point : 0;
    const auto side = static_cast<std::size_t>(padding * layout.depth * layout.of_number()),
               row = static_cast<std::size_t>(layout.row());
    const auto at = [&](std::int64_t r) { return data + (r - first) * layout.row(); };
    for (auto r = begin; r < end; ++r) {
      std::memset(at(r), zero, side);
      std::memset(at(r) + row - side, zero, side);
    }
    const auto rows = static_cast<std::size_t>(padding) * row;
    if (begin == 0) std::memset(at(-padding), zero, rows);
    if (end == layout.shape.height) std::memset(at(end), zero, rows);
  }
};

/// What a convolution reads and writes rounded: nothing, unless its form does such things
/// (form.hpp).
struct RoundedMaps {
  RoundedRows x;                 ///< Instead of its input.
  std::array<RoundedRows, 2> y;  ///< Of its output, as well as or instead of the numbers.
  RoundedRows residual;          ///< Instead of Finish's; in bfloat16.

  /// Writes the padding of what is written (RoundedRows::pad).
  void pad(std::int64_t begin, std::int64_t end) const {
    for (const auto& map : y)
      if (map.data != nullptr) map.pad(begin, end);
  }
};

/// Whether a map with padding around it is in proportion to the map, or small (io/limits.hpp).
/// @param depth  numbers of a cell.
inline bool pads_little(const Shape& map, std::int64_t padding, std::int64_t depth) {
  const auto cells = std::int64_t{map.height} * map.width,
             padded = (map.height + 2 * padding) * (map.width + 2 * padding);
  return padded <= 2 * cells || padded * depth <= limits::kPlanNumbers;
}

}  // namespace serpette::deploy
