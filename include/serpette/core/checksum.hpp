#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace serpette {

/// 64 bits that notice damage of large files, nearly as fast as memory gives them: eight chains of
/// words, joined at the end. Fingerprint is for names and small texts. Not against people who mean
/// harm.
inline std::uint64_t checksum(std::span<const std::byte> bytes) {
  constexpr std::uint64_t kPrime = 0x9E3779B185EBCA87ULL, kOther = 0xC2B2AE3D27D4EB4FULL;
  const auto mixed = [](std::uint64_t sum, std::uint64_t word) {  // xxHash64's round and primes
    return std::rotl(sum + word * kOther, 31) * kPrime;
  };
  constexpr std::size_t kBlock = 8 * sizeof(std::uint64_t);
  std::array<std::uint64_t, 8> sums{};
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = kPrime + i;
  std::size_t at = 0;
  for (; at + kBlock <= bytes.size(); at += kBlock) {
    std::array<std::uint64_t, 8> words;
    std::memcpy(words.data(), bytes.data() + at, kBlock);
    for (std::size_t i = 0; i < words.size(); ++i) sums[i] = mixed(sums[i], words[i]);
  }
  std::array<std::uint64_t, 8> rest{};
  if (at < bytes.size()) std::memcpy(rest.data(), bytes.data() + at, bytes.size() - at);
  std::uint64_t sum = mixed(kPrime, bytes.size());
  for (std::size_t i = 0; i < sums.size(); ++i) sum = mixed(sum, mixed(sums[i], rest[i]));
  return mixed(sum ^ sum >> 32, 0);
}

}  // namespace serpette
