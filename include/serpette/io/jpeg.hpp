#pragma once

#include <cstddef>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/image_format.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

namespace detail {

/// libjpeg ends on an error by calling `error_exit`, which must not return: it jumps back into the
/// method that called libjpeg, and that method raises the Error. No C++ object lives in the frames
/// that are jumped over.
struct JpegErrors {
  jpeg_error_mgr manager{};
  std::jmp_buf jump{};
  std::array<char, JMSG_LENGTH_MAX> message{};
  bool damaged =
      false;  ///< The compressed data ends early or does not decode; libjpeg would go on with grey.

  JpegErrors() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr info) {
      auto* self = reinterpret_cast<JpegErrors*>(info->err);
      self->manager.format_message(info, self->message.data());
      std::longjmp(self->jump, 1);
    };
    manager.emit_message = [](j_common_ptr info, int level) {
      if (level >= 0) return;
      auto* self = reinterpret_cast<JpegErrors*>(info->err);
      const int code = self->manager.msg_code;
      if (self->damaged ||
          (code != JWRN_JPEG_EOF && code != JWRN_HIT_MARKER && code != JWRN_HUFF_BAD_CODE))
        return;
      self->damaged = true;
      self->manager.format_message(info, self->message.data());
    };
  }
};

}  // namespace detail

/// Decodes a JPEG as stored, top to bottom, a row at a time, to 8-bit RGB; greyscale and CMYK files
/// too. Full-size decoding with libjpeg's accurate transform: its scaled transforms average where
/// bilinear sampling picks, so a scaled decode would change the network's input.
class JpegReader {
 public:
  /// Reads the header.
  /// @param bytes  the file; must outlive the reader.
  /// @param place  how errors call the file.
  /// @throws DamagedImage  with libjpeg's reason if this is no JPEG that it can read, or the header
  /// promises more than the file can hold.
  JpegReader(std::string_view bytes, std::string_view place) : state_(new State), place_(place) {
    auto& s = *state_;
    s.info.err = &s.errors.manager;
    if (setjmp(s.errors.jump)) refuse();
    jpeg_create_decompress(&s.info);
    jpeg_mem_src(&s.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&s.info, JPEG_APP0 + 1, 0xFFFF);  // EXIF
    jpeg_read_header(&s.info, TRUE);
    const auto stored = s.info.jpeg_color_space;
    s.info.out_color_space = stored == JCS_CMYK || stored == JCS_YCCK ? JCS_CMYK : JCS_RGB;
    s.progress.progress_monitor = [](j_common_ptr info) {
      auto* self = reinterpret_cast<detail::JpegErrors*>(info->err);
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= limits::kJpegScans) return;
      std::snprintf(self->message.data(), self->message.size(), "more than %d scans",
                    limits::kJpegScans);
      std::longjmp(self->jump, 1);
    };
    s.info.progress = &s.progress;
    detail::require_plausible(width(), height(),
                              limits::kJpegPixelsPerByte * static_cast<std::int64_t>(bytes.size()),
                              place_);
  }

  [[nodiscard]] int width() const { return static_cast<int>(state_->info.image_width); }
  [[nodiscard]] int height() const { return static_cast<int>(state_->info.image_height); }
  /// EXIF's: 1 upright, 2 to 8 mirrored or turned.
  [[nodiscard]] int orientation() const {
    for (const auto* marker = state_->info.marker_list; marker != nullptr; marker = marker->next) {
      std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (!data.starts_with(std::string_view("Exif\0\0", 6))) continue;
      return detail::exif_orientation(data.substr(6));
    }
    return 1;
  }

  /// Decodes the next row; the first call starts decompression.
  /// @param rgb  [3·width] out; at most `height()` calls.
  /// @throws DamagedImage  if the data ends early or does not decode.
  void read_row(std::uint8_t* rgb) {
    auto& s = *state_;
    if (setjmp(s.errors.jump)) refuse();
    if (!started_) {
      started_ = true;
      jpeg_start_decompress(&s.info);
      if (s.info.out_color_space == JCS_CMYK) cmyk_.resize(4 * std::size_t{s.info.image_width});
    }
    JSAMPROW row = cmyk_.empty() ? rgb : cmyk_.data();
    jpeg_read_scanlines(&s.info, &row, 1);
    if (s.errors.damaged) refuse();
    if (!cmyk_.empty()) to_rgb(rgb);
  }

 private:
  struct State {
    jpeg_decompress_struct info{};
    detail::JpegErrors errors;
    jpeg_progress_mgr progress{};
    ~State() { jpeg_destroy_decompress(&info); }
  };

  [[noreturn]] void refuse() const {
    fail<DamagedImage>(place_, "should be a whole JPEG image, got \"{}\"",
                       state_->errors.message.data());
  }

  // Ink 255 is none in Adobe's files (which is nearly all of them), and full elsewhere.
  void to_rgb(std::uint8_t* rgb) const {
    const int flip = state_->info.saw_Adobe_marker ? 0 : 255;
    for (std::size_t i = 0; 4 * i < cmyk_.size(); ++i) {
      const int k = cmyk_[4 * i + 3] ^ flip;
      for (std::size_t c = 0; c < 3; ++c)
        rgb[3 * i + c] = static_cast<std::uint8_t>(((cmyk_[4 * i + c] ^ flip) * k + 127) / 255);
    }
  }

  std::unique_ptr<State> state_;  // libjpeg keeps pointers into it, so it must not move
  std::string place_;
  std::vector<std::uint8_t> cmyk_;
  bool started_ = false;
};

/// A JPEG file of 8-bit RGB pixels, 4:2:0, in memory.
/// @param rgb      [height · width · 3], rows from the top.
/// @param quality  1 to 100.
/// @throws Error   if the size is not in [1, 65500] or memory runs out.
inline std::string encode_jpeg(std::span<const std::uint8_t> rgb, int width, int height,
                               int quality) {
  struct State {
    jpeg_compress_struct info{};
    detail::JpegErrors errors;
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    ~State() {
      jpeg_destroy_compress(&info);
      std::free(bytes);
    }
  };
  require(rgb.size() == 3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height),
          "JPEG image", "should have {} x {} x 3 bytes, got {}", width, height, rgb.size());
  const auto state = std::make_unique<State>();
  auto& s = *state;
  s.info.err = &s.errors.manager;
  if (setjmp(s.errors.jump))
    fail("JPEG image", "should be writable, got \"{}\"", s.errors.message.data());
  jpeg_create_compress(&s.info);
  jpeg_mem_dest(&s.info, &s.bytes, &s.size);
  s.info.image_width = static_cast<JDIMENSION>(width);
  s.info.image_height = static_cast<JDIMENSION>(height);
  s.info.input_components = 3;
  s.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&s.info);
  jpeg_set_quality(&s.info, quality, TRUE);
  jpeg_start_compress(&s.info, TRUE);
  while (s.info.next_scanline < s.info.image_height) {
    auto* row = const_cast<JSAMPROW>(rgb.data() +
                                     std::size_t{3} * s.info.image_width * s.info.next_scanline);
    jpeg_write_scanlines(&s.info, &row, 1);
  }
  jpeg_finish_compress(&s.info);
  return {reinterpret_cast<const char*>(s.bytes), s.size};
}

}  // namespace serpette
