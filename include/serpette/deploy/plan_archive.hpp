#pragma once

/// @internal Bytes of plan_file.hpp.

/// @file
/// Values and arrays in a row, in the byte order of the machine; arrays begin with a cache line. No
/// LibTorch.

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/stored_array.hpp"

namespace serpette::deploy {

namespace detail {
inline constexpr std::size_t kAlignment = 64;

constexpr std::size_t aligned(std::size_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}
}  // namespace detail

/// Collects what a plan consists of.
class PlanWriter {
 public:
  /// @param header  bytes that come first.
  explicit PlanWriter(std::size_t header) : bytes_(header, '\0') {}

  template <class T>
    requires std::is_trivially_copyable_v<T>
  void value(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view text) {
    value(std::uint64_t{text.size()});
    bytes_ += text;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void array(std::span<const T> values) {
    value(std::uint64_t{values.size()});
    bytes_.resize(detail::aligned(bytes_.size()), '\0');
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  template <class T>
  void array(const StoredArray<T>& stored) {
    array(stored.values());
  }

  [[nodiscard]] std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

/// Reads the same, in the same order; arrays are not copied.
class PlanReader {
 public:
  /// @param owner  keeps `bytes` alive; arrays share it.
  /// @param at     where to begin.
  /// @param place  what an Error calls it.
  PlanReader(std::shared_ptr<const void> owner, std::span<const std::byte> bytes, std::size_t at,
             std::string place)
      : owner_(std::move(owner)), bytes_(bytes), at_(at), place_(std::move(place)) {}

  [[nodiscard]] const std::string& place() const { return place_; }

  template <class T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] T value() {
    std::array<std::byte, sizeof(T)> raw;
    std::memcpy(raw.data(), take(1, sizeof(T)), sizeof(T));
    if constexpr (std::same_as<T, bool>)
      return raw[0] != std::byte{};  // a damaged one may be neither 0 nor 1
    else
      return std::bit_cast<T>(raw);
  }
  /// How many of something follow.
  /// @param bytes   that each of them takes, at least.
  /// @throws Error  if there is no room for so many.
  [[nodiscard]] std::size_t count(std::size_t bytes) {
    const auto found = value<std::uint64_t>();
    require(found <= (bytes_.size() - at_) / bytes, place_,
            "should have {} times {} bytes at byte {}, got {} bytes in all", found, bytes, at_,
            bytes_.size());
    return found;
  }
  [[nodiscard]] std::string text() {
    const auto size = value<std::uint64_t>();
    return {reinterpret_cast<const char*>(take(size, 1)), size};
  }
  /// @throws Error  if it has not `count` values.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] StoredArray<T> array(std::size_t count) {
    auto found = array<T>();
    require(found.size() == count, place_, "should hold {} numbers here, got {}", count,
            found.size());
    return found;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] StoredArray<T> array() {
    const auto count = value<std::uint64_t>();
    at_ = detail::aligned(at_);
    const auto* from = take(count, sizeof(T));
    if (reinterpret_cast<std::uintptr_t>(from) % detail::kAlignment == 0)
      return {owner_, std::span(reinterpret_cast<const T*>(from), count)};
    AlignedZeros<T> copy(count);  // of a file that could not be mapped
    std::memcpy(copy.data, from, count * sizeof(T));
    return copy.stored();
  }
  /// @throws Error  unless all has been read.
  void finish() const {
    require(at_ == bytes_.size(), place_, "should end after byte {}, got {} bytes more", at_,
            bytes_.size() - at_);
  }

 private:
  const std::byte* take(std::uint64_t count, std::size_t size) {
    require(at_ <= bytes_.size() && count <= (bytes_.size() - at_) / size, place_,
            "should have {} times {} bytes at byte {}, got {} bytes in all", count, size, at_,
            bytes_.size());
    const auto* from = bytes_.data() + at_;
    at_ += count * size;
    return from;
  }

  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
  std::size_t at_;
  std::string place_;
};

}  // namespace serpette::deploy
