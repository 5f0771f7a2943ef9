#pragma once

#include <png.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"

namespace serpette {

/// Decodes a PNG of any kind to 8-bit RGB; grey is repeated, palettes are looked up, transparency
/// is ignored.
class PngReader {
 public:
  /// Reads the header.
  /// @param bytes  the file; must outlive the reader.
  /// @param place  how errors call the file.
  /// @throws Error  with libpng's reason if this is no PNG that it can read.
  PngReader(std::string_view bytes, std::string_view place) : place_(place) {
    image_->version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(image_.get(), bytes.data(), bytes.size())) refuse();
    image_->format = PNG_FORMAT_RGBA;
    image_->flags |=
        PNG_IMAGE_FLAG_16BIT_sRGB;  // 16-bit files hold the same encoding as 8-bit ones
  }

  [[nodiscard]] int width() const { return static_cast<int>(image_->width); }
  [[nodiscard]] int height() const { return static_cast<int>(image_->height); }

  /// @param rgb  [height · width · 3] out.
  /// @throws Error  if the data ends early or does not decode.
  void read(std::uint8_t* rgb) {
    const std::size_t pixels = std::size_t{image_->width} * image_->height;
    std::vector<std::uint8_t> rgba(4 * pixels);
    if (!png_image_finish_read(image_.get(), nullptr, rgba.data(), 0, nullptr)) refuse();
    for (std::size_t i = 0; i < pixels; ++i)
      for (std::size_t c = 0; c < 3; ++c) rgb[3 * i + c] = rgba[4 * i + c];
  }

 private:
  struct Free {
    void operator()(png_image* image) const {
      png_image_free(image);
      delete image;
    }
  };

  [[noreturn]] void refuse() const {
    fail(place_, "should be a whole PNG image, got \"{}\"", image_->message);
  }

  std::unique_ptr<png_image, Free> image_{new png_image{}};
  std::string place_;
};

/// A PNG file of 8-bit RGB pixels, in memory.
/// @param rgb  [height · width · 3], rows from the top.
/// @throws Error  if the size is not positive or memory runs out.
inline std::string encode_png(std::span<const std::uint8_t> rgb, int width, int height) {
  require(rgb.size() == 3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height),
          "PNG image", "should have {} x {} x 3 bytes, got {}", width, height, rgb.size());
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, rgb.data(), 0, nullptr))
    fail("PNG image", "should be writable, got \"{}\"", image.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace serpette
