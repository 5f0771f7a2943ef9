#pragma once

#include <webp/decode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/image_format.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

/// Decodes a WebP, lossy or lossless, as stored, to 8-bit RGB; transparency is ignored.
class WebpReader {
 public:
  /// Reads the header.
  /// @param bytes  the file; must outlive the reader.
  /// @param place  how errors call the file.
  /// @throws DamagedImage  if this is no WebP that libwebp can read, an animation, or the header
  /// promises more than the file can hold.
  WebpReader(std::string_view bytes, std::string_view place) : bytes_(bytes), place_(place) {
    WebPBitstreamFeatures found;
    require<DamagedImage>(WebPGetFeatures(data(), bytes.size(), &found) == VP8_STATUS_OK, place,
                          "should be a whole WebP image, got a damaged header");
    require<DamagedImage>(found.has_animation == 0, place,
                          "should be a WebP image of one picture, got an animation");
    size_ = {found.width, found.height};
    detail::require_plausible(
        found.width, found.height,
        std::max(limits::kWebpPlainPixels,
                 limits::kWebpPixelsPerByte * static_cast<std::int64_t>(bytes.size())),
        place);
  }

  [[nodiscard]] int width() const { return size_.width; }
  [[nodiscard]] int height() const { return size_.height; }
  /// EXIF's: 1 upright, 2 to 8 mirrored or turned.
  [[nodiscard]] int orientation() const {
    constexpr std::size_t kRiff = 12, kHead = 8;
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes_[at]); };
    for (std::size_t at = kRiff; at + kHead <= bytes_.size();) {
      const std::size_t size =
          byte(at + 4) | byte(at + 5) << 8 | byte(at + 6) << 16 | std::size_t{byte(at + 7)} << 24;
      if (bytes_.substr(at, 4) == "EXIF") {
        auto exif = bytes_.substr(at + kHead, size);
        if (exif.starts_with(std::string_view("Exif\0\0", 6))) exif.remove_prefix(6);
        return detail::exif_orientation(exif);
      }
      at += kHead + size + size % 2;
    }
    return 1;
  }

  /// Gives the next row; the first call decodes the file.
  /// @param rgb  [3·width] out; at most `height()` calls.
  /// @throws DamagedImage  if the data ends early or does not decode.
  void read_row(std::uint8_t* rgb) {
    const auto stride = 3 * static_cast<std::size_t>(size_.width);
    if (rgb_.empty()) {
      rgb_.resize(stride * static_cast<std::size_t>(size_.height));
      require<DamagedImage>(WebPDecodeRGBInto(data(), bytes_.size(), rgb_.data(), rgb_.size(),
                                              static_cast<int>(stride)) != nullptr,
                            place_, "should be a whole WebP image, got one that does not decode");
    }
    std::copy_n(rgb_.data() + stride * next_++, stride, rgb);
  }

 private:
  [[nodiscard]] const std::uint8_t* data() const {
    return reinterpret_cast<const std::uint8_t*>(bytes_.data());
  }

  std::string_view bytes_;
  std::string place_;
  ImageSize size_;
  std::vector<std::uint8_t> rgb_;
  std::size_t next_ = 0;
};

}  // namespace serpette
