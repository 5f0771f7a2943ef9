/// @file
/// The inner loops of dense convolutions by AMX for one instruction set: amx_kernels.hpp includes
/// this file repeatedly, hence no #pragma once. Included by itself it is that header.
///
/// AMX has eight tiles of 16 rows of 64 bytes. One instruction multiplies a tile of 16 positions
/// and one of weights, and adds the products to 16 × 16 sums: 8192 multiply-adds of bfloat16 in 16
/// cycles. Highway has none of it: the compiler's intrinsics do it.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/amx_kernels.hpp"
#else

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "serpette/deploy/amx_job.hpp"

#undef SERPETTE_HAS_AMX
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG)
#define SERPETTE_HAS_AMX 1
#include <immintrin.h>
#ifdef HWY_TARGET_STR
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",amx-tile,amx-bf16,amx-int8,avx512bf16")
#else
HWY_PUSH_ATTRIBUTES("amx-tile,amx-bf16,amx-int8,avx512bf16")
#endif
#else
#define SERPETTE_HAS_AMX 0
HWY_BEFORE_NAMESPACE();
#endif

#if SERPETTE_HAS_AMX
namespace serpette::deploy::HWY_NAMESPACE::amx {

namespace hn = hwy::HWY_NAMESPACE;
using serpette::detail::HWY_NAMESPACE::activate;
using serpette::detail::HWY_NAMESPACE::first_bits;
using serpette::detail::HWY_NAMESPACE::quantized;
using D = hn::FixedTag<float, 16>;

/// Eight tiles of full size: as LDTILECFG reads it.
struct Shapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Shapes) == 64);

inline void begin() {
  alignas(64) static const Shapes shapes;
  _tile_loadconfig(&shapes);
}

using V = hn::Vec<D>;

/// What the two vectors of sums of a cell became.
struct Pair {
  V first, second;
};

/// Floats of a job's cells: what it adds, or where it stores. They go on from cell to cell.
template <class Float>
struct FloatCells {
  HWY_INLINE FloatCells(Float* data, std::ptrdiff_t pitch_, int columns, const AmxPositions& from)
      : at(data == nullptr
               ? data
               : data + (std::ptrdiff_t{from.row} * from.width + from.before()) * pitch_),
        pitch(data == nullptr ? 0 : pitch_),
        lanes(first_bits(columns)) {}

  HWY_INLINE void next() { at += pitch; }
  HWY_INLINE Pair load() const {
    return {V{_mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes), at)},
            V{_mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes >> 16), at + 16)}};
  }
  HWY_INLINE void store(const Pair& y) const {
    _mm512_mask_storeu_ps(at, static_cast<__mmask16>(lanes), y.first.raw);
    _mm512_mask_storeu_ps(at + 16, static_cast<__mmask16>(lanes >> 16), y.second.raw);
  }

  Float* at;
  std::ptrdiff_t pitch;
  __mmask32 lanes;
};

/// The same of a rounded map.
struct NarrowCells {
  HWY_INLINE NarrowCells(const RoundedCells& map, const AmxPositions& from)
      : pitch(map.is_bytes ? map.depth : 2 * map.depth),
        between(map.around * pitch),
        at(map.data + from.row * (from.width * pitch + between) + from.before() * pitch),
        lanes(first_bits(map.columns)),
        steps(hn::Set(D(), map.steps)),
        zero(hn::Set(D(), map.zero)) {}

  HWY_INLINE void next() { at += pitch; }
  HWY_INLINE void next_row() { at += between; }
  HWY_INLINE Pair load_halves() const {
    const auto bits = _mm512_maskz_loadu_epi16(lanes, at);
    const auto floats = [](__m256i halves) {
      return V{_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
    };
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

  std::ptrdiff_t pitch, between;  // from cell to cell, and between rows [bytes]
  std::byte* at;
  __mmask32 lanes;
  V steps, zero;
};

/// Finishes the sums of the job before, some positions at a time.
template <class Number>
class Finisher {
 public:
  explicit HWY_INLINE Finisher(const AmxPipeline<Number>& pipeline)
      : job_(&pipeline.before),
        from_(&pipeline.sums[pipeline.now][0][0][0]),
        left_(job_->positions) {
    if (pipeline.is_full)
      finish_ = finish_of(*job_);
    else
      left_.count = 0;
  }

  [[nodiscard]] HWY_INLINE int left() const { return left_.count; }
  HWY_INLINE void some(int count) {
    if (left_.count > 0) finish_(*this, std::min(count, left_.count));
  }
  HWY_INLINE void rest() { some(left_.count); }

 private:
  using Finish = void (*)(Finisher&, int);
  static constexpr bool kIsScaled = std::is_same_v<Number, Int8>;
  static constexpr int kVectors = AmxPipeline<Number>::kMostVectors;
  static_assert(kVectors == 2);

  /// In which numbers sums are stored, or what is added to them: those of plans that are all tiles
  /// have loops of their own.
  enum class In { kNone, kHalves, kBytes, kBytesAndHalves, kAny };
  template <In kIn>
  using Constant = std::integral_constant<In, kIn>;

  static Finish finish_of(const AmxJob<Number>& job) {
    if (job.residual.data != nullptr) return finish_of(job, Constant<In::kHalves>());
    if (job.finish.residual != nullptr) return finish_of(job, Constant<In::kAny>());
    return finish_of(job, Constant<In::kNone>());
  }
  template <In kAdded>
  static Finish finish_of(const AmxJob<Number>& job, Constant<kAdded>) {
    const auto& [first, second] = job.rounded;
    const bool is_one = second.data == nullptr;
    if (job.out != nullptr || first.data == nullptr) return &finish<kAdded, In::kAny>;
    if (is_one && !first.is_bytes) return &finish<kAdded, In::kHalves>;
    if (is_one) return &finish<kAdded, In::kBytes>;
    if (first.is_bytes && !second.is_bytes) return &finish<kAdded, In::kBytesAndHalves>;
    return &finish<kAdded, In::kAny>;
  }

  template <In kAdded, In kStored>
  static void finish(Finisher& f, int count) {
    const D d;
    const AmxJob<Number>& job = *f.job_;
    V bias[kVectors], scale[kVectors];
    // No sums are where no vector is, but anything, which may be slow to compute with.
    __mmask16 there[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const bool is_there = v * kAmxFilters < job.columns;
      there[v] = is_there ? 0xffff : 0;
      bias[v] = is_there ? hn::LoadU(d, job.bias + v * kAmxFilters) : hn::Zero(d);
      scale[v] = is_there && kIsScaled ? hn::LoadU(d, job.scale + v * kAmxFilters) : hn::Zero(d);
    }
    const V slope = hn::Set(d, job.finish.slope), later = hn::Set(d, job.finish.residual_slope);
    auto& at = f.left_;
    FloatCells numbers(job.out, job.pitch, job.columns, at);
    FloatCells residual(job.finish.residual, job.pitch, job.columns, at);
    NarrowCells first(job.rounded[0], at), second(job.rounded[1], at), added(job.residual, at);
    const auto sum = [&](const Sum<Number>* from, int v) {
      V y;
      if constexpr (kIsScaled)
        y = hn::MulAdd(V{_mm512_cvtepi32_ps(_mm512_maskz_load_epi32(there[v], from))}, scale[v],
                       bias[v]);
      else
        y = hn::Add(V{_mm512_maskz_load_ps(there[v], from)}, bias[v]);
      return activate(d, y, slope);
    };
    const auto with = [&](const Pair& y, const Pair& more) {
      return Pair{activate(d, hn::Add(y.first, more.first), later),
                  activate(d, hn::Add(y.second, more.second), later)};
    };
    const auto* from = f.from_;
    int column = at.column;
    at.count -= count;
    for (; count > 0; --count, from += kVectors * kAmxFilters) {
      if (column < at.width) {
        Pair y{sum(from, 0), sum(from + kAmxFilters, 1)};
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
      for (auto* map : {&first, &second, &added}) map->next_row();
    }
    at.column = column;
    f.from_ = from;
  }

  const AmxJob<Number>* job_;
  const Sum<Number>* from_;
  AmxPositions left_;
  Finish finish_ = nullptr;
};

template <class Number>
void end(AmxPipeline<Number>& pipeline) {
  Finisher<Number>(pipeline).rest();
  pipeline.is_full = false;
  _tile_release();
}

// The instructions name their tiles.
#define SERPETTE_AMX_MULTIPLY(sums, positions, weights) \
  if constexpr (std::is_same_v<Number, Int8>)           \
    _tile_dpbusd(sums, positions, weights);             \
  else                                                  \
    _tile_dpbf16ps(sums, positions, weights)

/// Tiles 0 … 3 are sums [tile][vector], 4 and 5 positions, 6 and 7 weights.
template <class Number, int Tiles, int Vectors>
void multiply(const AmxJob<Number>& job, AmxPipeline<Number>& pipeline) {
  constexpr int kLine = 64;
  Finisher<Number> finisher(pipeline);
  // Some of the sums of the job before are finished every few steps.
  const int steps = static_cast<int>(job.steps.size()), positions = finisher.left(),
            share = std::max(8, steps == 0 ? 0 : (positions + steps - 1) / steps),
            every = positions == 0 ? steps : std::max(1, steps * share / positions);
  int until = every;
  const auto position = job.position_step * std::ptrdiff_t{sizeof(Number)};
  // Of the weights that are asked for ahead, each step has its share, in lines of the cache.
  auto ahead = job.ahead;
  const auto share_ahead =
      steps == 0 ? 0 : (ahead.size() / kAmxDepth<Number> + job.steps.size()) / job.steps.size();
  asm volatile("" ::: "memory");  // GCC does not know that loading a tile reads memory
  _tile_zero(0);
  if constexpr (Vectors == 2) _tile_zero(1);
  if constexpr (Tiles == 2) _tile_zero(2);
  if constexpr (Tiles == 2 && Vectors == 2) _tile_zero(3);
  for (const std::int32_t step : job.steps) {
    const auto place = job.places[step];
    const Number* weights =
        job.weights + std::ptrdiff_t{step} * Vectors * kAmxFilters * kAmxDepth<Number>;
    _tile_loadd(6, weights, Vectors * kLine);
    if constexpr (Vectors == 2) _tile_loadd(7, weights + kAmxDepth<Number>, Vectors * kLine);
    _tile_loadd(4, job.in[0] + place, position);
    if constexpr (Tiles == 2) _tile_loadd(5, job.in[1] + place, position);
    SERPETTE_AMX_MULTIPLY(0, 4, 6);
    if constexpr (Vectors == 2) {
      SERPETTE_AMX_MULTIPLY(1, 4, 7);
    }
    if constexpr (Tiles == 2) {
      SERPETTE_AMX_MULTIPLY(2, 5, 6);
    }
    if constexpr (Tiles == 2 && Vectors == 2) {
      SERPETTE_AMX_MULTIPLY(3, 5, 7);
    }
    for (auto i = share_ahead; i > 0 && !ahead.empty(); --i) {
      __builtin_prefetch(ahead.data(), 0, 2);
      ahead = ahead.subspan(std::min<std::size_t>(ahead.size(), kAmxDepth<Number>));
    }
    if (--until == 0) {
      finisher.some(share);
      until = every;
    }
  }
  finisher.rest();

  pipeline.now = 1 - pipeline.now;
  pipeline.is_full = true;
  pipeline.before = job;
  auto& sums = pipeline.sums[pipeline.now];
  constexpr int kPitch = AmxPipeline<Number>::kMostVectors * kLine;
  _tile_stored(0, sums[0][0], kPitch);
  if constexpr (Vectors == 2) _tile_stored(1, sums[0][1], kPitch);
  if constexpr (Tiles == 2) _tile_stored(2, sums[kAmxRows][0], kPitch);
  if constexpr (Tiles == 2 && Vectors == 2) _tile_stored(3, sums[kAmxRows][1], kPitch);
}
#undef SERPETTE_AMX_MULTIPLY

template <class Number>
AmxKernels<Number> kernels() {
  return {{{{&multiply<Number, 1, 1>, &multiply<Number, 1, 2>},
            {&multiply<Number, 2, 1>, &multiply<Number, 2, 2>}}},
          &begin,
          &end<Number>};
}

}  // namespace serpette::deploy::HWY_NAMESPACE::amx

namespace serpette::deploy::HWY_NAMESPACE {
inline AmxKernels<BFloat16> amx_bfloat16_kernels() { return amx::kernels<BFloat16>(); }
inline AmxKernels<Int8> amx_int8_kernels() { return amx::kernels<Int8>(); }
}  // namespace serpette::deploy::HWY_NAMESPACE

#else

namespace serpette::deploy::HWY_NAMESPACE {
inline AmxKernels<BFloat16> amx_bfloat16_kernels() { return {}; }
inline AmxKernels<Int8> amx_int8_kernels() { return {}; }
}  // namespace serpette::deploy::HWY_NAMESPACE

#endif
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
