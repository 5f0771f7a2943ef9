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
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",amx-tile,amx-bf16,amx-int8")
#else
HWY_PUSH_ATTRIBUTES("amx-tile,amx-bf16,amx-int8")
#endif
#else
#define SERPETTE_HAS_AMX 0
HWY_BEFORE_NAMESPACE();
#endif

#if SERPETTE_HAS_AMX
namespace serpette::deploy::HWY_NAMESPACE::amx {

namespace hn = hwy::HWY_NAMESPACE;
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

/// Finishes the sums of the job before, some rows at a time.
template <class Number>
class Finisher {
 public:
  explicit HWY_INLINE Finisher(const AmxPipeline<Number>& pipeline)
      : from_(&pipeline.sums[pipeline.now][0][0][0]),
        cells_(pipeline.before.cells),
        end_(pipeline.before.cells + pipeline.rows),
        out_(pipeline.before.out),
        pitch_(pipeline.before.pitch),
        columns_(pipeline.before.columns),
        finish_(pipeline.before.finish) {
    const D d;
    for (int v = 0; v < kVectors; ++v) {
      const bool is_there = pipeline.rows > 0 && v * kAmxFilters < columns_;
      bias_[v] = is_there ? hn::LoadU(d, pipeline.before.bias + v * kAmxFilters) : hn::Zero(d);
      scale_[v] = is_there && kIsScaled ? hn::LoadU(d, pipeline.before.scale + v * kAmxFilters)
                                        : hn::Zero(d);
    }
  }

  HWY_INLINE void rows(std::ptrdiff_t count) {
    const D d;
    for (const auto* last = cells_ + std::min(count, end_ - cells_); cells_ < last;
         ++cells_, from_ += kVectors * kAmxFilters) {
      if (*cells_ < 0) continue;
      const auto at = *cells_ * pitch_;
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        if (v * kAmxFilters >= columns_) break;
        hn::Vec<D> y;
        if constexpr (kIsScaled)
          y = hn::MulAdd(
              hn::ConvertTo(d, hn::Load(hn::RebindToSigned<D>(), from_ + v * kAmxFilters)),
              scale_[v], bias_[v]);
        else
          y = hn::Add(hn::Load(d, from_ + v * kAmxFilters), bias_[v]);
        dense::finish(d, y, finish_, out_, at + v * kAmxFilters,
                      static_cast<std::size_t>(columns_ - v * kAmxFilters));
      }
    }
  }
  HWY_INLINE void rest() { rows(end_ - cells_); }

 private:
  static constexpr bool kIsScaled = std::is_same_v<Number, Int8>;
  static constexpr int kVectors = AmxPipeline<Number>::kMostVectors;

  const Sum<Number>* from_;
  const std::int32_t *cells_, *end_;
  float* out_;
  std::ptrdiff_t pitch_;
  int columns_;
  Finish finish_;
  hn::Vec<D> bias_[kVectors], scale_[kVectors];
};

template <class Number>
void end(AmxPipeline<Number>& pipeline) {
  Finisher<Number>(pipeline).rest();
  pipeline.rows = 0;
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
  const auto steps = static_cast<std::ptrdiff_t>(job.steps.size()),
             share = steps == 0 ? 0 : (pipeline.rows + steps - 1) / steps;
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
    finisher.rows(share);
  }
  finisher.rest();

  pipeline.now = 1 - pipeline.now;
  pipeline.rows = Tiles * kAmxRows;
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
