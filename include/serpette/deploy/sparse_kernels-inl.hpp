/// @file
/// The inner loops of the sparse convolution for one instruction set: sparse_kernels.hpp includes
/// this file repeatedly, hence no #pragma once. Included by itself it is that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/sparse_kernels.hpp"
#else

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "serpette/deploy/sparse_job.hpp"

HWY_BEFORE_NAMESPACE();
namespace serpette::deploy::HWY_NAMESPACE {

namespace sparse {

namespace hn = hwy::HWY_NAMESPACE;
using serpette::detail::HWY_NAMESPACE::activate;
using serpette::detail::HWY_NAMESPACE::load_first;
using serpette::detail::HWY_NAMESPACE::store_first;

/// The first `width` sums of one row, finished, to `out + at`.
template <class D>
HWY_INLINE void finish_row(D d, hn::Vec<D> v, const Finish& finish, std::ptrdiff_t at,
                           std::size_t width, float* out) {
  v = activate(d, v, hn::Set(d, finish.slope));
  if (finish.residual != nullptr)
    v = activate(d, hn::Add(v, load_first(d, finish.residual + at, width)),
                 hn::Set(d, finish.residual_slope));
  store_first(d, v, out + at, width);
}

/// One filter on one tile of `Rows` vectors, accumulated in registers: for each weight one
/// broadcast and `Rows` multiply-adds on memory operands.
template <class D, int Rows>
void filter_on_tile(const FilterJob& job) {
  const D d;
  using V = hn::Vec<D>;
  const std::size_t lanes = hn::Lanes(d);
  V sum[Rows];
  if (job.partial_in != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) sum[r] = hn::LoadU(d, job.partial_in + r * lanes);
  } else {
    const V bias = hn::Set(d, job.bias);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) sum[r] = bias;
  }

  for (std::int64_t i = 0; i < job.count; ++i) {
    const float* from = job.planes + job.offsets[i];
    const V weight = hn::Set(d, job.weights[i]);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
      sum[r] = hn::MulAdd(weight, hn::LoadU(d, from + r * lanes), sum[r]);
  }

  if (job.partial_out != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) hn::StoreU(sum[r], d, job.partial_out + r * lanes);
    return;
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    if (r < job.first_row) continue;
    const auto width = static_cast<std::size_t>(r == Rows - 1 ? job.last_width : job.width);
    finish_row(d, sum[r], job.finish, r * job.pitch, width, job.out);
  }
}

/// @tparam D  of as many lanes as a band has cells.
template <class D>
void finish_bands(const BandsJob& job) {
  const D d;
  const SparseStrip& strip = *job.strip;
  for (int g = 0; g < strip.groups; ++g) {
    const int top = g * strip.band_rows + job.row,
              rows = std::min(strip.tile_rows, job.map_rows - top);
    const float* sums = job.sums + g * strip.cells;
    for (int r = job.first_row; r < rows; ++r)
      finish_row(d, hn::LoadU(d, sums + r * job.lanes), job.finish, (top + r) * job.pitch,
                 static_cast<std::size_t>(strip.width), job.out);
  }
}

/// One band's rows of one packed plane, a vector of D each:
/// lane j of row r = from[(first_row + r · stride) · width + first_column + j · stride], 0 outside
/// the map.
template <class D>
void pack_plane(const PackJob& job) {
  const D d;
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  const std::ptrdiff_t first = job.first_column, s = job.stride;
  const auto inside = std::clamp<std::ptrdiff_t>(job.width - first, 0, lanes);
  float* to = job.to;
  std::ptrdiff_t y = job.first_row;
  for (int r = 0; r < job.rows; ++r, y += s, to += job.pitch) {
    if (y < 0 || y >= job.height) {
      hn::StoreU(hn::Zero(d), d, to);
      continue;
    }
    const float* row = job.from + y * job.width;
    if (s == 1 && first >= 0) {
      hn::StoreU(load_first(d, row + first, static_cast<std::size_t>(inside)), d, to);
    } else if (s == 1 && first > -lanes) {
      const auto count =
          static_cast<std::size_t>(std::min<std::ptrdiff_t>(lanes + first, job.width));
      hn::StoreU(hn::Zero(d), d, to);
      store_first(d, load_first(d, row, count), to - first, count);
    } else if (s == 2) {
      const float* from = row + first;
      HWY_ALIGN float inner[4 * HWY_MAX_BYTES / sizeof(float)];
      if (first < 0 || first + 2 * lanes > job.width) {  // with zeros around
        const auto begin = std::max<std::ptrdiff_t>(first, 0),
                   end = std::min<std::ptrdiff_t>(first + 2 * lanes, job.width);
        for (std::ptrdiff_t x = 0; x < 2 * lanes; x += lanes) hn::Store(hn::Zero(d), d, inner + x);
        for (auto x = begin; x < end; x += lanes)
          hn::StoreU(load_first(d, row + x, static_cast<std::size_t>(end - x)), d,
                     inner + x - first);
        from = inner;
      }
      hn::Vec<D> even, odd;
      hn::LoadInterleaved2(d, from, even, odd);
      hn::StoreU(even, d, to);
    } else {
      for (std::ptrdiff_t j = 0; j < lanes; ++j) {
        const auto x = first + j * s;
        to[j] = x >= 0 && x < job.width ? row[x] : 0.0F;
      }
    }
  }
}

template <class D, int... Rows>
constexpr std::array<FilterKernel, sizeof...(Rows)> filter_kernels(
    std::integer_sequence<int, Rows...>) {
  return {&filter_on_tile<D, Rows + 1>...};
}

/// The loops for bands: of all lanes, of half of them, …
template <class D, int Halves = 0>
void add_band_kernels(SparseKernels& to) {
  to.pack_plane[Halves] = &pack_plane<D>;
  to.finish_bands[Halves] = &finish_bands<D>;
  if constexpr (Halves < kMostHalves) add_band_kernels<hn::Half<D>, Halves + 1>(to);
}

template <class D>
SparseKernels kernels_for(int lanes) {
  using Rows = std::make_integer_sequence<int, kMaxTileRows>;
  SparseKernels made{lanes, filter_kernels<D>(Rows{}), {}, {}};
  add_band_kernels<D>(made);
  return made;
}

}  // namespace sparse

/// @param narrow  at most eight lanes, for maps a few cells wide.
inline SparseKernels sparse_kernels(bool narrow) {
  using Wide = hwy::HWY_NAMESPACE::ScalableTag<float>;
  using Narrow = hwy::HWY_NAMESPACE::CappedTag<float, 8>;
  if (narrow)
    return sparse::kernels_for<Narrow>(static_cast<int>(hwy::HWY_NAMESPACE::Lanes(Narrow{})));
  return sparse::kernels_for<Wide>(static_cast<int>(hwy::HWY_NAMESPACE::Lanes(Wide{})));
}

}  // namespace serpette::deploy::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
