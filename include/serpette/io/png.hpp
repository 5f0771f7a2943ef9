#pragma once

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/image_format.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

/// Decodes a PNG of any kind as stored, top to bottom, a row at a time, to 8-bit RGB: grey is
/// repeated, palettes are looked up, of 16 bits the upper 8 are taken, transparency is ignored.
/// What the file says of its colours' meaning (gamma, profile) changes no value, as in OpenCV.
class PngReader {
 public:
  /// Reads the header.
  /// @param bytes  the file; must outlive the reader.
  /// @param place  how errors call the file.
  /// @throws DamagedImage  with libpng's reason if this is no PNG that it can read, or the header
  /// promises more than the file can hold.
  PngReader(std::string_view bytes, std::string_view place) : state_(new State), place_(place) {
    auto& s = *state_;
    s.rest = bytes;
    s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, &on_error, &on_warning);
    if (s.png != nullptr) s.info = png_create_info_struct(s.png);
    if (s.info == nullptr) throw std::bad_alloc();
    if (setjmp(s.jump)) refuse();
    png_set_read_fn(s.png, &s, &on_read);
    // Text, profiles and the meaning of colours: passed over, whole or damaged.
    static constexpr png_byte kIgnored[] =
        "iCCP\0sRGB\0gAMA\0cHRM\0tEXt\0zTXt\0iTXt\0sPLT\0sBIT\0bKGD\0hIST\0pHYs\0oFFs\0pCAL\0sCAL\0"
        "tIME";
    png_set_keep_unknown_chunks(s.png, PNG_HANDLE_CHUNK_NEVER, kIgnored, sizeof kIgnored / 5);
    if (ends_before_pixels(bytes)) png_error(s.png, "the file ends early");
    png_read_info(s.png, s.info);
    // Each row has a byte for its filter before its samples.
    const auto row = static_cast<std::int64_t>(png_get_rowbytes(s.png, s.info)) + 1;
    const auto rows = limits::kDeflateRatio * static_cast<std::int64_t>(bytes.size()) / row + 1;
    detail::require_plausible(width(), height(), width() * rows, place_);
    s.passes = png_get_interlace_type(s.png, s.info) == PNG_INTERLACE_NONE
                   ? 1
                   : png_set_interlace_handling(s.png);
    const auto kind = png_get_color_type(s.png, s.info);
    png_set_strip_16(s.png);
    if (kind == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(s.png);
    if ((kind & PNG_COLOR_MASK_COLOR) == 0) {
      png_set_expand_gray_1_2_4_to_8(s.png);
      png_set_gray_to_rgb(s.png);
    }
    png_set_strip_alpha(s.png);
    png_read_update_info(s.png, s.info);
    if (png_get_rowbytes(s.png, s.info) != 3 * std::size_t{png_get_image_width(s.png, s.info)})
      png_error(s.png, "rows are not RGB");
  }

  [[nodiscard]] int width() const {
    return static_cast<int>(png_get_image_width(state_->png, state_->info));
  }
  [[nodiscard]] int height() const {
    return static_cast<int>(png_get_image_height(state_->png, state_->info));
  }
  /// EXIF's: 1 upright, 2 to 8 mirrored or turned.
  [[nodiscard]] int orientation() const {
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(state_->png, state_->info, &size, &exif) == 0) return 1;
    return detail::exif_orientation({reinterpret_cast<const char*>(exif), size});
  }

  /// Decodes the next row. An interlaced file is decoded whole by the first call.
  /// @param rgb  [3·width] out; at most `height()` calls.
  /// @throws DamagedImage  if the data ends early or does not decode.
  void read_row(std::uint8_t* rgb) {
    auto& s = *state_;
    if (s.passes == 1) {
      if (setjmp(s.jump)) refuse();
      png_read_row(s.png, rgb, nullptr);
      return;
    }
    const auto stride = 3 * static_cast<std::size_t>(width());
    if (whole_.empty()) {
      whole_.resize(stride * static_cast<std::size_t>(height()));
      read_passes();
    }
    std::copy_n(whole_.data() + stride * next_++, stride, rgb);
  }

 private:
  struct State {
    png_structp png = nullptr;
    png_infop info = nullptr;
    std::jmp_buf jump{};
    std::array<char, 128> message{};
    std::string_view rest;
    int passes = 1;
    ~State() { png_destroy_read_struct(&png, &info, nullptr); }
  };

  // libpng ends on an error by calling this, which must not return: it jumps back into the method
  // that called libpng, and that method raises the Error. No C++ object lives in between.
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* s = static_cast<State*>(png_get_error_ptr(png));
    std::snprintf(s->message.data(), s->message.size(), "%s", message);
    std::longjmp(s->jump, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep out, std::size_t size) {
    auto* s = static_cast<State*>(png_get_io_ptr(png));
    if (size > s->rest.size()) png_error(png, "the file ends early");
    std::memcpy(out, s->rest.data(), size);
    s->rest.remove_prefix(size);
  }

  /// Whether a part before the pixels says that it is longer than the rest of the file: libpng asks
  /// for EXIF's memory by what its length says, up to 2 GB, before it reads.
  static bool ends_before_pixels(std::string_view bytes) {
    constexpr std::size_t kSignature = 8, kHead = 8, kChecksum = 4;
    for (std::size_t at = kSignature; at + kHead <= bytes.size();) {
      if (bytes.substr(at + 4, 4) == "IDAT") return false;
      std::size_t length = 0;
      for (std::size_t i = 0; i < 4; ++i)
        length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
      at += kHead + length + kChecksum;
      if (at > bytes.size()) return true;
    }
    return false;
  }

  void read_passes() {
    auto& s = *state_;
    if (setjmp(s.jump)) refuse();
    const auto stride = 3 * std::size_t{png_get_image_width(s.png, s.info)};
    const auto rows = png_get_image_height(s.png, s.info);
    for (int pass = 0; pass < s.passes; ++pass)
      for (png_uint_32 y = 0; y < rows; ++y)
        png_read_row(s.png, whole_.data() + stride * y, nullptr);
  }

  [[noreturn]] void refuse() const {
    fail<DamagedImage>(place_, "should be a whole PNG image, got \"{}\"", state_->message.data());
  }

  std::unique_ptr<State> state_;  // libpng keeps pointers into it, so it must not move
  std::string place_;
  std::vector<std::uint8_t> whole_;
  std::size_t next_ = 0;
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
