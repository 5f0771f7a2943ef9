#include "serpette/core/checksum.hpp"

#include <set>
#include <string>

#include "support/catch.hpp"

using namespace serpette;

namespace {
std::uint64_t of(const std::string& text) { return checksum(std::as_bytes(std::span(text))); }
}  // namespace

TEST_CASE("a checksum changes with every bit, with length and with order", "[core][checksum]") {
  for (const std::size_t size : {0, 1, 7, 63, 64, 65, 200}) {
    const std::string text(size, '\0');
    std::set<std::uint64_t> seen{of(text)};
    std::size_t changes = 1;
    for (std::size_t i = 0; i < size; ++i)
      for (int bit = 0; bit < 8; ++bit, ++changes) {
        auto other = text;
        other[i] = static_cast<char>(1 << bit);
        seen.insert(of(other));
        auto twice = other;  // the same change in the next word of the same chain
        if (i + 64 < size) {
          twice[i + 64] = other[i];
          seen.insert(of(twice));
          ++changes;
        }
      }
    seen.insert(of(text + '\0'));
    CHECK(seen.size() == changes + 1);
  }
  CHECK(of("ab") != of("ba"));
}
