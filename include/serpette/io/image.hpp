#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/jpeg.hpp"
#include "serpette/io/png.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// An 8-bit RGB picture.
struct Image {
  int width = 0, height = 0;      ///< [pixels]
  std::vector<std::uint8_t> rgb;  ///< [height · width · 3], rows from the top.

  Image() = default;
  Image(int width, int height, std::uint8_t grey = 0)
      : width(width), height(height), rgb(3 * std::size_t(width) * std::size_t(height), grey) {}

  [[nodiscard]] std::uint8_t* at(int x, int y) {
    return rgb.data() + 3 * (std::ptrdiff_t{width} * y + x);
  }
  [[nodiscard]] const std::uint8_t* at(int x, int y) const {
    return const_cast<Image*>(this)->at(x, y);
  }

  friend bool operator==(const Image&, const Image&) = default;
};

struct ImageSize {
  int width = 0, height = 0;  ///< [pixels]
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

namespace detail {

/// Larger pictures are taken for damaged headers.
inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;

inline bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xff\xd8\xff"); }
inline bool is_png(std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); }

/// Calls `visit` with the JpegReader or PngReader that reads `bytes`, its header read and its size
/// checked.
template <class Visit>
auto with_reader(std::string_view bytes, std::string_view place, Visit&& visit) {
  const auto checked = [&](auto reader) {
    require(std::int64_t{reader.width()} * reader.height() <= kMostPixels, place,
            "should have at most 2^28 pixels, got {} x {}", reader.width(), reader.height());
    return visit(reader);
  };
  require(!bytes.empty(), place, "should be a JPEG or PNG image, got an empty file");
  if (is_jpeg(bytes)) return checked(JpegReader(bytes, place));
  if (is_png(bytes)) return checked(PngReader(bytes, place));
  fail(place, "should be a JPEG or PNG image, got another kind of file");
}

}  // namespace detail

/// Calls `start(width, height)` once and then `row(rgb)` for each row from the top; JPEG rows come
/// while the file is being decoded, so that whoever needs no whole picture never holds one. The
/// pointer is good until the next row.
/// @param place  how errors call the picture.
/// @throws Error  naming the place and the library's reason if this is not a whole JPEG or PNG.
template <class Start, class Row>
void stream_image(std::string_view bytes, std::string_view place, Start&& start, Row&& row) {
  detail::with_reader(bytes, place, [&](auto& reader) {
    start(reader.width(), reader.height());
    const auto stride = 3 * static_cast<std::size_t>(reader.width());
    if constexpr (requires(std::uint8_t* out) { reader.read_row(out); }) {
      std::vector<std::uint8_t> rgb(stride);
      for (int y = 0; y < reader.height(); ++y) {
        reader.read_row(rgb.data());
        row(static_cast<const std::uint8_t*>(rgb.data()));
      }
    } else {
      std::vector<std::uint8_t> rgb(stride * static_cast<std::size_t>(reader.height()));
      reader.read(rgb.data());
      const std::uint8_t* next = rgb.data();
      for (int y = 0; y < reader.height(); ++y, next += stride) row(next);
    }
  });
}

/// Decodes a JPEG or PNG file in memory; EXIF orientation and transparency are ignored.
/// @throws Error  as stream_image.
inline Image decode_image(std::string_view bytes, std::string_view place) {
  Image image;
  std::uint8_t* next = nullptr;
  stream_image(
      bytes, place,
      [&](int width, int height) {
        image = Image(width, height);
        next = image.rgb.data();
      },
      [&](const std::uint8_t* row) {
        next = std::copy_n(row, 3 * std::size_t(image.width), next);
      });
  return image;
}

/// Width and height from the header alone.
/// @throws Error  if it is not the header of a JPEG or PNG file.
inline ImageSize image_size(std::string_view bytes, std::string_view place) {
  return detail::with_reader(
      bytes, place, [](auto& reader) { return ImageSize{reader.width(), reader.height()}; });
}

/// Reads a JPEG or PNG file, whatever its name ends in.
/// @throws Error  naming the file if it cannot be opened, is cut off or is another kind of file.
inline Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path), path.string());
}

/// @param flush   as in write_file.
/// @throws Error  naming the file if it cannot be written; an old file stays as it was.
inline void write_png(const std::filesystem::path& path, const Image& image, bool flush = true) {
  write_file(path, std::string_view(encode_png(image.rgb, image.width, image.height)), flush);
}

/// @param quality  1 to 100.
/// @throws Error   naming the file if it cannot be written; an old file stays as it was.
inline void write_jpeg(const std::filesystem::path& path, const Image& image, int quality = 92,
                       bool flush = true) {
  write_file(path, std::string_view(encode_jpeg(image.rgb, image.width, image.height, quality)),
             flush);
}

}  // namespace serpette
