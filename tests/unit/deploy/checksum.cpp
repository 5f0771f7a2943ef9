#include "serpette/deploy/checksum.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>
#include <string>

#include "support/catch.hpp"

using namespace serpette;
using deploy::checksum;

namespace {
std::uint64_t sum_of(const std::string& text) { return checksum(std::as_bytes(std::span(text))); }
}  // namespace

TEST_CASE("a checksum changes with every bit, with length and with order", "[deploy][checksum]") {
  for (const std::size_t size : {0, 1, 7, 255, 256, 257, 600}) {
    const std::string text(size, '\0');
    std::set<std::uint64_t> seen{sum_of(text)};
    std::size_t changes = 1;
    for (std::size_t i = 0; i < size; ++i)
      for (int bit = 0; bit < 8; ++bit, ++changes) {
        auto other = text;
        other[i] = static_cast<char>(1 << bit);
        seen.insert(sum_of(other));
        auto twice = other;  // the same change in the next word of the same chain
        if (i + 256 < size) {
          twice[i + 256] = other[i];
          seen.insert(sum_of(twice));
          ++changes;
        }
      }
    seen.insert(sum_of(text + '\0'));
    CHECK(seen.size() == changes + 1);
  }
  CHECK(sum_of("ab") != sum_of("ba"));
}

TEST_CASE("a checksum is the same however its pieces are shared out, and knows their order",
          "[deploy][checksum]") {
  std::string text((5 << 20) + 123, '\0');  // three pieces
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>(i * i >> 3);
  const auto bytes = std::as_bytes(std::span(text));
  const auto backwards = [](std::int64_t count, const auto& f) {
    for (auto i = count; i > 0; --i) f(i - 1, i);
  };
  const auto sum = sum_of(text);
  CHECK(checksum(bytes, backwards) == sum);
  constexpr std::size_t kPiece = 2 << 20;
  for (const std::size_t at :
       {std::size_t{0}, kPiece - 1, kPiece, 2 * kPiece + 5, text.size() - 1}) {
    auto other = text;
    other[at] ^= 1;
    CHECK(sum_of(other) != sum);
    other[(at + kPiece) % text.size()] ^= 1;  // the same in another piece
    CHECK(sum_of(other) != sum);
  }
  auto exchanged = text;
  std::swap_ranges(exchanged.begin(), exchanged.begin() + kPiece, exchanged.begin() + kPiece);
  CHECK(sum_of(exchanged) != sum);
  CHECK(sum_of(text + '\0') != sum);
}

TEST_CASE("a checksum equals its definition, whatever the vectors", "[deploy][checksum]") {
  constexpr std::uint64_t kSum = 0x9E3779B185EBCA87U, kWord = 0xC2B2AE3D27D4EB4FU;
  const auto mixed = [](std::uint64_t sum, std::uint64_t word) {
    const auto s = sum + word * kWord;
    return std::rotl(s, 31) * kSum;
  };
  const auto of_piece = [&](std::string text) {
    const auto size = text.size();
    text.resize(size / 256 * 256 + 256, '\0');
    std::array<std::uint64_t, 32> chains;
    for (std::size_t c = 0; c < 32; ++c) chains[c] = kSum + c;
    for (std::size_t at = 0; at < text.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, 8);
      auto& chain = chains[at / 8 % 32];
      chain = mixed(chain, word);
    }
    auto sum = mixed(kSum, size);
    for (const auto chain : chains) sum = mixed(sum, chain);
    return mixed(sum ^ sum >> 32, 0);
  };
  for (const std::size_t size : {0, 1, 255, 256, 257, 100'000}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 37 >> 2);
    const auto piece = of_piece(text);
    std::string sums(8, '\0');
    std::memcpy(sums.data(), &piece, 8);
    CHECK(sum_of(text) == of_piece(sums));
  }
}
