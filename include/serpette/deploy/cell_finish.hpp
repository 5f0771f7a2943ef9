#pragma once

/// @internal What becomes of a convolution's sums, cell by cell.

/// @file
/// Sums of cells are finished and stored: as floats, in fewer bits for who reads them, or as both.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "serpette/deploy/finish.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/detail/kernels.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Some positions one behind the other, row by row of a map: its cells, and behind a row's perhaps
/// some that are none, up to where the next row's begin.
struct CellPositions {
  int row = 0, column = 0;    ///< Of the first position.
  int count = 0;              ///< From it on, as far as there are any.
  int width = 0, across = 0;  ///< Cells, and positions, of a row.

  /// Cells of its row before the first position.
  [[nodiscard]] int before() const { return std::min(column, width); }
};

/// Where in a rounded map the sums of some filters lie.
struct RoundedCells {
  std::byte* data = nullptr;  ///< The first filter's number in cell (0, 0); null: no such map.
  std::ptrdiff_t depth = 0;   ///< Numbers from one cell to the next.
  std::ptrdiff_t around = 0;  ///< Cells that lie between two rows.
  int columns = 0;            ///< Numbers that are stored, or added, of each cell.
  bool is_bytes = false;      ///< Else bfloat16.
  float steps = 1, zero = 0;  ///< Of bytes: round(steps · sum) + zero.

  /// Bytes of a number.
  [[nodiscard]] std::ptrdiff_t of_number() const { return is_bytes ? 1 : 2; }

  /// Those of a map from a row on; none if it is not kept.
  static RoundedCells of(const RoundedRows& map, std::int64_t row) {
    if (map.data == nullptr) return {};
    const auto& layout = map.layout;
    RoundedCells cells{.data = map.cells(row),
                       .depth = layout.depth,
                       .around = 2 * layout.padding,
                       .columns = static_cast<int>(layout.filled),
                       .is_bytes = layout.bytes.has_value()};
    if (layout.bytes) {
      cells.steps = 1 / layout.bytes->scale;
      cells.zero = static_cast<float>(layout.bytes->zero_point);
    }
    return cells;
  }

  /// The same from a filter on.
  [[nodiscard]] RoundedCells from(std::int64_t filter) const {
    RoundedCells rest = *this;
    if (data == nullptr) return rest;
    rest.data += filter * of_number();
    rest.columns -= static_cast<int>(filter);
    return rest;
  }
};

/// What becomes of the sums of up to two vectors of filters at some cells.
struct CellFinish {
  CellPositions positions;
  float* out = nullptr;       ///< Of cell (0, 0); null if no floats are stored.
  std::ptrdiff_t pitch = 0;   ///< From one cell of `out`, and of Finish's residual, to the next.
  std::ptrdiff_t around = 0;  ///< Of these, cells that lie between two rows.
  int columns = 0;            ///< That are stored of each cell.
  Finish finish;              ///< Its residual begins where `out` does.
  std::array<RoundedCells, 2> rounded;  ///< The same, stored in fewer bits.
  RoundedCells residual;                ///< Of bfloat16, instead of Finish's.

  /// Whether there is more to it than floats.
  [[nodiscard]] bool has_rounded() const {
    return rounded[0].data != nullptr || rounded[1].data != nullptr || residual.data != nullptr;
  }
  /// From where `out` and Finish's residual begin to a position.
  [[nodiscard]] std::ptrdiff_t to(const CellPositions& at) const {
    return (at.row * (at.width + around) + at.before()) * pitch;
  }
};

/// Where the maps that a convolution writes and adds lie from a row of theirs on.
template <class Number>
class CellMaps {
 public:
  /// @param out  shape of the output.
  CellMaps(const RowMaps<Number>& maps, const Shape& out, std::int64_t row)
      : maps_(&maps),
        channels_(out.channels),
        y_(numbers(maps.y, out, row)),
        residual_(numbers(maps.residual, out, row)),
        rounded_y_{RoundedCells::of(maps.rounded.y[0], row),
                   RoundedCells::of(maps.rounded.y[1], row)},
        rounded_residual_(RoundedCells::of(maps.rounded.residual, row)) {}

  /// Gives a job all but its positions and columns.
  /// @param filter  the first of its.
  void give(std::int64_t filter, CellFinish& job) const {
    job.pitch = channels_;
    job.finish = maps_->finish;
    job.out = y_ == nullptr ? nullptr : y_ + filter;
    job.finish.residual = residual_ == nullptr ? nullptr : residual_ + filter;
    for (std::size_t m = 0; m < rounded_y_.size(); ++m) job.rounded[m] = rounded_y_[m].from(filter);
    job.residual = rounded_residual_.from(filter);
  }

 private:
  template <class Float>
  static Float* numbers(const MapRows<Float>& map, const Shape& out, std::int64_t row) {
    if (map.data == nullptr) return nullptr;
    return map.data + (row - map.first) * out.width * out.channels;
  }

  const RowMaps<Number>* maps_;
  std::int64_t channels_;
  float* y_;
  const float* residual_;
  std::array<RoundedCells, 2> rounded_y_;
  RoundedCells rounded_residual_;
};

}  // namespace serpette::deploy

#ifndef SERPETTE_KERNELS_APART
#define SERPETTE_EACH_TARGET "serpette/deploy/cell_finish-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"
#endif
