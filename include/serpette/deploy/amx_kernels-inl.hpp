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
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",amx-tile,amx-bf16,amx-int8,avx512bf16,avx512vnni")
#else
HWY_PUSH_ATTRIBUTES("amx-tile,amx-bf16,amx-int8,avx512bf16,avx512vnni")
#endif
#else
#define SERPETTE_HAS_AMX 0
HWY_BEFORE_NAMESPACE();
#endif

#if SERPETTE_HAS_AMX
namespace serpette::deploy::HWY_NAMESPACE::amx {

namespace hn = hwy::HWY_NAMESPACE;
using cells::D;
using cells::In;
using cells::V;

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

/// Finishes the sums of the job before, some positions at a time.
template <class Number>
class Finisher {
 public:
  explicit HWY_INLINE Finisher(const AmxPipeline<Number>& pipeline)
      : job_(&pipeline.before),
        from_(&pipeline.sums[pipeline.now][0][0][0]),
        left_(job_->positions) {
    if (pipeline.is_full)
      finish_ = cells::finish_of<Finisher>(*job_);
    else
      left_.count = 0;
  }

  [[nodiscard]] HWY_INLINE int left() const { return left_.count; }
  HWY_INLINE void some(int count) {
    if (left_.count > 0) finish_(*this, std::min(count, left_.count));
  }
  HWY_INLINE void rest() { some(left_.count); }

  /// As cells::finish_of wants it.
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
    const auto* from = f.from_;
    cells::finish<kAdded, kStored>(job, f.left_, count, [&](int i, int v) {
      const auto* sums = from + (std::ptrdiff_t{kVectors} * i + v) * kAmxFilters;
      if constexpr (kIsScaled)
        return hn::MulAdd(V{_mm512_cvtepi32_ps(_mm512_maskz_load_epi32(there[v], sums))}, scale[v],
                          bias[v]);
      else
        return hn::Add(V{_mm512_maskz_load_ps(there[v], sums)}, bias[v]);
    });
    f.from_ = from + std::ptrdiff_t{kVectors} * count * kAmxFilters;
  }

 private:
  static constexpr bool kIsScaled = std::is_same_v<Number, Int8>;
  static constexpr int kVectors = AmxPipeline<Number>::kMostVectors;
  static_assert(kVectors == 2);

  const AmxJob<Number>* job_;
  const Sum<Number>* from_;
  CellPositions left_;
  void (*finish_)(Finisher&, int) = nullptr;
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
