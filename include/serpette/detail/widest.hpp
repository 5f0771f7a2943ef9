#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__CUDACC__)
#define SERPETTE_WIDEST 1
#else
#define SERPETTE_WIDEST 0
#endif

/// Put before the parameter list's end of a lambda or on a function that `widest` is to reach.
#if defined(__GNUC__)
#define SERPETTE_INLINE __attribute__((always_inline))
#else
#define SERPETTE_INLINE
#endif

/// Put before a loop that writes nowhere it or another of its rounds reads.
#if defined(__clang__)
#define SERPETTE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define SERPETTE_INDEPENDENT _Pragma("GCC ivdep")
#else
#define SERPETTE_INDEPENDENT
#endif

namespace serpette::detail {

#if SERPETTE_WIDEST
template <class Body>
[[gnu::target("avx2,fma"), gnu::noinline]] void with_avx2(const Body& body) {
  body();
}
template <class Body>
[[gnu::target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"), gnu::noinline]] void with_avx512(
    const Body& body) {
  body();
}
#endif

/// Runs plain loops compiled for the widest vectors of this machine, whatever the program's own
/// target: the compiler makes a copy of `body` for each instruction set, and vectorises it. For
/// loops over memory that need no intrinsics; kernels that do are Highway's.
/// @param body  a callable without arguments. It, and all it calls, must be SERPETTE_INLINE: only
///              what is inlined is compiled anew.
template <class Body>
void widest(const Body& body) {
#if SERPETTE_WIDEST
  static const int level = [] {
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return avx2 && avx512 ? 2 : avx2 ? 1 : 0;
  }();
  if (level == 2) return with_avx512(body);
  if (level == 1) return with_avx2(body);
#endif
  body();
}

}  // namespace serpette::detail
