/// @file
/// Compiles one file once per instruction set that the compiler knows; the best is chosen when the
/// program runs, by Highway's HWY_EXPORT and HWY_DYNAMIC_DISPATCH. To be included once per such
/// file, hence no #pragma once:
///
///   #define SERPETTE_EACH_TARGET "serpette/…/kernels-inl.hpp"
///   #include "serpette/detail/each_target-inl.hpp"
///
/// Highway's own foreach_target.h serves one file of a translation unit. Here it brings in
/// Highway's operations for every instruction set, and the files follow, each for each of them.

#if defined(HWY_ONCE) && !defined(SERPETTE_EACH_TARGET_BEGUN)
#error "serpette's kernels should come before other uses of hwy/foreach_target.h"
#endif

#ifndef SERPETTE_EACH_TARGET_BEGUN
#define SERPETTE_EACH_TARGET_BEGUN
// Every instruction set takes its time to compile, and these give our loops (float32) nothing over
// the next lower one that stays. Without SSE2, which Highway has since 1.0.4, SSE4 is the lowest.
#if !defined(HWY_DISABLED_TARGETS)
#include <hwy/detect_targets.h>
#undef HWY_DISABLED_TARGETS
#if defined(HWY_AVX10_2)
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2)
#elif defined(HWY_AVX3_SPR)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR)
#elif defined(HWY_AVX3_ZEN4)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_AVX3_ZEN4)
#else
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#endif
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "serpette/detail/operations-inl.hpp"
#include <hwy/foreach_target.h>
// For the instruction set that the whole program is compiled for:
#include "serpette/detail/operations-inl.hpp"
#endif

#define SERPETTE_HAS_TARGET(target) ((HWY_TARGETS & (target)) && HWY_STATIC_TARGET != (target))

#if defined(HWY_EMU128) && SERPETTE_HAS_TARGET(HWY_EMU128)
#undef HWY_TARGET
#define HWY_TARGET HWY_EMU128
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SCALAR) && SERPETTE_HAS_TARGET(HWY_SCALAR)
#undef HWY_TARGET
#define HWY_TARGET HWY_SCALAR
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SSE2) && SERPETTE_HAS_TARGET(HWY_SSE2)
#undef HWY_TARGET
#define HWY_TARGET HWY_SSE2
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SSSE3) && SERPETTE_HAS_TARGET(HWY_SSSE3)
#undef HWY_TARGET
#define HWY_TARGET HWY_SSSE3
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SSE4) && SERPETTE_HAS_TARGET(HWY_SSE4)
#undef HWY_TARGET
#define HWY_TARGET HWY_SSE4
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_AVX2) && SERPETTE_HAS_TARGET(HWY_AVX2)
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX2
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_AVX3) && SERPETTE_HAS_TARGET(HWY_AVX3)
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX3
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_AVX3_DL) && SERPETTE_HAS_TARGET(HWY_AVX3_DL)
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX3_DL
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_AVX3_ZEN4) && SERPETTE_HAS_TARGET(HWY_AVX3_ZEN4)
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX3_ZEN4
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_AVX3_SPR) && SERPETTE_HAS_TARGET(HWY_AVX3_SPR)
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX3_SPR
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_AVX10_2) && SERPETTE_HAS_TARGET(HWY_AVX10_2)
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX10_2
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_NEON_WITHOUT_AES) && SERPETTE_HAS_TARGET(HWY_NEON_WITHOUT_AES)
#undef HWY_TARGET
#define HWY_TARGET HWY_NEON_WITHOUT_AES
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_NEON) && SERPETTE_HAS_TARGET(HWY_NEON)
#undef HWY_TARGET
#define HWY_TARGET HWY_NEON
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_NEON_BF16) && SERPETTE_HAS_TARGET(HWY_NEON_BF16)
#undef HWY_TARGET
#define HWY_TARGET HWY_NEON_BF16
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SVE) && SERPETTE_HAS_TARGET(HWY_SVE)
#undef HWY_TARGET
#define HWY_TARGET HWY_SVE
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SVE2) && SERPETTE_HAS_TARGET(HWY_SVE2)
#undef HWY_TARGET
#define HWY_TARGET HWY_SVE2
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SVE_256) && SERPETTE_HAS_TARGET(HWY_SVE_256)
#undef HWY_TARGET
#define HWY_TARGET HWY_SVE_256
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_SVE2_128) && SERPETTE_HAS_TARGET(HWY_SVE2_128)
#undef HWY_TARGET
#define HWY_TARGET HWY_SVE2_128
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_RVV) && SERPETTE_HAS_TARGET(HWY_RVV)
#undef HWY_TARGET
#define HWY_TARGET HWY_RVV
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_PPC8) && SERPETTE_HAS_TARGET(HWY_PPC8)
#undef HWY_TARGET
#define HWY_TARGET HWY_PPC8
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_PPC9) && SERPETTE_HAS_TARGET(HWY_PPC9)
#undef HWY_TARGET
#define HWY_TARGET HWY_PPC9
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif
#if defined(HWY_PPC10) && SERPETTE_HAS_TARGET(HWY_PPC10)
#undef HWY_TARGET
#define HWY_TARGET HWY_PPC10
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET
#endif

#undef HWY_TARGET
#define HWY_TARGET HWY_STATIC_TARGET
#include <hwy/ops/set_macros-inl.h>
#include SERPETTE_EACH_TARGET

#undef SERPETTE_HAS_TARGET
#undef SERPETTE_EACH_TARGET
