#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/io/image_format.hpp"

namespace serpette {

/// Decodes a BMP top to bottom, a row at a time, to 8-bit RGB: 24 and 32 bits a pixel, and palettes
/// of 1, 4 and 8 bits, which is what cameras, annotation tools and Windows write. Compressed ones
/// and 16 bits a pixel are refused by name. Source: Microsoft, Bitmap Storage (BITMAPINFOHEADER).
class BmpReader {
 public:
  /// Reads the header.
  /// @param bytes  the file; must outlive the reader.
  /// @param place  how errors call the file.
  /// @throws DamagedImage  if this is no BMP of these kinds, or the file ends before its pixels do.
  BmpReader(std::string_view bytes, std::string_view place) : bytes_(bytes) {
    constexpr std::size_t kFile = 14, kInfo = 40;
    require<DamagedImage>(bytes.size() >= kFile + kInfo, place,
                          "should be a whole BMP image, got {} bytes", bytes.size());
    const std::size_t first = number(10, 4), info = number(kFile, 4);
    require<DamagedImage>(info >= kInfo && info <= 124, place,
                          "should be a BMP image of Windows 3 or later, got a header of {} bytes",
                          info);
    const auto width = static_cast<std::int32_t>(number(kFile + 4, 4));
    const auto height = static_cast<std::int32_t>(number(kFile + 8, 4));
    depth_ = number(kFile + 14, 2);
    const auto compression = number(kFile + 16, 4);
    upwards_ = height > 0;
    const std::int64_t rows = upwards_ ? height : -std::int64_t{height};
    // Masks of colours beside the header are those of plain 32-bit pixels, or not read.
    constexpr std::uint32_t kNone = 0, kMasks = 3;
    const bool plain =
        compression == kNone ||
        (compression == kMasks && depth_ == 32 && bytes.size() >= kFile + kInfo + 12 &&
         number(kFile + kInfo, 4) == 0xFF0000 && number(kFile + kInfo + 4, 4) == 0xFF00 &&
         number(kFile + kInfo + 8, 4) == 0xFF);
    require<DamagedImage>(
        plain && (depth_ == 1 || depth_ == 4 || depth_ == 8 || depth_ == 24 || depth_ == 32), place,
        "should be a BMP image of 1, 4, 8, 24 or 32 bits a pixel without compression, got {} bits "
        "and compression {}",
        depth_, compression);
    stride_ = (std::uint64_t(std::max(width, 0)) * depth_ + 31) / 32 * 4;
    const auto held = bytes.size() - std::min(first, bytes.size());
    detail::require_plausible(
        width, rows,
        stride_ == 0 ? 0 : static_cast<std::int64_t>(held / stride_) * std::int64_t{width}, place);
    size_ = {width, static_cast<int>(rows)};
    pixels_ = first;
    if (depth_ <= 8) {
      palette_ = kFile + info;
      const std::size_t used = number(kFile + 32, 4);
      colors_ = std::min<std::size_t>(used == 0 ? std::size_t{1} << depth_ : used, 256);
      require<DamagedImage>(bytes.size() >= palette_ + 4 * colors_, place,
                            "should be a whole BMP image, got a palette that is cut off");
    }
  }

  [[nodiscard]] int width() const { return size_.width; }
  [[nodiscard]] int height() const { return size_.height; }
  [[nodiscard]] static int orientation() { return 1; }

  /// @param rgb  [3·width] out; at most `height()` calls.
  void read_row(std::uint8_t* rgb) {
    const auto stored = static_cast<std::size_t>(upwards_ ? size_.height - 1 - next_ : next_);
    ++next_;
    const auto row = bytes_.substr(pixels_ + stride_ * stored, stride_);
    for (std::size_t x = 0; x < static_cast<std::size_t>(size_.width); ++x, rgb += 3) {
      const char* bgr = nullptr;
      if (depth_ <= 8) {
        const std::size_t bit = x * depth_;
        const auto byte = static_cast<unsigned char>(row[bit / 8]);
        const std::size_t index = byte >> (8 - depth_ - bit % 8) & ((1U << depth_) - 1);
        if (index >= colors_) {  // a colour that the palette does not have is black
          std::fill_n(rgb, 3, std::uint8_t{0});
          continue;
        }
        bgr = bytes_.data() + palette_ + 4 * index;
      } else {
        bgr = row.data() + x * (depth_ / 8);
      }
      std::reverse_copy(bgr, bgr + 3, rgb);
    }
  }

 private:
  // Little-endian.
  [[nodiscard]] std::uint32_t number(std::size_t at, std::size_t size) const {
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes_[at + i]);
    return value;
  }

  std::string_view bytes_;
  ImageSize size_;
  bool upwards_ = true;  // the last row is stored first
  std::uint32_t depth_ = 24;
  std::size_t stride_ = 0, pixels_ = 0, palette_ = 0, colors_ = 0;
  int next_ = 0;
};

}  // namespace serpette
