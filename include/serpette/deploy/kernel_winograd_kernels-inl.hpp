/// @file
/// The inner loops of the Winograd convolution of whole kernels for one instruction set:
/// kernel_winograd_kernels.hpp includes this file repeatedly, hence no #pragma once. Included by
/// itself it is that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/kernel_winograd_kernels.hpp"
#else

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "serpette/deploy/kernel_winograd_job.hpp"

HWY_BEFORE_NAMESPACE();
namespace serpette::deploy::HWY_NAMESPACE {

namespace kernel_winograd {

namespace hn = hwy::HWY_NAMESPACE;
using serpette::detail::HWY_NAMESPACE::activate;
using serpette::detail::HWY_NAMESPACE::load_first;
using serpette::detail::HWY_NAMESPACE::store_first;

/// Where vector v of a point lies among [36 / points] times [points][vectors].
template <int Points, int Vectors, class T>
HWY_INLINE T* place(T* first, std::ptrdiff_t pitch, int point, int v, std::ptrdiff_t lanes) {
  return first + point / Points * pitch + (point % Points * Vectors + v) * lanes;
}

/// The rows that the tiles read, zeros around them: 4·tile_rows + 2.
template <class D>
void pad_rows(D d, const ChannelInJob& job) {
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  float* to = job.rows;
  for (int r = 0; r < 4 * job.tile_rows + 2; ++r, to += job.row_pitch) {
    const int y = 4 * job.tile_row + r - job.padding;
    std::ptrdiff_t x = 0;
    if (y >= 0 && y < job.height) {
      const float* from = job.image + (y - job.image_row) * job.width;
      for (int j = 0; j < job.padding; ++j) to[j] = 0;
      for (; x < job.width; x += lanes)
        hn::StoreU(load_first(d, from + x, static_cast<std::size_t>(job.width - x)), d,
                   to + job.padding + x);
      x += job.padding;
    }
    for (; x + lanes <= job.row_pitch; x += lanes) hn::StoreU(hn::Zero(d), d, to + x);
    for (; x < job.row_pitch; ++x) to[x] = 0;
  }
}

/// Every fourth cell of a row is one of a row of tiles. A row of tiles is written in whole vectors,
/// whose ends the next one overwrites.
template <class D>
void split_phases(D d, const ChannelInJob& job) {
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  for (int r = 0; r < 4 * job.tile_rows + 2; ++r) {
    const float* from = job.rows + r * job.row_pitch;
    float* to =
        job.phases + (r % 4) * 6 * job.phase_pitch + std::ptrdiff_t{r / 4} * job.tile_columns;
    for (std::ptrdiff_t x = 0; x < job.tile_columns; x += lanes, from += 4 * lanes, to += lanes) {
      hn::Vec<D> a, b, c, e, next_a, next_b;
      hn::LoadInterleaved4(d, from, a, b, c, e);
      hn::StoreU(a, d, to);
      hn::StoreU(b, d, to + job.phase_pitch);
      hn::StoreU(c, d, to + 2 * job.phase_pitch);
      hn::StoreU(e, d, to + 3 * job.phase_pitch);
      hn::LoadInterleaved4(d, from + 4, next_a, next_b, c, e);
      hn::StoreU(next_a, d, to + 4 * job.phase_pitch);
      hn::StoreU(next_b, d, to + 5 * job.phase_pitch);
    }
  }
}

template <class D, int Points, int Vectors>
void channel_in(const ChannelInJob& job) {
  const D d;
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  pad_rows(d, job);
  split_phases(d, job);
  V half_done[6][6];
  for (int v = 0; v < Vectors; ++v) {
    const float* tile = job.phases + job.skipped + v * lanes;
    for (int j = 0; j < 6; ++j) {
      V x[6], y[6];
      for (int i = 0; i < 6; ++i)
        x[i] = hn::LoadU(
            d, tile + (i % 4 * 6 + j) * job.phase_pitch + std::ptrdiff_t{i / 4} * job.tile_columns);
      dense::rows_in(d, x, y);
      for (int i = 0; i < 6; ++i) half_done[i][j] = y[i];
    }
    for (int i = 0; i < 6; ++i) {
      V y[6];
      dense::rows_in(d, half_done[i], y);
      for (int j = 0; j < 6; ++j)
        hn::Store(y[j], d, place<Points, Vectors>(job.to, job.to_pitch, i * 6 + j, v, lanes));
    }
  }
}

/// Σ_c U ⊙ V at some points.
template <class D, int Points, int Vectors>
void filters_on_tiles(const FiltersOnTilesJob& job) {
  const D d;
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  for (auto f = job.first; f < job.last; ++f) {
    V sum[Points][Vectors];
#pragma GCC unroll 12
    for (int p = 0; p < Points; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sum[p][v] = hn::Zero(d);
    for (auto n = job.starts[f]; n < job.starts[f + 1]; ++n) {
      const float* tile = job.tiles + job.channels[n] * (Points * Vectors * lanes);
      const float* weights = job.weights + n * Points;
#pragma GCC unroll 12
      for (int p = 0; p < Points; ++p) {
        const V weight = hn::Set(d, weights[p]);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v)
          sum[p][v] = hn::MulAdd(weight, hn::Load(d, tile + (p * Vectors + v) * lanes), sum[p][v]);
      }
    }
    float* to = job.sums + f * (Points * Vectors * lanes);
#pragma GCC unroll 12
    for (int p = 0; p < Points; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) hn::Store(sum[p][v], d, to + (p * Vectors + v) * lanes);
  }
}

/// Aᵀ m A, one tile a lane; each of the four rows of cells is written as it will lie.
template <class D, int Points, int Vectors>
HWY_INLINE void transform_out(D d, const FilterOutJob& job) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  V half_done[4][6];
  for (int v = 0; v < Vectors; ++v) {
    for (int j = 0; j < 6; ++j) {
      V m[6], y[4];
      for (int i = 0; i < 6; ++i)
        m[i] = hn::Load(d, place<Points, Vectors>(job.sums, job.sums_pitch, i * 6 + j, v, lanes));
      dense::rows_out(d, m, y);
      for (int i = 0; i < 4; ++i) half_done[i][j] = y[i];
    }
    for (int i = 0; i < 4; ++i) {
      V y[4];
      dense::rows_out(d, half_done[i], y);
      hn::StoreInterleaved4(y[0], y[1], y[2], y[3], d, job.rows + (i * Vectors + v) * 4 * lanes);
    }
  }
}

template <class D, int Points, int Vectors>
void filter_out(const FilterOutJob& job) {
  const D d;
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  transform_out<D, Points, Vectors>(d, job);
  const auto bias = hn::Set(d, job.bias), slope = hn::Set(d, job.finish.slope),
             residual_slope = hn::Set(d, job.finish.residual_slope);
  for (auto tile = job.first; tile < job.last;) {
    const auto row = tile / job.tile_columns, column = tile % job.tile_columns,
               count = std::min<std::ptrdiff_t>(job.tile_columns - column, job.last - tile);
    const auto cells = std::min<std::ptrdiff_t>(4 * count, job.width - 4 * column);
    for (int i = 0; i < 4 && 4 * row + i < job.height; ++i) {
      const float* from = job.rows + i * Vectors * 4 * lanes + 4 * (tile - job.first);
      const auto at = [&](std::int64_t first) {
        return (4 * row + i - first) * job.width + 4 * column;
      };
      float* out = job.out + at(job.out_row);
      const float* residual =
          job.finish.residual == nullptr ? nullptr : job.finish.residual + at(job.residual_row);
      for (std::ptrdiff_t x = 0; x < cells; x += lanes) {
        const auto left = static_cast<std::size_t>(cells - x);
        // The last cells of the last row of tiles end with `rows`.
        auto v = activate(d, hn::Add(load_first(d, from + x, left), bias), slope);
        if (residual != nullptr)
          v = activate(d, hn::Add(v, load_first(d, residual + x, left)), residual_slope);
        store_first(d, v, out + x, left);
      }
    }
    tile += count;
  }
}

template <class D, std::size_t Shape, int... V>
constexpr std::array<KernelWinogradKernels, kMaxTileVectors> kernels_of(
    std::integer_sequence<int, V...>) {
  constexpr int kPoints = kTileShapes[Shape].points;
  return {KernelWinogradKernels{&channel_in<D, kPoints, V + 1>,
                                &filters_on_tiles<D, kPoints, V + 1>,
                                &filter_out<D, kPoints, V + 1>}...};
}

template <class D, std::size_t... Shapes>
KernelWinogradTable table_for(std::index_sequence<Shapes...>) {
  return {
      static_cast<int>(hn::Lanes(D{})),
      {kernels_of<D, Shapes>(std::make_integer_sequence<int, kTileShapes[Shapes].vectors>{})...}};
}

}  // namespace kernel_winograd

/// @param narrow  at most eight lanes, for maps of few tiles.
inline KernelWinogradTable kernel_winograd_table(bool narrow) {
  using Shapes = std::make_index_sequence<kTileShapes.size()>;
  using Wide = hwy::HWY_NAMESPACE::ScalableTag<float>;
  using Narrow = hwy::HWY_NAMESPACE::CappedTag<float, 8>;
  return narrow ? kernel_winograd::table_for<Narrow>(Shapes{})
                : kernel_winograd::table_for<Wide>(Shapes{});
}

}  // namespace serpette::deploy::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
