/// @file
/// The inner loops of dense convolutions in bfloat16 and int8 for one instruction set:
/// dot_kernels.hpp includes this file repeatedly, hence no #pragma once. Included by itself it is
/// that header.
///
/// The operations that matter are two products of bfloat16 added to a float and four of bytes added
/// to an integer: before_dots-inl.hpp. Without them there are no kernels.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/dot_kernels.hpp"
#else

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "serpette/deploy/dense_job.hpp"

#include "serpette/detail/before_dots-inl.hpp"
#if SERPETTE_HAS_DOTS
namespace serpette::deploy::HWY_NAMESPACE::dot {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::FixedTag<float, 16>;
using V = hn::Vec<D>;

using VI = hn::Vec<hn::RebindToSigned<D>>;

/// kTogether numbers that lie side by side, for all lanes.
template <class Number>
HWY_INLINE __m512i together(const Number* from) {
  std::int32_t all;
  std::memcpy(&all, from, sizeof all);
  return _mm512_set1_epi32(all);
}

/// So many first lanes.
HWY_INLINE __mmask16 first_lanes(std::int64_t n) {
  return static_cast<__mmask16>(serpette::detail::HWY_NAMESPACE::first_bits(n));
}

/// Sums of products of one kind of number: where they begin, what is added, and the float that
/// comes of them.
template <class Number>
struct Sums;

template <>
struct Sums<BFloat16> {
  using Sum = V;
  static HWY_INLINE Sum begin(const MultiplyJob<BFloat16>& job, int first) {
    return job.bias == nullptr ? hn::Zero(D()) : hn::LoadU(D(), job.bias + first);
  }
  static HWY_INLINE Sum add(Sum sum, const BFloat16* pair, __m512i weights) {
    return Sum{_mm512_dpbf16_ps(sum.raw, (__m512bh)together(pair), (__m512bh)weights)};
  }
  static HWY_INLINE V end(const MultiplyJob<BFloat16>&, Sum sum, int) { return sum; }
};

template <>
struct Sums<Int8> {
  using Sum = VI;
  static HWY_INLINE Sum begin(const MultiplyJob<Int8>&, int) {
    return hn::Zero(hn::RebindToSigned<D>());
  }
  static HWY_INLINE Sum add(Sum sum, const Int8* four, __m512i weights) {
    return Sum{_mm512_dpbusd_epi32(sum.raw, together(four), weights)};
  }
  static HWY_INLINE V end(const MultiplyJob<Int8>& job, Sum sum, int first) {
    const D d;
    return hn::MulAdd(hn::ConvertTo(d, sum), hn::LoadU(d, job.scale + first),
                      hn::LoadU(d, job.bias + first));
  }
};

template <class Number, int Rows, int Vectors, bool kFetches>
void multiply(const MultiplyJob<Number>& job) {
  const D d;
  typename Sums<Number>::Sum sum[Rows][Vectors];
#pragma GCC unroll 2
  for (int v = 0; v < Vectors; ++v) {
    const auto begin = Sums<Number>::begin(job, v * 16);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) sum[r][v] = begin;
  }
  constexpr int kSide = kTogether<Number>;
  const Number *weights = job.weights, *ahead = job.ahead;
  for (std::int64_t t = 0; t < job.taps; ++t) {
    const Number* in[Rows];
    for (int r = 0; r < Rows; ++r) in[r] = job.in[t * Rows + r];
    for (std::int64_t k = 0; k < job.depth; k += kSide, weights += Vectors * 16 * kSide) {
      if constexpr (kFetches) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += job.ahead_step;
      }
      __m512i w[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) w[v] = _mm512_loadu_si512(weights + v * 16 * kSide);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] = Sums<Number>::add(sum[r][v], in[r] + k, w[v]);
    }
  }
  if (job.has_rounded()) {
    alignas(64) float all[Rows][2][16];
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v)
        hn::Store(v < Vectors ? V{_mm512_maskz_mov_ps(
                                    first_lanes(job.columns - v * 16),
                                    Sums<Number>::end(job, sum[r][v % Vectors], v * 16).raw)}
                              : hn::Zero(d),
                  d, all[r][v]);
    cells::finish(job, all[0][0]);
    return;
  }
  const auto at = job.to(job.positions);
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      if (v * 16 >= job.columns) break;
      dense::finish(d, Sums<Number>::end(job, sum[r][v], v * 16), job.finish, job.out,
                    at + r * job.pitch + v * 16, static_cast<std::size_t>(job.columns - v * 16));
    }
}

HWY_INLINE void store_rounded(const Rounding<BFloat16>&, __m512 v, __mmask16 lanes, BFloat16* to) {
  _mm256_mask_storeu_epi16(to, lanes, (__m256i)_mm512_cvtneps_pbh(v));
}
HWY_INLINE void store_rounded(const Rounding<Int8>& rounding, __m512 v, __mmask16 lanes, Int8* to) {
  const D d;
  const V inside = serpette::detail::HWY_NAMESPACE::quantized(
      d, V{v}, hn::Set(d, 1 / rounding.by.scale),
      hn::Set(d, static_cast<float>(rounding.by.zero_point)));
  _mm512_mask_cvtepi32_storeu_epi8(to, lanes, hn::ConvertTo(hn::RebindToSigned<D>(), inside).raw);
}

template <class Number>
void tile_in(const TileInJob<Number, BFloat16>& job) {
  const D d;
  const dense::TileCells<Number> at(job);
  const auto load = [](const Number* from, std::size_t count) {
    const auto lanes = first_lanes(static_cast<std::int64_t>(count));
    if constexpr (kTogether<Number> == 1)
      return V{_mm512_maskz_loadu_ps(lanes, from)};
    else
      return cells::NarrowCells::floats(_mm256_maskz_loadu_epi16(lanes, from));
  };
  const Rounding<BFloat16> rounding;
  V half_done[6][6];
  for (int c = 0; c < job.channels; c += 16) {
    const auto count = static_cast<std::size_t>(std::min(16, job.channels - c));
    dense::columns_in(d, at, c, count, half_done, load);
    BFloat16* to = job.to + c;
    for (const auto& row : half_done) {
      V y[6];
      dense::rows_in(d, row, y);
      for (int j = 0; j < 6; ++j, to += job.step) store_rounded(rounding, y[j].raw, 0xffff, to);
    }
  }
}

template <class Number>
void round_cells(const Rounding<Number>& rounding, const float* from, std::int64_t cells,
                 std::int64_t channels, std::int64_t filled, std::int64_t depth, Number* to) {
  std::int64_t cell = 0;
  if (filled == depth && 16 % depth == 0) {  // several cells of few channels at a time
    const auto of_vector = 16 / depth;
    unsigned spread = 0;
    for (std::int64_t i = 0; i < of_vector; ++i) spread |= ((1U << channels) - 1) << (i * depth);
    const auto wanted = first_lanes(of_vector * channels);
    for (; cell + of_vector <= cells; cell += of_vector)
      store_rounded(rounding,
                    _mm512_maskz_expand_ps(static_cast<__mmask16>(spread),
                                           _mm512_maskz_loadu_ps(wanted, from + cell * channels)),
                    0xffff, to + cell * depth);
  }
  for (; cell < cells; ++cell)
    for (std::int64_t c = 0; c < filled; c += 16)
      store_rounded(rounding,
                    _mm512_maskz_loadu_ps(first_lanes(channels - c), from + cell * channels + c),
                    first_lanes(filled - c), to + cell * depth + c);
}

template <class Number>
void round(const Rounding<Number>& rounding, const float* from, std::int64_t n, Number* to) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_rounded(rounding, _mm512_loadu_ps(from + i), 0xffff, to + i);
  const auto rest = first_lanes(n - i);
  if (rest != 0) store_rounded(rounding, _mm512_maskz_loadu_ps(rest, from + i), rest, to + i);
}

template <class Number, bool kFetches, std::size_t... I>
constexpr auto multiplies(std::index_sequence<I...>) {
  return std::array<std::array<typename ProductKernels<Number>::Multiply, 2>, sizeof...(I)>{
      {{&multiply<Number, kBlockRows[I], 1, kFetches>,
        &multiply<Number, kBlockRows[I], 2, kFetches>}...}};
}

template <class Number>
DotKernels<Number> products() {
  DotKernels<Number> k;
  k.lanes = 16;
  k.most_rows = 12;
  k.finish = &cells::finish;
  constexpr auto sizes = std::make_index_sequence<kBlockRows.size()>{};
  k.multiply = {multiplies<Number, false>(sizes), multiplies<Number, true>(sizes)};
  return k;
}

}  // namespace serpette::deploy::HWY_NAMESPACE::dot

namespace serpette::deploy::HWY_NAMESPACE {
inline DotKernels<BFloat16> bfloat16_kernels() {
  if (!cpu_has(CpuFeature::kAvx512Bf16)) return {};
  auto k = dot::products<BFloat16>();
  k.tile_in = &dot::tile_in<float>;
  k.rounded_tile_in = &dot::tile_in<BFloat16>;
  k.round = &dot::round<BFloat16>;
  k.round_cells = &dot::round_cells<BFloat16>;
  return k;
}
inline DotKernels<Int8> int8_kernels() {
  if (!cpu_has(CpuFeature::kAvx512Vnni)) return {};
  auto k = dot::products<Int8>();
  k.round = &dot::round<Int8>;
  k.round_cells = &dot::round_cells<Int8>;
  return k;
}
}  // namespace serpette::deploy::HWY_NAMESPACE

#else

namespace serpette::deploy::HWY_NAMESPACE {
inline DotKernels<BFloat16> bfloat16_kernels() { return {}; }
inline DotKernels<Int8> int8_kernels() { return {}; }
}  // namespace serpette::deploy::HWY_NAMESPACE

#endif
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
