#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/bmp.hpp"
#include "serpette/io/image_format.hpp"
#include "serpette/io/image_suffix.hpp"
#include "serpette/io/jpeg.hpp"
#include "serpette/io/png.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/io/webp.hpp"

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

namespace detail {

inline bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xff\xd8\xff"); }
inline bool is_png(std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); }
inline bool is_webp(std::string_view bytes) {
  return bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP";
}
inline bool is_bmp(std::string_view bytes) { return bytes.starts_with("BM"); }

/// Calls `visit` with the reader of the format that `bytes` are in, its header read and its size
/// checked.
template <class Visit>
auto with_reader(std::string_view bytes, std::string_view place, Visit&& visit) {
  const auto call = [&](auto reader) { return visit(reader); };
  if (is_jpeg(bytes)) return call(JpegReader(bytes, place));
  if (is_png(bytes)) return call(PngReader(bytes, place));
  if (is_webp(bytes)) return call(WebpReader(bytes, place));
  if (is_bmp(bytes)) return call(BmpReader(bytes, place));
  fail<DamagedImage>(place, "should be a JPEG, PNG, WebP or BMP image, got {}",
                     bytes.empty() ? "an empty file" : "another kind of file");
}

/// Whether EXIF's orientation exchanges width and height.
inline bool is_quarter_turn(int orientation) { return orientation >= 5; }

/// A stored picture as its EXIF orientation wants it to be seen.
inline Image upright(const Image& stored, int orientation) {
  const int last_x = stored.width - 1, last_y = stored.height - 1;
  Image seen = is_quarter_turn(orientation) ? Image(stored.height, stored.width)
                                            : Image(stored.width, stored.height);
  for (int y = 0; y < seen.height; ++y)
    for (int x = 0; x < seen.width; ++x) {
      const std::uint8_t* from = nullptr;
      switch (orientation) {
        case 2:
          from = stored.at(last_x - x, y);
          break;
        case 3:
          from = stored.at(last_x - x, last_y - y);
          break;
        case 4:
          from = stored.at(x, last_y - y);
          break;
        case 5:
          from = stored.at(y, x);
          break;
        case 6:
          from = stored.at(y, last_y - x);
          break;
        case 7:
          from = stored.at(last_x - y, last_y - x);
          break;
        case 8:
          from = stored.at(last_x - y, x);
          break;
        default:
          from = stored.at(x, y);
      }
      std::copy_n(from, 3, seen.at(x, y));
    }
  return seen;
}

}  // namespace detail

/// Calls `start(width, height)` once and then `row(rgb)` for each row from the top; rows of an
/// upright picture come while the file is being decoded, so that whoever needs no whole picture
/// never holds one. The pointer is good until the next row.
///
/// The picture is given as every viewer shows it: turned and mirrored as its EXIF orientation says.
/// @param place      how errors call the picture.
/// @param annotated  the size its boxes refer to, if known: where a quarter turn would leave it and
/// the stored pixels have it, the boxes were drawn on those, and they are given.
/// @throws DamagedImage  naming the place and the library's reason if this is not a whole picture
/// of a format that is read.
template <class Start, class Row>
void stream_image(std::string_view bytes, std::string_view place, Start&& start, Row&& row,
                  ImageSize annotated = {}) {
  detail::with_reader(bytes, place, [&](auto& reader) {
    const ImageSize stored{reader.width(), reader.height()};
    auto orientation = reader.orientation();
    if (detail::is_quarter_turn(orientation) && annotated == stored &&
        stored.width != stored.height)
      orientation = 1;
    std::vector<std::uint8_t> rgb(3 * static_cast<std::size_t>(stored.width));
    if (orientation == 1) {
      start(stored.width, stored.height);
      for (int y = 0; y < stored.height; ++y) {
        reader.read_row(rgb.data());
        row(static_cast<const std::uint8_t*>(rgb.data()));
      }
      return;
    }
    Image whole(stored.width, stored.height);
    for (int y = 0; y < stored.height; ++y) reader.read_row(whole.at(0, y));
    whole = detail::upright(whole, orientation);
    start(whole.width, whole.height);
    for (int y = 0; y < whole.height; ++y) row(static_cast<const std::uint8_t*>(whole.at(0, y)));
  });
}

/// Decodes a JPEG, PNG, WebP or BMP file in memory; transparency is ignored.
/// @throws DamagedImage  as stream_image.
inline Image decode_image(std::string_view bytes, std::string_view place,
                          ImageSize annotated = {}) {
  Image image;
  std::uint8_t* next = nullptr;
  stream_image(
      bytes, place,
      [&](int width, int height) {
        image = Image(width, height);
        next = image.rgb.data();
      },
      [&](const std::uint8_t* row) { next = std::copy_n(row, 3 * std::size_t(image.width), next); },
      annotated);
  return image;
}

/// Width and height as stream_image gives them, from the header alone.
/// @throws DamagedImage  if it is not the header of a picture of a format that is read.
inline ImageSize image_size(std::string_view bytes, std::string_view place) {
  return detail::with_reader(bytes, place, [](auto& reader) {
    return detail::is_quarter_turn(reader.orientation())
               ? ImageSize{reader.height(), reader.width()}
               : ImageSize{reader.width(), reader.height()};
  });
}

/// How EXIF says that the stored pixels are to be seen: 1 as they are, 2 to 8 mirrored or turned.
/// @throws DamagedImage  as image_size.
inline int image_orientation(std::string_view bytes, std::string_view place) {
  return detail::with_reader(bytes, place, [](auto& reader) { return reader.orientation(); });
}

/// Reads a picture, whatever its name ends in.
/// @throws Error  naming the file if it cannot be opened or read; DamagedImage, which is one, if it
/// is cut off or of another kind.
inline Image read_image(const std::filesystem::path& path, ImageSize annotated = {}) {
  return decode_image(read_file(path), path.string(), annotated);
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
