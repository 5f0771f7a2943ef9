#pragma once

/// @internal Bytes for onnx/model.hpp.

/// @file
/// Writing protobuf's wire format. No LibTorch.
///
/// What was considered: libprotobuf with ONNX's generated classes (Debian: libprotobuf-dev,
/// libonnx-dev) is a run-time library and a code generator for every user of these headers, and
/// copies all weights into its messages before it writes them; protozero is a header, but reads and
/// writes far more than the four kinds of field that a model has, and is one more package. Writing
/// alone is a tag, a length and bytes.
/// Source: https://protobuf.dev/programming-guides/encoding/

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace serpette::detail {

/// A message of protobuf as it grows. Fields appear in the order in which they are added; large
/// ones can be borrowed, and are copied once, into the final bytes.
class ProtoMessage {
 public:
  /// A field of kind int64, int32 or enum.
  ProtoMessage& integer(int field, std::int64_t value) {
    tag(field, kVarint);
    return varint(static_cast<std::uint64_t>(value));
  }
  /// A repeated one, packed.
  ProtoMessage& integers(int field, std::span<const std::int64_t> values) {
    ProtoMessage packed;
    for (const auto value : values) packed.varint(static_cast<std::uint64_t>(value));
    return message(field, std::move(packed));
  }
  /// A field of kind float.
  ProtoMessage& number(int field, float value) {
    tag(field, kFourBytes);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    return append({bytes, sizeof bytes});
  }
  /// A field of kind string or bytes.
  ProtoMessage& text(int field, std::string_view value) {
    tag(field, kLength);
    return varint(value.size()).append(value);
  }
  /// The same, not copied: the bytes must live until `str`.
  ProtoMessage& borrowed(int field, std::span<const std::byte> bytes) {
    tag(field, kLength);
    varint(bytes.size());
    pieces_.emplace_back(bytes);
    size_ += bytes.size();
    return *this;
  }
  /// A field that is itself a message.
  ProtoMessage& message(int field, ProtoMessage value) {
    tag(field, kLength);
    varint(value.size_);
    size_ += value.size_;
    pieces_.insert(pieces_.end(), std::make_move_iterator(value.pieces_.begin()),
                   std::make_move_iterator(value.pieces_.end()));
    return *this;
  }

  /// Bytes so far.
  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] std::string str() const {
    std::string bytes;
    bytes.reserve(size_);
    for (const auto& piece : pieces_) {
      if (const auto* own = std::get_if<std::string>(&piece))
        bytes += *own;
      else if (const auto* other = std::get_if<std::span<const std::byte>>(&piece))
        bytes.append(reinterpret_cast<const char*>(other->data()), other->size());
    }
    return bytes;
  }

 private:
  enum Kind : std::uint64_t { kVarint = 0, kLength = 2, kFourBytes = 5 };

  void tag(int field, Kind kind) { varint(static_cast<std::uint64_t>(field) << 3 | kind); }

  /// Seven bits a byte, the lowest first; the eighth says that more follow.
  ProtoMessage& varint(std::uint64_t value) {
    char bytes[10];
    std::size_t count = 0;
    for (; value >= 0x80; value >>= 7) bytes[count++] = static_cast<char>(value | 0x80);
    bytes[count++] = static_cast<char>(value);
    return append({bytes, count});
  }

  ProtoMessage& append(std::string_view bytes) {
    if (pieces_.empty() || !std::holds_alternative<std::string>(pieces_.back()))
      pieces_.emplace_back(std::string());
    std::get<std::string>(pieces_.back()) += bytes;
    size_ += bytes.size();
    return *this;
  }

  std::vector<std::variant<std::string, std::span<const std::byte>>> pieces_;
  std::size_t size_ = 0;
};

}  // namespace serpette::detail
