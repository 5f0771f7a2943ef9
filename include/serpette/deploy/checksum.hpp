#pragma once

/// @internal Of plan_file.hpp.

/// @file
/// 64 bits that notice damage of large files, as fast as memory gives them. Fingerprint is for
/// names and small texts. No LibTorch.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "serpette/core/in_parallel.hpp"

namespace serpette::deploy {

inline constexpr std::size_t kChains = 32;
inline constexpr std::uint64_t kSumPrime = 0x9E3779B185EBCA87ULL,
                               kWordPrime = 0xC2B2AE3D27D4EB4FULL;

/// Adds blocks of kChains words to as many chains.
using ChecksumLoop = void (*)(const std::byte* from, std::size_t blocks, std::uint64_t* chains);

}  // namespace serpette::deploy

#define SERPETTE_EACH_TARGET "serpette/deploy/checksum_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::deploy {

HWY_EXPORT(checksum_loop);

namespace detail {

/// Of one piece: chains of words by xxHash64's round and primes, joined at the end. Every step is
/// one-to-one in its word and in the sum before it, so one changed word always changes the result;
/// and what a word's highest bits change, the next word's cannot take back bit by bit.
inline std::uint64_t checksum_of_piece(std::span<const std::byte> bytes) {
  static const ChecksumLoop add = HWY_DYNAMIC_DISPATCH(checksum_loop)();
  constexpr std::size_t kBlock = kChains * sizeof(std::uint64_t);
  std::array<std::uint64_t, kChains> chains;
  for (std::size_t i = 0; i < kChains; ++i) chains[i] = kSumPrime + i;
  const auto whole = bytes.size() / kBlock * kBlock;
  add(bytes.data(), whole / kBlock, chains.data());
  std::array<std::byte, kBlock> rest{};  // zeros behind it, and the size below
  if (whole < bytes.size()) std::memcpy(rest.data(), bytes.data() + whole, bytes.size() - whole);
  add(rest.data(), 1, chains.data());
  const auto mixed = [](std::uint64_t sum, std::uint64_t word) {
    return std::rotl(sum + word * kWordPrime, 31) * kSumPrime;
  };
  std::uint64_t sum = mixed(kSumPrime, bytes.size());
  for (const auto chain : chains) sum = mixed(sum, chain);
  return mixed(sum ^ sum >> 32, 0);
}

}  // namespace detail

/// The checksum of the checksums of pieces of 2 MiB, which may be read at the same time. Not
/// against people who mean harm.
/// @param parallel  as Serially.
template <class Parallel = Serially>
std::uint64_t checksum(std::span<const std::byte> bytes, const Parallel& parallel = {}) {
  constexpr std::size_t kPiece = 2 << 20;
  std::vector<std::uint64_t> sums(bytes.size() / kPiece + 1);  // the last piece may be empty
  parallel(std::ssize(sums), [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      sums[i] = detail::checksum_of_piece(
          bytes.subspan(i * kPiece, std::min(kPiece, bytes.size() - i * kPiece)));
  });
  return detail::checksum_of_piece(std::as_bytes(std::span(sums)));
}

}  // namespace serpette::deploy
