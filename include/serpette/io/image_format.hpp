#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/io/limits.hpp"

/// @file
/// What the decoders of pictures share.

namespace serpette {

/// A picture whose content is damaged, or of a kind that is not read: it will be the next time as
/// well. A file that cannot be opened or read is an Error of another kind.
struct DamagedImage : Error {
  using Error::Error;
};

struct ImageSize {
  int width = 0, height = 0;  ///< [pixels]
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

namespace detail {

/// Refuses a header that promises more than its file can hold, before memory is asked for.
/// @param most  pixels that the file's bytes can hold in its format.
inline void require_plausible(std::int64_t width, std::int64_t height, std::int64_t most,
                              std::string_view place) {
  require<DamagedImage>(width > 0 && height > 0 && width <= limits::kImagePixels / height, place,
                        "should have from 1 to 2^28 pixels, got {} x {}", width, height);
  require<DamagedImage>(
      width * height <= most, place,
      "should be a whole image, got a header of {} x {} pixels before data for at "
      "most {}",
      width, height, most);
}

/// The orientation of EXIF data (a TIFF file): 1 upright, 2 to 8 mirrored or turned; 1 if it says
/// none. Source: EXIF 2.32, 4.6.4.
inline int exif_orientation(std::string_view tiff) {
  const bool little = tiff.starts_with(std::string_view("II*\0", 4));
  if (!little && !tiff.starts_with(std::string_view("MM\0*", 4))) return 1;
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(tiff[at + (little ? size - 1 - i : i)]);
      value = value << 8 | byte;
    }
    return value;
  };
  constexpr std::size_t kEntry = 12;
  if (tiff.size() < 8) return 1;
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() || tiff.size() - directory < 2) return 1;
  const std::size_t count = number(directory, 2);
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = directory + 2 + kEntry * i;
    if (entry + kEntry > tiff.size()) return 1;
    constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
    if (number(entry, 2) != kOrientation || number(entry + 2, 2) != kShort) continue;
    const auto value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace detail
}  // namespace serpette
