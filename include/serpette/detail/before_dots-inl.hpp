/// @file
/// Begins functions that may use AVX512-BF16's VDPBF16PS and AVX512-VNNI's VPDPBUSD, as the
/// compiler's intrinsics, where SERPETTE_HAS_DOTS is 1; elsewhere it is HWY_BEFORE_NAMESPACE.
/// HWY_AFTER_NAMESPACE ends them. For files of each_target-inl.hpp, once for each instruction set:
/// no #pragma once.
///
/// Highway has these operations since 1.0.5 and 1.1 only, and for instruction sets that
/// each_target-inl.hpp leaves out: so they stand between Highway's AVX3. A machine may have VNNI
/// alone, or neither: only intrinsics make the compiler use them, and who calls such functions asks
/// first.

#undef SERPETTE_HAS_DOTS
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG)
#define SERPETTE_HAS_DOTS 1
#ifdef HWY_TARGET_STR
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512bf16,avx512vnni")
#else
HWY_PUSH_ATTRIBUTES("avx512bf16,avx512vnni")
#endif
#else
#define SERPETTE_HAS_DOTS 0
HWY_BEFORE_NAMESPACE();
#endif
