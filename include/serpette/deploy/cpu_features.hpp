#pragma once

/// @file
/// Instructions that plans use where a machine has them, beyond those that Highway chooses among.
/// No LibTorch.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "serpette/core/contract.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#endif
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace serpette::deploy {

enum class CpuFeature : std::size_t { kAvx512Bf16, kAvx512Vnni, kAmxBf16, kAmxInt8 };

/// By CpuFeature, as /proc/cpuinfo calls them.
inline constexpr std::array<std::string_view, 4> kCpuFeatures{"avx512_bf16", "avx512_vnni",
                                                              "amx_bf16", "amx_int8"};

namespace detail {

using CpuFeatures = std::array<bool, kCpuFeatures.size()>;

/// What the processor has.
inline CpuFeatures cpu_features() {
  CpuFeatures found{};
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool knows_amx = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & 1U << 24) != 0;
  found = {__builtin_cpu_supports("avx512bf16") != 0, __builtin_cpu_supports("avx512vnni") != 0,
           knows_amx && (d & 1U << 22) != 0, knows_amx && (d & 1U << 25) != 0};
#endif
  return found;
}

/// Whether the system grants this process the state of the tiles, 8 KB a thread, which it does for
/// who asks.
inline bool may_use_tiles() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(2), since Linux 5.16
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}

/// @param hidden  names of features, with commas between, that are taken for missing.
/// @throws Error  for another name.
inline CpuFeatures without(CpuFeatures features, std::string_view hidden) {
  while (!hidden.empty()) {
    const auto end = hidden.find(',');
    const auto name = hidden.substr(0, end);
    const auto found = std::ranges::find(kCpuFeatures, name);
    require(found != kCpuFeatures.end(), "SERPETTE_WITHOUT", "should name some of {}, got '{}'",
            fmt::join(kCpuFeatures, ", "), name);
    features[static_cast<std::size_t>(found - kCpuFeatures.begin())] = false;
    if (end == std::string_view::npos) break;
    hidden.remove_prefix(end + 1);
    require(!hidden.empty(), "SERPETTE_WITHOUT", "should name a feature behind its last comma");
  }
  return features;
}

}  // namespace detail

/// Whether this machine, its system and this program have it, and the environment's
/// SERPETTE_WITHOUT does not name it: `SERPETTE_WITHOUT=amx_bf16,amx_int8` computes as a machine
/// without AMX.
/// @throws Error  if it names something else.
inline bool cpu_has(CpuFeature feature) {
  static const auto features = [] {
    const char* hidden = std::getenv("SERPETTE_WITHOUT");
    return detail::without(detail::cpu_features(), hidden == nullptr ? "" : hidden);
  }();
  const bool is_of_amx = feature == CpuFeature::kAmxBf16 || feature == CpuFeature::kAmxInt8;
  return features[static_cast<std::size_t>(feature)] && (!is_of_amx || detail::may_use_tiles());
}

}  // namespace serpette::deploy
