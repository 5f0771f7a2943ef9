/// @file
/// The inner loop of a checksum for one instruction set: checksum.hpp includes this file
/// repeatedly, hence no #pragma once. Included by itself it is that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/checksum.hpp"
#else

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace serpette::deploy::HWY_NAMESPACE {

/// sum_c ← rotl(sum_c + word_c · kWordPrime, 31) · kSumPrime for every block of kChains words.
inline void add_to_chains(const std::byte* from, std::size_t blocks, std::uint64_t* chains) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<std::uint64_t, 8> d;
  constexpr std::size_t kVectors = kChains / hn::MaxLanes(d);
  const std::size_t lanes = hn::Lanes(d);
  const auto by_word = hn::Set(d, kWordPrime), by_sum = hn::Set(d, kSumPrime);
  hn::Vec<decltype(d)> sums[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::LoadU(d, chains + v * lanes);
  const auto* at = reinterpret_cast<const std::uint64_t*>(from);  // wherever it begins: LoadU
  for (std::size_t block = 0; block < blocks; ++block)
    for (std::size_t v = 0; v < kVectors; ++v, at += lanes) {
      const auto sum = hn::Add(sums[v], hn::Mul(hn::LoadU(d, at), by_word));
      sums[v] = hn::Mul(hn::RotateRight<33>(sum), by_sum);
    }
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[v], d, chains + v * lanes);
}

inline ChecksumLoop checksum_loop() { return &add_to_chains; }

}  // namespace serpette::deploy::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
