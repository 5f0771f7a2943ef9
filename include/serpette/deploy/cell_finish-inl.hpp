/// @file
/// The loops that finish sums of cells where maps are kept in fewer bits, for one instruction set:
/// cell_finish.hpp includes this file repeatedly, hence no #pragma once. Included by itself it is
/// that header. Only the kernels of numbers of fewer bits (dot_kernels-inl.hpp,
/// amx_kernels-inl.hpp) call them.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/cell_finish.hpp"
#else

#include <cstddef>
#include <cstdint>

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3  // clang warns of attributes for nothing
#include "serpette/detail/before_dots-inl.hpp"
#if SERPETTE_HAS_DOTS
namespace serpette::deploy::HWY_NAMESPACE::cells {

namespace hn = hwy::HWY_NAMESPACE;
using serpette::detail::HWY_NAMESPACE::activate;
using serpette::detail::HWY_NAMESPACE::first_bits;
using serpette::detail::HWY_NAMESPACE::quantized;
using D = hn::FixedTag<float, 16>;
using V = hn::Vec<D>;

/// What the two vectors of sums of a cell became.
struct Pair {
  V first, second;
};

/// Floats of some cells: what is added to sums, or where they are stored.
template <class Float>
struct FloatCells {
  HWY_INLINE FloatCells(Float* data, const CellFinish& job, const CellPositions& from)
      : at(data == nullptr ? data : data + job.to(from)),
        pitch(data == nullptr ? 0 : job.pitch),
        between(pitch * job.around),
        lanes(first_bits(job.columns)) {}

  HWY_INLINE void next() { at += pitch; }
  HWY_INLINE void next_row() { at += between; }
  HWY_INLINE Pair load() const {
    return {V{_mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes), at)},
            V{_mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes >> 16), at + 16)}};
  }
  HWY_INLINE void store(const Pair& y) const {
    _mm512_mask_storeu_ps(at, static_cast<__mmask16>(lanes), y.first.raw);
    _mm512_mask_storeu_ps(at + 16, static_cast<__mmask16>(lanes >> 16), y.second.raw);
  }

  Float* at;
  std::ptrdiff_t pitch, between;  // from cell to cell, and between rows
  __mmask32 lanes;
};

/// The same of a rounded map.
struct NarrowCells {
  HWY_INLINE NarrowCells(const RoundedCells& map, const CellPositions& from)
      : pitch(map.depth * map.of_number()),
        between(map.around * pitch),
        at(map.data + from.row * (from.width * pitch + between) + from.before() * pitch),
        lanes(first_bits(map.columns)),
        steps(hn::Set(D(), map.steps)),
        zero(hn::Set(D(), map.zero)) {}

  HWY_INLINE void next() { at += pitch; }
  HWY_INLINE void next_row() { at += between; }
  HWY_INLINE Pair load_halves() const {
    const auto bits = _mm512_maskz_loadu_epi16(lanes, at);
    return {floats(_mm512_castsi512_si256(bits)), floats(_mm512_extracti64x4_epi64(bits, 1))};
  }
  HWY_INLINE void store_halves(const Pair& y) const {
    const auto both = (__m512i)_mm512_cvtne2ps_pbh(y.second.raw, y.first.raw);
    if (is_one())
      _mm256_mask_storeu_epi16(at, static_cast<__mmask16>(lanes), _mm512_castsi512_si256(both));
    else
      _mm512_mask_storeu_epi16(at, lanes, both);
  }
  HWY_INLINE void store_bytes(const Pair& y) const {
    const auto first = bytes(y.first);
    if (is_one())
      _mm_mask_storeu_epi8(at, static_cast<__mmask16>(lanes), first);
    else
      _mm256_mask_storeu_epi8(
          at, lanes, _mm256_inserti128_si256(_mm256_castsi128_si256(first), bytes(y.second), 1));
  }
  /// Whether one vector is there: then no store may lie across a line of the cache for the sake of
  /// lanes that are not.
  [[nodiscard]] HWY_INLINE bool is_one() const { return lanes <= 0xffff; }
  HWY_INLINE __m128i bytes(V y) const {
    return _mm512_maskz_cvtepi32_epi8(
        0xffff, hn::ConvertTo(hn::RebindToSigned<D>(), quantized(D(), y, steps, zero)).raw);
  }
  static HWY_INLINE V floats(__m256i halves) {
    return V{_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
  }

  std::ptrdiff_t pitch, between;  // from cell to cell, and between rows [bytes]
  std::byte* at;
  __mmask32 lanes;
  V steps, zero;
};

/// In which numbers sums are stored, or what is added to them: those of plans whose maps are all
/// rounded have loops of their own.
enum class In { kNone, kHalves, kBytes, kBytesAndHalves, kAny };

/// Finishes the sums of some positions.
/// @param at   of them, moved behind them.
/// @param sum  sum(i, v) is vector v of the i-th of them, before the activation.
template <In kAdded, In kStored, class SumOf>
HWY_INLINE void finish(const CellFinish& job, CellPositions& at, int count, const SumOf& sum) {
  const D d;
  const V slope = hn::Set(d, job.finish.slope), later = hn::Set(d, job.finish.residual_slope);
  FloatCells numbers(job.out, job, at);
  FloatCells residual(job.finish.residual, job, at);
  NarrowCells first(job.rounded[0], at), second(job.rounded[1], at), added(job.residual, at);
  const auto with = [&](const Pair& y, const Pair& more) {
    return Pair{activate(d, hn::Add(y.first, more.first), later),
                activate(d, hn::Add(y.second, more.second), later)};
  };
  int column = at.column;
  at.count -= count;
  for (int i = 0; i < count; ++i) {
    if (column < at.width) {
      Pair y{activate(d, sum(i, 0), slope), activate(d, sum(i, 1), slope)};
      if constexpr (kAdded == In::kHalves) y = with(y, added.load_halves());
      if constexpr (kAdded == In::kAny) y = with(y, residual.load());
      if constexpr (kStored == In::kHalves) first.store_halves(y);
      if constexpr (kStored == In::kBytes || kStored == In::kBytesAndHalves) first.store_bytes(y);
      if constexpr (kStored == In::kBytesAndHalves) second.store_halves(y);
      if constexpr (kStored == In::kAny) {
        if (job.out != nullptr) numbers.store(y);
        for (std::size_t m = 0; m < job.rounded.size(); ++m) {
          const auto& map = m == 0 ? first : second;
          if (job.rounded[m].data == nullptr) continue;
          if (job.rounded[m].is_bytes)
            map.store_bytes(y);
          else
            map.store_halves(y);
        }
      }
      numbers.next();
      residual.next();
      for (auto* map : {&first, &second, &added}) map->next();
    }
    if (++column < at.across) continue;
    column = 0;
    ++at.row;
    numbers.next_row();
    residual.next_row();
    for (auto* map : {&first, &second, &added}) map->next_row();
  }
  at.column = column;
}

/// The instance of a template of what is added and what is stored that a job needs.
/// @tparam Of  with a template<In kAdded, In kStored> static member `finish`.
template <class Of, In kAdded>
HWY_INLINE auto finish_of(const CellFinish& job) {
  const auto& [first, second] = job.rounded;
  const bool is_one = second.data == nullptr;
  if (job.out != nullptr || first.data == nullptr) return &Of::template finish<kAdded, In::kAny>;
  if (is_one && !first.is_bytes) return &Of::template finish<kAdded, In::kHalves>;
  if (is_one) return &Of::template finish<kAdded, In::kBytes>;
  if (first.is_bytes && !second.is_bytes) return &Of::template finish<kAdded, In::kBytesAndHalves>;
  return &Of::template finish<kAdded, In::kAny>;
}
template <class Of>
HWY_INLINE auto finish_of(const CellFinish& job) {
  if (job.residual.data != nullptr) return finish_of<Of, In::kHalves>(job);
  if (job.finish.residual != nullptr) return finish_of<Of, In::kAny>(job);
  return finish_of<Of, In::kNone>(job);
}

/// Sums as floats, [positions][2][16].
struct OfFloats {
  template <In kAdded, In kStored>
  static void finish(const CellFinish& job, const float* sums) {
    auto at = job.positions;
    cells::finish<kAdded, kStored>(job, at, at.count, [sums](int i, int v) {
      return V{_mm512_loadu_ps(sums + (std::ptrdiff_t{2} * i + v) * 16)};
    });
  }
};
inline void finish(const CellFinish& job, const float* sums) {
  finish_of<OfFloats>(job)(job, sums);
}

}  // namespace serpette::deploy::HWY_NAMESPACE::cells
#endif
HWY_AFTER_NAMESPACE();
#endif

#endif  // SERPETTE_EACH_TARGET
