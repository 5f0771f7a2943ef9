#pragma once

/// @internal What sparse_convolution.hpp hands its kernels.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "serpette/deploy/finish.hpp"
#include "serpette/deploy/narrow_numbers.hpp"

namespace serpette::deploy {

/// Most rows (vectors) of a tile: as many accumulators as 16 vector registers can hold beside
/// weight and operand, and 32 of two filters.
inline constexpr int kMaxTileRows = 14;
/// And of a tile of a slice, so that the rows it reads are few.
inline constexpr int kSliceTileRows = 7;

/// How often a vector is halved at most: into 16 bands of a cell.
inline constexpr int kMostHalves = 4;

/// Columns of the output that are computed together. The map is cut into `groups` bands, one above
/// the other, and a vector holds the columns of one row of each: whole vectors are one band; where
/// fewer columns than lanes are left at the end of the rows, several bands fill a vector. One row
/// down is one vector on, in whatever band.
struct SparseStrip {
  int column = 0, width = 0;     ///< First column, and columns.
  int groups = 1, cells = 1;     ///< Bands, and lanes of each; width ≤ cells.
  int band_rows = 0;             ///< Of each band; the last may reach beyond the map.
  int tiles = 0, tile_rows = 0;  ///< Of each band; the last tile may overlap the one above.

  SparseStrip(int column_, int width_, int map_rows, int groups_, int cells_,
              int most_rows = kMaxTileRows)
      : column(column_),
        width(width_),
        groups(groups_),
        cells(cells_),
        band_rows((map_rows + groups - 1) / groups),
        tiles((band_rows + most_rows - 1) / most_rows),
        tile_rows((band_rows + tiles - 1) / tiles) {}

  /// Of all tiles, in vectors: those of a tile, as many at least as multiply-adds are under way at
  /// a time, and what begins and ends it.
  [[nodiscard]] int cost() const {
    constexpr int kUnderWay = 8, kBothEnds = 3;
    return tiles * (std::max(tile_rows, kUnderWay) + kBothEnds);
  }
};

/// Filters of a job. Two of bytes, which most places of weights have both: each operand is loaded
/// once, and there are registers for the sums of both. Floats have few such places.
template <class Number>
inline constexpr int kFilters = std::is_same_v<Number, Int8> ? 2 : 1;
/// Lists of weights that they have: of two those that both have, the first alone, the second alone.
template <class Number>
inline constexpr int kLists = kFilters<Number> == 1 ? 1 : 3;

/// Filters that are computed together on one tile, for one part of the input channels.
/// @tparam Number  of the operands: float, or Int8, of which a lane holds those of four channels,
///                 and sums are exact, and scaled before the bias.
template <class Number>
struct FiltersJob {
  const Together<Number>* planes = nullptr;  ///< Packed input of the tile, or the input itself.
  const std::int32_t* offsets = nullptr;     ///< Where operands begin in `planes`, place by place.
  /// [shifts + 1][kLists] and an end, into offsets. See SparseWeights::Part.
  const std::int64_t* starts = nullptr;
  const Together<Number>* weights = nullptr;  ///< List by list; of both filters side by side.
  int shifts = 0;                             ///< Of sums, by a lane each.
  int filters = 1;                            ///< That there are, at most kFilters.
  const float* bias = nullptr;                ///< [filters]
  const float* scale = nullptr;               ///< [filters] of Int8.
  const Sum<Number>* partial_in = nullptr;    ///< [kFilters, rows, lanes] so far, or null to begin.
  Sum<Number>* partial_out = nullptr;         ///< Where sums go that are not the last part's.
  float* bands_out = nullptr;  ///< Where the last part's go, with the bias, of a tile of several
                               ///< bands. If both are null the filters are finished:
  float* out = nullptr;        ///< Top left of the tile in the first filter's output plane.
  std::ptrdiff_t plane = 0;    ///< From one filter's output to the next's.
  std::ptrdiff_t residual_plane = 0;  ///< From one filter's residual to the next's.
  Finish finish;                      ///< Its residual begins where `out` does.
  std::ptrdiff_t pitch = 0;           ///< From one row of `out` and the residual to the next.
  int first_row = 0;                  ///< Rows before this one belong to another tile.
  int width = 0, last_width = 0;      ///< Lanes that count: of each row, of the last row.
  /// Ask for what the filters that come next will write and add, while these are computed.
  bool fetches_ahead = false;
};

/// The sums of one filter on one tile of several bands, to be finished.
struct BandsJob {
  const SparseStrip* strip = nullptr;
  const float* sums = nullptr;  ///< [tile_rows, lanes]
  float* out = nullptr;         ///< The output plane from the strip's first column on.
  Finish finish;                ///< Its residual begins where `out` does.
  std::ptrdiff_t pitch = 0;     ///< From one row of `out` and the residual to the next.
  int lanes = 0, map_rows = 0;
  int row = 0, first_row = 0;  ///< Of the tile in each band; rows of it before this are not stored.
};

/// What some weights of a channel (of four, in bytes) read, one row of their kernel one row of it
/// further down: every stride-th row and column of the input.
struct PackedPlane {
  int channel, row, column;  ///< Of its first value, counted from what the first tap reads.
};

/// Planes to be laid out for one band of a tile.
struct PackJob {
  float* to = nullptr;              ///< [planes, plane_floats], each [rows, pitch], of which the
                                    ///< first `cells` of each row are written.
  std::ptrdiff_t plane_floats = 0;  ///< From one plane to the next.
  std::ptrdiff_t pitch = 0;         ///< From one row of a plane to the next.
  std::span<const PackedPlane> planes;
  const float* x = nullptr;  ///< The input's rows from `x_row` on, of `width` each; a float stands
                             ///< for any lane.
  std::ptrdiff_t x_row = 0, x_plane = 0;           ///< From one channel to the next.
  float outside = 0;                               ///< What lies around it.
  int rows = 0, height = 0, width = 0;             ///< Of a plane; of the input.
  std::ptrdiff_t first_row = 0, first_column = 0;  ///< What the first tap reads; perhaps outside.
  std::ptrdiff_t stride = 1;                       ///< Of rows and columns.
  /// Row parities, from the first on, whose planes have all `rows`; those of others have one less.
  std::ptrdiff_t whole_planes = 1;
  bool fetches_ahead = false;  ///< Ask for what lies to the right, which the next tile reads.
};

using FinishBands = void (*)(const BandsJob&);
using PackPlanes = void (*)(const PackJob&);

/// Numbers of as many channels as a lane holds to be rounded, side by side.
struct RoundPlanesJob {
  Rounding<Int8> rounding;
  std::array<const float*, 4> planes{};  ///< [count] each; null where there are no more channels.
  std::int64_t count = 0;
  Together<Int8>* to = nullptr;  ///< [count]
};

/// The inner loops for one instruction set and vector width.
template <class Number>
struct SparseKernels {
  using FiltersKernel = void (*)(const FiltersJob<Number>&);
  int lanes = 1;                                              ///< Of a vector, of four bytes each.
  std::array<FiltersKernel, kMaxTileRows> weights{};          ///< By rows − 1; for no shifts.
  std::array<FiltersKernel, kMaxTileRows> shifted_weights{};  ///< For any number; of floats.
  /// By the binary logarithm of the bands: each has lanes / bands cells of a vector.
  std::array<PackPlanes, kMostHalves + 1> pack_planes{};
  std::array<FinishBands, kMostHalves + 1> finish_bands{};
  void (*round_planes)(const RoundPlanesJob&) = nullptr;  ///< Of Int8.

  [[nodiscard]] bool can_shift() const { return shifted_weights.front() != nullptr; }
};

}  // namespace serpette::deploy
