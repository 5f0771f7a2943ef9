/// @file
/// The inner loops of dense convolutions over channels-last maps for one instruction set:
/// dense_kernels.hpp includes this file repeatedly, hence no #pragma once. Included by itself it is
/// that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/dense_kernels.hpp"
#else

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "serpette/deploy/dense_job.hpp"

HWY_BEFORE_NAMESPACE();
namespace serpette::deploy::HWY_NAMESPACE {

// Whether there are 32 vector registers, not 16.
#undef SERPETTE_MANY_REGISTERS
#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
#define SERPETTE_MANY_REGISTERS 0
#else
#define SERPETTE_MANY_REGISTERS 1
#endif

namespace dense {

namespace hn = hwy::HWY_NAMESPACE;
using serpette::detail::HWY_NAMESPACE::activate;
using serpette::detail::HWY_NAMESPACE::load_first;
using serpette::detail::HWY_NAMESPACE::store_first;

/// @param at  of the vector in `out`, and of its residual likewise.
template <class D>
HWY_INLINE void finish(D d, hn::Vec<D> v, const Finish& f, float* out, std::ptrdiff_t at,
                       std::size_t count) {
  v = activate(d, v, hn::Set(d, f.slope));
  if (f.residual != nullptr)
    v = activate(d, hn::Add(v, load_first(d, f.residual + at, count)),
                 hn::Set(d, f.residual_slope));
  store_first(d, v, out + at, count);
}

template <class D, int Rows, int Vectors, bool kFetches>
void multiply(const MultiplyJob<float>& job) {
  const D d;
  using V = hn::Vec<D>;
  const std::size_t lanes = hn::Lanes(d);
  V sum[Rows][Vectors];
#pragma GCC unroll 2
  for (int v = 0; v < Vectors; ++v) {
    const V bias = job.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, job.bias + v * lanes);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) sum[r][v] = bias;
  }
  const float *weights = job.weights, *ahead = job.ahead;
  for (std::int64_t t = 0; t < job.taps; ++t) {
    const float* in[Rows];
    for (int r = 0; r < Rows; ++r) in[r] = job.in[t * Rows + r];
    for (std::int64_t k = 0; k < job.depth; ++k, weights += Vectors * lanes) {
      if constexpr (kFetches) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += job.ahead_step;
      }
      V w[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) w[v] = hn::LoadU(d, weights + v * lanes);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
        const V x = hn::Set(d, in[r][k]);
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] = hn::MulAdd(x, w[v], sum[r][v]);
      }
    }
  }
  const auto at = job.to(job.positions);
  // As nearly always; without the questions that `finish` asks of every vector a 1×1 convolution of
  // few channels takes 1 to 2 % less.
  if (job.finish.residual == nullptr && job.columns == Vectors * static_cast<int>(lanes)) {
    const V slope = hn::Set(d, job.finish.slope);
    float* out = job.out + at;
    const auto pitch = job.pitch;
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r, out += pitch)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v)
        hn::StoreU(activate(d, sum[r][v], slope), d, out + v * lanes);
    return;
  }
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      const std::ptrdiff_t first = v * static_cast<std::ptrdiff_t>(lanes);
      if (first >= job.columns) break;
      finish(d, sum[r][v], job.finish, job.out, at + r * job.pitch + first,
             static_cast<std::size_t>(job.columns - first));
    }
}

/// Winograd's F(4×4, 3×3) with the points 0, ±√½, ±√2, ∞, whose products are the smallest, and so
/// the rounding errors: Bᵀ's six rows.
template <class D>
HWY_INLINE void rows_in(D d, const hn::Vec<D> (&x)[6], hn::Vec<D> (&y)[6]) {
  const auto r = hn::Set(d, 1.41421356237309505F), q = hn::Set(d, 0.70710678118654752F),
             half = hn::Set(d, 0.5F), two = hn::Set(d, 2.0F), c = hn::Set(d, 2.5F);
  y[0] = hn::Add(hn::NegMulAdd(c, x[2], x[0]), x[4]);
  const auto even_q = hn::NegMulAdd(two, x[2], x[4]);  // at ±√½
  const auto odd_q = hn::Mul(q, hn::NegMulAdd(two, x[1], x[3]));
  y[1] = hn::Add(even_q, odd_q);
  y[2] = hn::Sub(even_q, odd_q);
  const auto even_r = hn::NegMulAdd(half, x[2], x[4]);  // at ±√2
  const auto odd_r = hn::Mul(r, hn::NegMulAdd(half, x[1], x[3]));
  y[3] = hn::Add(even_r, odd_r);
  y[4] = hn::Sub(even_r, odd_r);
  y[5] = hn::Add(hn::NegMulAdd(c, x[3], x[1]), x[5]);
}

/// Aᵀ's four rows.
template <class D>
HWY_INLINE void rows_out(D d, const hn::Vec<D> (&m)[6], hn::Vec<D> (&y)[4]) {
  const auto r = hn::Set(d, 1.41421356237309505F), q = hn::Set(d, 0.70710678118654752F),
             half = hn::Set(d, 0.5F), two = hn::Set(d, 2.0F);
  const auto even_q = hn::Add(m[1], m[2]), odd_q = hn::Mul(q, hn::Sub(m[1], m[2]));
  const auto even_r = hn::Add(m[3], m[4]), odd_r = hn::Mul(r, hn::Sub(m[3], m[4]));
  y[0] = hn::Add(hn::Add(m[0], even_q), even_r);
  y[1] = hn::Add(odd_q, odd_r);
  y[2] = hn::MulAdd(half, even_q, hn::Mul(two, even_r));
  y[3] = hn::Add(hn::MulAdd(half, odd_q, hn::Mul(two, odd_r)), m[5]);
}

/// Where the 36 cells of a tile of the input begin.
template <class Number>
struct TileCells {
  const Number* at[6][6];
  std::ptrdiff_t ahead;  // to the cells of the next tile

  template <class Job>
  explicit TileCells(const Job& job) : ahead(4 * job.depth) {
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 6; ++j) {
        const int y = job.row + i, x = job.column + j;
        const bool inside = y >= 0 && y < job.height && x >= 0 && x < job.width;
        at[i][j] =
            inside ? job.image + ((y - job.image_row) * job.width + x) * job.depth : job.zeros;
      }
  }
};

/// Bᵀ d of up to a vector of channels from c on. The processor does not see that the cells of the
/// next tile are wanted next: they are asked for, but for the two columns that both have.
/// @param load  (from, count) → the numbers as floats.
template <class D, class Number, class Load>
HWY_INLINE void columns_in(D, const TileCells<Number>& cells, int c, std::size_t count,
                           hn::Vec<D> (&half_done)[6][6], const Load& load) {
  for (int j = 0; j < 6; ++j) {
    hn::Vec<D> x[6], y[6];
    for (int i = 0; i < 6; ++i) {
      x[i] = load(cells.at[i][j] + c, count);
      if (j >= 2) __builtin_prefetch(cells.at[i][j] + c + cells.ahead, 0, 3);
    }
    rows_in(D(), x, y);
    for (int i = 0; i < 6; ++i) half_done[i][j] = y[i];
  }
}

template <class D>
void tile_in(const TileInJob<float, float>& job) {
  const D d;
  using V = hn::Vec<D>;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const TileCells<float> cells(job);
  V half_done[6][6];
  for (int c = 0; c < job.channels; c += lanes) {
    const auto count = static_cast<std::size_t>(std::min(lanes, job.channels - c));
    columns_in(d, cells, c, count, half_done,
               [d](const float* from, std::size_t n) { return load_first(d, from, n); });
    float* to = job.to + c;
    for (const auto& row : half_done) {
      V y[6];
      rows_in(d, row, y);
      for (int j = 0; j < 6; ++j, to += job.step) hn::StoreU(y[j], d, to);
    }
  }
}

template <class D>
void tile_out(const TileOutJob& job) {
  const D d;
  using V = hn::Vec<D>;
  const int lanes = static_cast<int>(hn::Lanes(d));
  V half_done[4][6];
  for (int c = 0; c < job.channels; c += lanes) {
    const auto count = static_cast<std::size_t>(job.channels - c);
    for (int i = 0; job.asks_ahead && i < 4; ++i)
      for (int j = 4; j < 8; ++j) {
        const auto at = (std::ptrdiff_t{i} * job.width + j) * job.pitch + c;
        if (job.finish.residual != nullptr) __builtin_prefetch(job.finish.residual + at, 0, 3);
        __builtin_prefetch(job.out + at, 1, 3);
      }
    for (int j = 0; j < 6; ++j) {
      V m[6], y[4];
      for (int i = 0; i < 6; ++i) m[i] = hn::LoadU(d, job.from + (i * 6 + j) * job.step + c);
      rows_out(d, m, y);
      for (int i = 0; i < 4; ++i) half_done[i][j] = y[i];
    }
    const V bias = hn::LoadU(d, job.bias + c);
    for (int i = 0; i < job.rows; ++i) {
      V y[4];
      rows_out(d, half_done[i], y);
      for (int j = 0; j < job.columns; ++j)
        finish(d, hn::Add(y[j], bias), job.finish, job.out,
               (std::ptrdiff_t{i} * job.width + j) * job.pitch + c, count);
    }
  }
}

/// Four rows at a time: each four columns of theirs are four runs of four numbers. The runs of
/// sixteen rows fill a line of the cache.
inline void turn(const TurnJob& job) {
  const std::ptrdiff_t step = job.from_pitch;
  int row = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 4> d;
  for (; hn::Lanes(d) == 4 && row + 4 <= job.rows; row += 4) {
    const float* from = job.from + row * step;
    float* to = job.to + row;
    int column = 0;
    for (; column + 4 <= job.columns; column += 4, from += 4, to += 4 * job.to_pitch) {
      const auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + step),
                 c = hn::LoadU(d, from + 2 * step), e = hn::LoadU(d, from + 3 * step);
      const hn::RepartitionToWide<decltype(d)> pairs;
      const auto low = hn::BitCast(pairs, hn::InterleaveLower(d, a, b)),
                 high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b)),
                 low2 = hn::BitCast(pairs, hn::InterleaveLower(d, c, e)),
                 high2 = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low, low2)), d, to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low, low2)), d, to + job.to_pitch);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high, high2)), d, to + 2 * job.to_pitch);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high, high2)), d, to + 3 * job.to_pitch);
    }
    for (; column < job.columns; ++column, ++from, to += job.to_pitch)
      for (int r = 0; r < 4; ++r) to[r] = from[r * step];
  }
#endif
  for (; row < job.rows; ++row)
    for (int column = 0; column < job.columns; ++column)
      job.to[column * job.to_pitch + row] = job.from[row * step + column];
}

template <class D, bool kFetches, std::size_t... I>
constexpr auto multiplies(std::index_sequence<I...>) {
  // Vectors in registers: sums, weights and one broadcast.
  constexpr bool many = SERPETTE_MANY_REGISTERS;
  constexpr auto rows = [](std::size_t i) {
    return many ? kBlockRows[i] : std::min(kBlockRows[i], 6);
  };
  return std::array<std::array<DenseKernels::Multiply, 2>, sizeof...(I)>{
      {{&multiply<D, rows(I), 1, kFetches>, &multiply<D, rows(I), 2, kFetches>}...}};
}

}  // namespace dense

inline DenseKernels dense_kernels() {
  using D = hwy::HWY_NAMESPACE::ScalableTag<float>;
  DenseKernels k;
  k.lanes = static_cast<int>(hwy::HWY_NAMESPACE::Lanes(D{}));
  k.most_rows = SERPETTE_MANY_REGISTERS ? 12 : 6;
  constexpr auto sizes = std::make_index_sequence<kBlockRows.size()>{};
  k.multiply = {dense::multiplies<D, false>(sizes), dense::multiplies<D, true>(sizes)};
  k.tile_in = &dense::tile_in<D>;
  k.tile_out = &dense::tile_out<D>;
  k.turn = &dense::turn;
  return k;
}

}  // namespace serpette::deploy::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
