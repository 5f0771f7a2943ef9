/// @file
/// The inner loops of the sparse convolution for one instruction set: sparse_kernels.hpp includes
/// this file repeatedly, hence no #pragma once. Included by itself it is that header.
///
/// The operation that matters for bytes adds four of their products to an integer:
/// before_dots-inl.hpp. Without it there are no kernels for them.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/sparse_kernels.hpp"
#else

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "serpette/deploy/sparse_job.hpp"

#include "serpette/detail/before_dots-inl.hpp"
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

/// Sums of products of one kind of number, a vector of them: the lanes they are kept in, one step,
/// and the float that comes of them.
template <class Number, class D>
struct Sums;

template <class D>
struct Sums<float, D> {
  using Lanes = D;
  static HWY_INLINE hn::Vec<D> begin(float bias) { return hn::Set(D(), bias); }
  static HWY_INLINE hn::Vec<D> broadcast(float weight) { return hn::Set(D(), weight); }
  static HWY_INLINE hn::Vec<D> load(const float* from) { return hn::LoadU(D(), from); }
  static HWY_INLINE hn::Vec<D> add(hn::Vec<D> sum, hn::Vec<D> operand, hn::Vec<D> weight) {
    return hn::MulAdd(weight, operand, sum);
  }
  static HWY_INLINE hn::Vec<D> end(const FiltersJob<float>&, int, hn::Vec<D> sum) { return sum; }
};

#if SERPETTE_HAS_DOTS
template <class D>
struct Sums<Int8, D> {
  using Lanes = hn::RebindToSigned<D>;
  static HWY_INLINE hn::Vec<Lanes> begin(float) { return hn::Zero(Lanes()); }
  static HWY_INLINE hn::Vec<Lanes> broadcast(const Together<Int8>& weights) {
    return hn::Set(Lanes(), std::bit_cast<std::int32_t>(weights));
  }
  static HWY_INLINE hn::Vec<Lanes> load(const Together<Int8>* from) {
    return hn::Vec<Lanes>{_mm512_loadu_si512(from)};
  }
  static HWY_INLINE hn::Vec<Lanes> add(hn::Vec<Lanes> sum, hn::Vec<Lanes> operand,
                                       hn::Vec<Lanes> weights) {
    return hn::Vec<Lanes>{_mm512_dpbusd_epi32(sum.raw, operand.raw, weights.raw)};
  }
  static HWY_INLINE hn::Vec<D> end(const FiltersJob<Int8>& job, int filter, hn::Vec<Lanes> sum) {
    const D d;
    return hn::MulAdd(hn::ConvertTo(d, sum), hn::Set(d, job.scale[filter]),
                      hn::Set(d, job.bias[filter]));
  }
};
#endif

template <class Number, class D>
using SumVector = hn::Vec<typename Sums<Number, D>::Lanes>;

/// Sums of the filters together, in registers.
template <class Number, class D, int Rows>
using SumVectors = SumVector<Number, D>[kFilters<Number>][Rows];

/// What sums begin with.
template <class Number, class D, int Rows>
HWY_INLINE void begin_sums(const FiltersJob<Number>& job, SumVectors<Number, D, Rows>& sum) {
  const typename Sums<Number, D>::Lanes d;
  const std::size_t lanes = hn::Lanes(d);
#pragma GCC unroll 2
  for (int f = 0; f < kFilters<Number>; ++f)
    if (job.partial_in != nullptr) {
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r)
        sum[f][r] = hn::LoadU(d, job.partial_in + (f * Rows + r) * lanes);
    } else {
      const auto begin = Sums<Number, D>::begin(f < job.filters ? job.bias[f] : 0.0F);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) sum[f][r] = begin;
    }
}

/// Adds the weights of one shift: for each place `Rows` operands, times the weight of either filter
/// or of one of them.
/// @param weights  the first, and then the one behind the last.
template <class Number, class D, int Rows>
HWY_INLINE void add_weights(const FiltersJob<Number>& job, int shift,
                            const Together<Number>*& weights, SumVectors<Number, D, Rows>& sum) {
  using Of = Sums<Number, D>;
  const std::size_t lanes = hn::Lanes(D());
  const auto* starts = job.starts + shift * kLists<Number>;
  if constexpr (kFilters<Number> == 2) {
    for (auto i = starts[0]; i < starts[1]; ++i, weights += 2) {
      const auto* from = job.planes + job.offsets[i];
      const auto first = Of::broadcast(weights[0]), second = Of::broadcast(weights[1]);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const auto operand = Of::load(from + r * lanes);
        sum[0][r] = Of::add(sum[0][r], operand, first);
        sum[1][r] = Of::add(sum[1][r], operand, second);
      }
    }
    ++starts;
  }
#pragma GCC unroll 2
  for (int f = 0; f < kFilters<Number>; ++f)
    for (auto i = starts[f]; i < starts[f + 1]; ++i, ++weights) {
      const auto* from = job.planes + job.offsets[i];
      const auto weight = Of::broadcast(*weights);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r)
        sum[f][r] = Of::add(sum[f][r], Of::load(from + r * lanes), weight);
    }
}

/// All weights of a filter, shift by shift: those of the last column first, whose sums move a lane
/// down before those of the column before are added, and so on.
/// @param sum  of one filter.
template <class Number, class D, int Rows>
HWY_INLINE void sum_shifted_weights(const FiltersJob<Number>& job,
                                    SumVectors<Number, D, Rows>& sum) {
  const auto* weights = job.weights;
  int shift = 0;
  while (shift < job.shifts && job.starts[shift] == job.starts[shift + 1]) ++shift;
  if (shift == job.shifts) {
    begin_sums<Number, D, Rows>(job, sum);
  } else {
    const typename Sums<Number, D>::Lanes d;
    const hn::RebindToSigned<D> di;
    const auto last = hn::Set(di, static_cast<std::int32_t>(hn::Lanes(d)) - 1);
    const auto next = hn::IndicesFromVec(d, hn::Min(hn::Iota(di, 1), last));
    SumVectors<Number, D, Rows> moving;
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) moving[0][r] = hn::Zero(d);
    for (; shift < job.shifts; ++shift) {
      add_weights<Number, D, Rows>(job, shift, weights, moving);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) moving[0][r] = hn::TableLookupLanes(moving[0][r], next);
    }
    begin_sums<Number, D, Rows>(job, sum);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) sum[0][r] = hn::Add(sum[0][r], moving[0][r]);
  }
  add_weights<Number, D, Rows>(job, job.shifts, weights, sum);
}

/// Asks for what will be read or written soon, a vector of each row.
template <int Rows>
HWY_INLINE void fetch_ahead(const float* first, std::ptrdiff_t pitch) {
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) __builtin_prefetch(first + r * pitch, 1);
}

/// The filters together on one tile of `Rows` vectors, accumulated in registers.
template <class Number, class D, int Rows, bool IsShifted>
void filters_on_tile(const FiltersJob<Number>& job) {
  using Of = Sums<Number, D>;
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  if (job.fetches_ahead) {
    constexpr auto kNext = kFilters<Number>;
    fetch_ahead<Rows>(job.out + kNext * job.plane, job.pitch);
    if (job.finish.residual != nullptr)
      fetch_ahead<Rows>(job.finish.residual + kNext * job.residual_plane, job.pitch);
  }
  SumVectors<Number, D, Rows> sum;
  if constexpr (IsShifted) {
    static_assert(kFilters<Number> == 1);
    sum_shifted_weights<Number, D, Rows>(job, sum);
  } else {
    const auto* weights = job.weights;
    begin_sums<Number, D, Rows>(job, sum);
    add_weights<Number, D, Rows>(job, 0, weights, sum);
  }

#pragma GCC unroll 2
  for (int f = 0; f < kFilters<Number>; ++f) {
    if (job.partial_out != nullptr) {
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r)
        hn::StoreU(sum[f][r], typename Of::Lanes(), job.partial_out + (f * Rows + r) * lanes);
      continue;
    }
    if (f == job.filters) break;
    if (job.bands_out != nullptr) {
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r)
        hn::StoreU(Of::end(job, f, sum[f][r]), d, job.bands_out + (f * Rows + r) * lanes);
      continue;
    }
    Finish finish = job.finish;
    if (finish.residual != nullptr) finish.residual += f * job.residual_plane;
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      if (r < job.first_row) continue;
      const auto width = static_cast<std::size_t>(r == Rows - 1 ? job.last_width : job.width);
      finish_row(d, Of::end(job, f, sum[f][r]), finish, r * job.pitch, width,
                 job.out + f * job.plane);
    }
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

/// Lane j = row[first + j], and `outside` where that is not in [0, width).
template <class D>
HWY_INLINE hn::Vec<D> row_part(D d, const float* row, std::ptrdiff_t first, std::ptrdiff_t width,
                               hn::Vec<D> outside) {
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  const auto begin = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(-first, 0, lanes)),
             end = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(width - first, 0, lanes));
  const auto inside = hn::AndNot(hn::FirstN(d, begin), hn::FirstN(d, end));
  return hn::IfThenElse(inside, load_between(d, row + first, begin, end), outside);
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
/// x[channel][first_row + row + r · stride][first_column + column + j · stride], or what lies
/// outside the map. Nothing is computed, so that a lane may be anything.
template <class D>
void pack_planes(const PackJob& job) {
  const D d;
  constexpr bool kHasPairs = hn::MaxLanes(D()) > 2;
  const auto lanes = static_cast<std::ptrdiff_t>(hn::Lanes(d));
  const std::ptrdiff_t s = job.stride, width = job.width;
  const auto outside = hn::Set(d, job.outside);
  float* to = job.to;
  for (const PackedPlane& plane : job.planes) {
    const std::ptrdiff_t first = job.first_column + plane.column, top = job.first_row + plane.row;
    const std::ptrdiff_t count = job.rows - (plane.row < job.whole_planes ? 0 : 1);
    const auto row_at = [&](std::ptrdiff_t y) {
      return job.x + plane.channel * job.x_plane + (y - job.x_row) * width;
    };
    // Rows begin … end − 1 of the plane lie within the map: of nearly every tile all of them.
    const auto rows_before = [&](std::ptrdiff_t y) {
      const auto down = std::max<std::ptrdiff_t>(y - top, 0);
      return std::min<std::ptrdiff_t>(s == 1 ? down : (down + s - 1) / s, count);
    };
    const bool all = top >= 0 && top + (count - 1) * s < job.height;
    const std::ptrdiff_t begin = all ? 0 : rows_before(0),
                         end = all ? count : rows_before(job.height);
    const auto fill = [&](std::ptrdiff_t from, std::ptrdiff_t until) {
      for (auto r = from; r < until; ++r) hn::StoreU(outside, d, to + r * job.pitch);
    };
    const auto rows = [&](const auto& vector_of) {
      const float* row = row_at(top + begin * s);
      for (auto r = begin; r < end; ++r, row += s * width)
        hn::StoreU(vector_of(row), d, to + r * job.pitch);
    };

    const bool is_within = first >= 0 && first + s * lanes <= width;
    if (job.fetches_ahead && plane.column == 0 && first + 2 * s * lanes <= width) {
      const float* next = row_at(top + begin * s) + first;
      for (auto r = begin; r < end; ++r, next += s * width)
        for (std::ptrdiff_t i = 0; i < s; ++i) __builtin_prefetch(next + (s + i) * lanes, 0, 2);
    }
    fill(0, begin);
    if (s == 1 && is_within)
      rows([&](const float* row) { return hn::LoadU(d, row + first); });
    else if (s == 1)
      rows([&](const float* row) { return row_part(d, row, first, width, outside); });
    else if (kHasPairs && s == 2 && is_within)
      rows([&](const float* row) {
        return even_lanes(d, hn::LoadU(d, row + first), hn::LoadU(d, row + first + lanes));
      });
    else if (kHasPairs && s == 2)
      rows([&](const float* row) {
        return even_lanes(d, row_part(d, row, first, width, outside),
                          row_part(d, row, first + lanes, width, outside));
      });
    else
      rows([&](const float* row) {
        HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)];
        for (std::ptrdiff_t j = 0, x = first; j < lanes; ++j, x += s)
          values[j] = x >= 0 && x < width ? row[x] : job.outside;
        return hn::Load(d, values);
      });
    fill(end, count);
    to += job.plane_floats;
  }
}

#if SERPETTE_HAS_DOTS
/// As Quantization, sixteen numbers of four planes at a time: rounded as integers of 32 bits, which
/// become 16 and then 8 bits, clipped on the way.
inline void round_planes(const RoundPlanesJob& job) {
  using D = hn::FixedTag<float, 16>;
  const D d;
  const hn::RebindToSigned<D> di;
  const auto steps = hn::Set(d, 1 / job.rounding.by.scale),
             // 16 bits hold what is clipped to 8; an integer of 32 might not hold what is large
      most = hn::Set(d, 16384.0F), least = hn::Set(d, -16384.0F);
  const auto zero = _mm512_set1_epi16(static_cast<short>(job.rounding.by.zero_point));
  const auto in_order = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
  for (std::int64_t i = 0; i < job.count; i += 16) {
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(16, job.count - i));
    hn::Vec<hn::RebindToSigned<D>> q[4];
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) {
      if (job.planes[p] == nullptr) {
        q[p] = hn::Zero(di);
        continue;
      }
      const auto x = hn::Mul(load_first(d, job.planes[p] + i, count), steps);
      // Max and Min give their second operand for what is not a number.
      q[p] = {_mm512_cvtps_epi32(hn::Min(hn::Max(x, least), most).raw)};
    }
    const auto low = _mm512_add_epi16(_mm512_packs_epi32(q[0].raw, q[1].raw), zero),
               high = _mm512_add_epi16(_mm512_packs_epi32(q[2].raw, q[3].raw), zero);
    const auto bytes = _mm512_shuffle_epi8(_mm512_packus_epi16(low, high), in_order);
    _mm512_mask_storeu_epi32(job.to + i, static_cast<__mmask16>((1U << count) - 1), bytes);
  }
}
#endif

template <class Number, class D, bool IsShifted, int... Rows>
constexpr std::array<typename SparseKernels<Number>::FiltersKernel, sizeof...(Rows)>
filters_kernels(std::integer_sequence<int, Rows...>) {
  return {&filters_on_tile<Number, D, Rows + 1, IsShifted>...};
}

/// The loops for bands: of all lanes, of half of them, …
template <class D, int Halves = 0, class Number>
void add_band_kernels(SparseKernels<Number>& to) {
  to.pack_planes[Halves] = &pack_planes<D>;
  to.finish_bands[Halves] = &finish_bands<D>;
  if constexpr (Halves < kMostHalves) add_band_kernels<hn::Half<D>, Halves + 1>(to);
}

template <class Number, class D>
SparseKernels<Number> kernels_for(int lanes) {
  using Rows = std::make_integer_sequence<int, kMaxTileRows>;
  SparseKernels<Number> made{.lanes = lanes};
  made.weights = filters_kernels<Number, D, false>(Rows{});
  if constexpr (std::is_same_v<Number, float>)
    made.shifted_weights = filters_kernels<Number, D, true>(Rows{});
  add_band_kernels<D>(made);
  return made;
}

}  // namespace sparse

/// @param narrow  at most eight lanes, for maps a few cells wide.
inline SparseKernels<float> sparse_kernels(bool narrow) {
  using Wide = hwy::HWY_NAMESPACE::ScalableTag<float>;
  using Narrow = hwy::HWY_NAMESPACE::CappedTag<float, 8>;
  if (narrow)
    return sparse::kernels_for<float, Narrow>(
        static_cast<int>(hwy::HWY_NAMESPACE::Lanes(Narrow{})));
  return sparse::kernels_for<float, Wide>(static_cast<int>(hwy::HWY_NAMESPACE::Lanes(Wide{})));
}

inline SparseKernels<Int8> sparse_int8_kernels() {
#if SERPETTE_HAS_DOTS
  if (cpu_has(CpuFeature::kAvx512Vnni)) {
    auto kernels = sparse::kernels_for<Int8, hwy::HWY_NAMESPACE::FixedTag<float, 16>>(16);
    kernels.round_planes = &sparse::round_planes;
    return kernels;
  }
#endif
  return {};
}

}  // namespace serpette::deploy::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
