/// @file
/// The inner loops of dense convolutions in bfloat16 for one instruction set: bfloat16_kernels.hpp
/// includes this file repeatedly, hence no #pragma once. Included by itself it is that header.
///
/// The one operation that matters, two products of bfloat16 added to a float, is AVX512-BF16's
/// VDPBF16PS, which Highway has since 1.0.5 only, and for instruction sets that each_target-inl.hpp
/// leaves out: so it stands here as the compiler's intrinsic, between Highway's AVX3. Elsewhere
/// there are no kernels.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/bfloat16_kernels.hpp"
#else

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "serpette/deploy/dense_job.hpp"

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG)

#ifdef HWY_TARGET_STR
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512bf16")
#else
HWY_PUSH_ATTRIBUTES("avx512bf16")
#endif
namespace serpette::deploy::HWY_NAMESPACE::bfloat16 {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::FixedTag<float, 16>;
using V = hn::Vec<D>;

/// sum + a₀·w₀ + a₁·w₁, one of the pairs for all lanes.
HWY_INLINE V add_products(V sum, const BFloat16* pair, __m512i weights) {
  std::int32_t both;
  std::memcpy(&both, pair, sizeof both);
  return V{_mm512_dpbf16_ps(sum.raw, (__m512bh)_mm512_set1_epi32(both), (__m512bh)weights)};
}

HWY_INLINE void store_rounded(V v, BFloat16* to) {
  const auto rounded = _mm512_cvtneps_pbh(v.raw);
  std::memcpy(static_cast<void*>(to), &rounded, sizeof rounded);
}

template <int Rows, int Vectors>
void multiply(const MultiplyJob<BFloat16>& job) {
  const D d;
  V sum[Rows][Vectors];
#pragma GCC unroll 2
  for (int v = 0; v < Vectors; ++v) {
    const V bias = job.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, job.bias + v * 16);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) sum[r][v] = bias;
  }
  const BFloat16* weights = job.weights;
  for (std::int64_t t = 0; t < job.taps; ++t) {
    const BFloat16* in[Rows];
    for (int r = 0; r < Rows; ++r) in[r] = job.in[t * Rows + r];
    for (std::int64_t k = 0; k < job.depth; k += 2, weights += Vectors * 32) {
      __m512i w[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) w[v] = _mm512_loadu_si512(weights + v * 32);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] = add_products(sum[r][v], in[r] + k, w[v]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      if (v * 16 >= job.columns) break;
      dense::finish(d, sum[r][v], job.finish, job.out, r * job.pitch + v * 16,
                    static_cast<std::size_t>(job.columns - v * 16));
    }
}

inline void tile_in(const TileInJob<BFloat16>& job) {
  const D d;
  const dense::TileCells cells(job);
  V half_done[6][6];
  for (int c = 0; c < job.channels; c += 16) {
    const auto count = static_cast<std::size_t>(std::min(16, job.channels - c));
    dense::columns_in(d, cells, c, count, half_done);
    BFloat16* to = job.to + c;
    for (int i = 0; i < 6; ++i) {
      V y[6];
      dense::rows_in(d, half_done[i], y);
      for (int j = 0; j < 6; ++j, to += job.step) store_rounded(y[j], to);
    }
  }
}

inline void round(const float* from, std::int64_t n, BFloat16* to) {
  const D d;
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_rounded(hn::LoadU(d, from + i), to + i);
  for (; i < n; ++i) to[i] = BFloat16(from[i]);
}

template <std::size_t... I>
constexpr auto multiplies(std::index_sequence<I...>) {
  return std::array<std::array<BFloat16Kernels::Multiply, 2>, sizeof...(I)>{
      {{&multiply<kBlockRows[I], 1>, &multiply<kBlockRows[I], 2>}...}};
}

}  // namespace serpette::deploy::HWY_NAMESPACE::bfloat16
HWY_POP_ATTRIBUTES

namespace serpette::deploy::HWY_NAMESPACE {
inline BFloat16Kernels bfloat16_kernels() {
  BFloat16Kernels k;
  if (__builtin_cpu_supports("avx512bf16") == 0) return k;
  k.lanes = 16;
  k.most_rows = 12;
  k.multiply = bfloat16::multiplies(std::make_index_sequence<kBlockRows.size()>{});
  k.tile_in = &bfloat16::tile_in;
  k.round = &bfloat16::round;
  return k;
}
}  // namespace serpette::deploy::HWY_NAMESPACE

#else

namespace serpette::deploy::HWY_NAMESPACE {
inline BFloat16Kernels bfloat16_kernels() { return {}; }
}  // namespace serpette::deploy::HWY_NAMESPACE

#endif

#endif  // SERPETTE_EACH_TARGET
