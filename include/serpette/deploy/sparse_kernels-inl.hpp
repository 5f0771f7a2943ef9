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
using serpette::detail::HWY_NAMESPACE::load_between;
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

/// One tile of one filter, in registers: what it begins with.
template <class D, int Rows>
HWY_INLINE void begin_sums(D d, const FilterJob& job, hn::Vec<D> (&sum)[Rows]) {
  const std::size_t lanes = hn::Lanes(d);
  if (job.partial_in != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) sum[r] = hn::LoadU(d, job.partial_in + r * lanes);
  } else {
    const auto bias = hn::Set(d, job.bias);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) sum[r] = bias;
  }
}

/// Adds the weights of one shift: for each one broadcast and `Rows` multiply-adds on memory
/// operands.
template <class D, int Rows>
HWY_INLINE void add_weights(D d, const FilterJob& job, int shift, hn::Vec<D> (&sum)[Rows]) {
  const std::size_t lanes = hn::Lanes(d);
  const auto end = job.starts[shift + 1];
  for (auto i = job.starts[shift]; i < end; ++i) {
    const float* from = job.planes + job.offsets[i];
    const auto weight = hn::Set(d, job.weights[i]);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
      sum[r] = hn::MulAdd(weight, hn::LoadU(d, from + r * lanes), sum[r]);
  }
}

/// All weights of a filter, shift by shift: those of the last column first, whose sums move a lane
/// down before those of the column before are added, and so on.
template <class D, int Rows>
HWY_INLINE void sum_shifted_weights(D d, const FilterJob& job, hn::Vec<D> (&sum)[Rows]) {
  int shift = 0;
  while (shift < job.shifts && job.starts[shift] == job.starts[shift + 1]) ++shift;
  if (shift == job.shifts) {
    begin_sums(d, job, sum);
  } else {
    const hn::RebindToSigned<D> di;
    const auto last = hn::Set(di, static_cast<std::int32_t>(hn::Lanes(d)) - 1);
    const auto next = hn::IndicesFromVec(d, hn::Min(hn::Iota(di, 1), last));
    hn::Vec<D> moving[Rows];
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) moving[r] = hn::Zero(d);
    for (; shift < job.shifts; ++shift) {
      add_weights(d, job, shift, moving);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) moving[r] = hn::TableLookupLanes(moving[r], next);
    }
    begin_sums(d, job, sum);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) sum[r] = hn::Add(sum[r], moving[r]);
  }
  add_weights(d, job, job.shifts, sum);
}

/// One filter on one tile of `Rows` vectors, accumulated in registers.
template <class D, int Rows, bool IsShifted>
void filter_on_tile(const FilterJob& job) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<D> sum[Rows];
  if constexpr (IsShifted) {
    sum_shifted_weights(d, job, sum);
  } else {
    begin_sums(d, job, sum);
    add_weights(d, job, 0, sum);
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

/// Lane j = row[first + j], 0 outside [0, width).
template <class D>
HWY_INLINE hn::Vec<D> row_part(D d, const float* row, std::ptrdiff_t first, std::ptrdiff_t width) {
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  return load_between(
      d, row + first, static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(-first, 0, lanes)),
      static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(width - first, 0, lanes)));
}

/// Lanes 0, 2, 4, … of two vectors; of vectors of one or two lanes nothing of use.
template <class D>
HWY_INLINE hn::Vec<D> even_lanes([[maybe_unused]] D d, hn::Vec<D> low,
                                 [[maybe_unused]] hn::Vec<D> high) {
#if HWY_TARGET != HWY_SCALAR  // which has no such operation
  if constexpr (hn::MaxLanes(D()) > 2) return hn::ConcatEven(d, high, low);
#endif
  return low;
}

/// One band's rows of packed planes, a vector of D each: lane j of row r of a plane =
/// x[channel][first_row + row + r · stride][first_column + column + j · stride], 0 outside the map.
template <class D>
void pack_planes(const PackJob& job) {
  const D d;
  constexpr bool kHasPairs = hn::MaxLanes(D()) > 2;
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  const std::ptrdiff_t s = job.stride, width = job.width, cells = width * job.height;
  float* to = job.to;
  for (const PackedPlane& plane : job.planes) {
    const std::ptrdiff_t first = job.first_column + plane.column, top = job.first_row + plane.row;
    // Rows begin … end − 1 of the plane lie within the map.
    const auto rows_before = [&](std::ptrdiff_t y) {
      const auto down = std::max<std::ptrdiff_t>(y - top, 0);
      return std::min<std::ptrdiff_t>(s == 1 ? down : (down + s - 1) / s, job.rows);
    };
    const auto begin = rows_before(0), end = rows_before(job.height);
    const auto zeros = [&](std::ptrdiff_t from, std::ptrdiff_t until) {
      for (auto r = from; r < until; ++r) hn::StoreU(hn::Zero(d), d, to + r * job.pitch);
    };
    const auto rows = [&](const auto& vector_of) {
      const float* row = job.x + plane.channel * cells + (top + begin * s) * width;
      for (auto r = begin; r < end; ++r, row += s * width)
        hn::StoreU(vector_of(row), d, to + r * job.pitch);
    };

    const bool is_within = first >= 0 && first + s * lanes <= width;
    zeros(0, begin);
    if (s == 1 && is_within)
      rows([&](const float* row) { return hn::LoadU(d, row + first); });
    else if (s == 1)
      rows([&](const float* row) { return row_part(d, row, first, width); });
    else if (kHasPairs && s == 2 && is_within)
      rows([&](const float* row) {
        return even_lanes(d, hn::LoadU(d, row + first), hn::LoadU(d, row + first + lanes));
      });
    else if (kHasPairs && s == 2)
      rows([&](const float* row) {
        return even_lanes(d, row_part(d, row, first, width),
                          row_part(d, row, first + lanes, width));
      });
    else
      rows([&](const float* row) {
        HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)];
        for (std::ptrdiff_t j = 0, x = first; j < lanes; ++j, x += s)
          values[j] = x >= 0 && x < width ? row[x] : 0.0F;
        return hn::Load(d, values);
      });
    zeros(end, job.rows);
    to += job.plane_floats;
  }
}

template <class D, bool IsShifted, int... Rows>
constexpr std::array<FilterKernel, sizeof...(Rows)> filter_kernels(
    std::integer_sequence<int, Rows...>) {
  return {&filter_on_tile<D, Rows + 1, IsShifted>...};
}

/// The loops for bands: of all lanes, of half of them, …
template <class D, int Halves = 0>
void add_band_kernels(SparseKernels& to) {
  to.pack_planes[Halves] = &pack_planes<D>;
  to.finish_bands[Halves] = &finish_bands<D>;
  if constexpr (Halves < kMostHalves) add_band_kernels<hn::Half<D>, Halves + 1>(to);
}

template <class D>
SparseKernels kernels_for(int lanes) {
  using Rows = std::make_integer_sequence<int, kMaxTileRows>;
  SparseKernels made{
      lanes, filter_kernels<D, false>(Rows{}), filter_kernels<D, true>(Rows{}), {}, {}};
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
