#pragma once

/// @internal How sparse_convolution.hpp cuts its output.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/sparse_job.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Lanes that the sums of a convolution move by, from the first column of its kernel to the last; 0
/// where vectors of so many lanes would have hardly any of use left.
inline int shifts_of(const Convolutional& c, int lanes) {
  const int shifts = (c.size - 1) / c.stride;
  return 2 * shifts < lanes ? shifts : 0;
}

/// How the output of a sparse convolution is cut into tiles.
struct SparseTiling {
  /// Of one strip.
  struct Tile {
    std::size_t strip = 0;
    int row = 0;        ///< In each band.
    int first_row = 0;  ///< Rows of the tile before this one belong to the tile above.
  };

  bool flat = false;     ///< The map is one run of cells: 1×1 does not mind which make a row.
  bool in_rows = false;  ///< Tiles are rows of the map, whose strips lie side by side.
  bool direct = false;   ///< The input is aligned as it is: nothing to pack.
  int lanes = 1, map_rows = 0;  ///< Rows of the output, as tiles see it.
  int shifts = 0;               ///< Lanes that sums move by: of no use at the end of each band.
  int column_planes = 1;        ///< Of a channel and a row parity.
  int more_rows = 0;            ///< Of a packed plane than of its tile.
  int plane_rows = 0;           ///< Most rows of a packed plane.
  std::vector<SparseStrip> strips;
  std::vector<Tile> tiles;  ///< Whole vectors first, row by row: neighbours read the same input.

  /// @param kernels  for which it is cut.
  /// @param shifted  see SparseSettings; where these kernels can.
  template <class Number>
  SparseTiling(const Convolutional& c, const Shape& in, const SparseKernels<Number>& kernels,
               bool shifted)
      : SparseTiling(c, in, kernels.lanes,
                     shifted && kernels.can_shift() ? shifts_of(c, kernels.lanes) : 0) {}

  /// Of the output, those with idle lanes too.
  [[nodiscard]] std::int64_t vectors() const {
    std::int64_t sum = 0;
    for (const SparseStrip& strip : strips) sum += std::int64_t{strip.tiles} * strip.tile_rows;
    return sum;
  }

  /// Multiply-adds with so many weights, and as many for every value of so many packed planes.
  [[nodiscard]] std::int64_t operations(std::int64_t weights, std::int64_t planes) const {
    const auto rows = vectors();
    return lanes * (rows * weights + (rows + more_rows * std::ssize(tiles)) * planes);
  }

 private:
  /// Lanes over those of use, at most, for tiles to be rows.
  static constexpr double kMostIdle = 1.03;

  SparseTiling(const Convolutional& c, const Shape& in, int lanes_, int shifts_)
      : lanes(lanes_),
        shifts(shifts_),
        column_planes(shifts > 0 ? c.stride : c.size),
        more_rows((c.size - 1) / c.stride) {
    const Shape out = output_shape(c, in);
    const int cells = out.height * out.width;
    const int use = lanes - shifts;
    in_rows =
        bytes_of(out) >= kSlicedMap && (out.width + use - 1) / use * use <= kMostIdle * out.width;
    flat = c.size == 1 && c.stride == 1 && c.padding == 0 && !in_rows;
    direct = flat && cells % lanes == 0;
    map_rows = flat ? (cells - 1) / lanes + 1 : out.height;
    const int columns = flat ? lanes : out.width;
    int column = 0;
    for (; column + use <= columns; column += use)
      strips.emplace_back(column, use, map_rows, 1, lanes, most_rows());
    if (in_rows && column < columns)
      strips.emplace_back(column, columns - column, map_rows, 1, lanes, most_rows());
    else
      for (const SparseStrip& strip : remainder(column, columns - column, 1))
        strips.push_back(strip);
    for (std::size_t s = 0; s < strips.size(); ++s) {
      const SparseStrip& strip = strips[s];
      plane_rows = std::max(plane_rows, strip.tile_rows + more_rows);
      for (int t = 0; t < strip.tiles; ++t) {
        const int wanted = t * strip.tile_rows,
                  row = std::min(wanted, strip.band_rows - strip.tile_rows);
        tiles.push_back({s, row, wanted - row});
      }
    }
    std::ranges::stable_sort(tiles, {}, [this](const Tile& tile) {
      return strips[tile.strip].groups > 1 ? map_rows : tile.row;
    });
  }

  [[nodiscard]] int most_rows() const { return in_rows ? kSliceTileRows : kMaxTileRows; }

  /// The cheapest strips for the last columns of a row, no more than one of so many bands holds.
  [[nodiscard]] std::vector<SparseStrip> remainder(int column, int width, int groups) const {
    if (width == 0) return {};
    const int cells = lanes / groups, half = cells / 2, use = half - shifts;
    std::vector<SparseStrip> one{{column, width, map_rows, groups, cells}};
    if (use <= 0 || width > 2 * use) return one;
    std::vector<SparseStrip> more;
    const int taken = width >= use ? use : 0;
    if (taken > 0) more.emplace_back(column, use, map_rows, 2 * groups, half);
    for (const SparseStrip& strip : remainder(column + taken, width - taken, 2 * groups))
      more.push_back(strip);
    const auto cost = [](const std::vector<SparseStrip>& strips_) {
      int sum = 0;
      for (const SparseStrip& strip : strips_) sum += strip.cost();
      return sum;
    };
    return cost(more) < cost(one) ? more : one;
  }
};

}  // namespace serpette::deploy
