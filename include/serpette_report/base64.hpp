#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "serpette/core/contract.hpp"

namespace serpette {

/// RFC 4648, with padding.
inline std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0;
    };
    const std::uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
    text += kDigits[group >> 18];
    text += kDigits[group >> 12 & 63];
    text += i + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? kDigits[group & 63] : '=';
  }
  return text;
}

/// A PNG or JPEG file as a data: address, so that a page needs no file beside it.
/// @throws Error  naming `place` if the bytes are neither.
inline std::string picture_address(std::string_view bytes, std::string_view place) {
  const bool jpeg = bytes.starts_with("\xFF\xD8");
  require(jpeg || bytes.starts_with("\x89PNG"), place,
          "should be a PNG or JPEG picture, got something else");
  return fmt::format("data:image/{};base64,{}", jpeg ? "jpeg" : "png", base64(bytes));
}

}  // namespace serpette
