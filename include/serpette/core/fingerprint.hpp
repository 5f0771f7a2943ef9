#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace serpette {

/// 64 bits that stand for all bytes it was given, in their order (FNV-1a): names results by what
/// they depend on, and notices damage. Not against people who mean harm.
class Fingerprint {
 public:
  Fingerprint& add(std::string_view bytes) {
    for (const char c : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return *this;
  }
  /// The bytes of a number.
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Fingerprint& add(Number value) {
    return add(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
  }
  /// A text and its length, so that "ab", "c" is not "a", "bc".
  Fingerprint& add_text(std::string_view text) { return add(text.size()).add(text); }

  [[nodiscard]] std::uint64_t value() const { return hash_; }
  /// 16 hex digits.
  [[nodiscard]] std::string str() const { return fmt::format("{:016x}", hash_); }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

/// 16 hex digits that stand for a text.
inline std::string fingerprint(std::string_view text) { return Fingerprint().add(text).str(); }

/// Bytes with their fingerprint behind them.
inline std::string sealed(std::string bytes) { return bytes += fingerprint(bytes); }

/// What was sealed; none if it was cut or changed since.
inline std::optional<std::string> unsealed(std::string bytes) {
  const auto size = bytes.size() - std::min(bytes.size(), fingerprint("").size());
  if (std::string_view(bytes).substr(size) != fingerprint(std::string_view(bytes).substr(0, size)))
    return std::nullopt;
  bytes.resize(size);
  return bytes;
}

}  // namespace serpette
