#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace serpette {

namespace detail {
inline bool has_suffix(const std::filesystem::path& path, std::span<const std::string_view> known) {
  auto suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(known, suffix) != known.end();
}
}  // namespace detail

/// Whether a file's name ends like that of a picture that is read, in small letters or large.
inline bool has_image_suffix(const std::filesystem::path& path) {
  static constexpr std::string_view kRead[] = {".jpg", ".jpeg", ".jfif", ".jpe",
                                               ".png", ".webp", ".bmp"};
  return detail::has_suffix(path, kRead);
}

/// Whether it ends like that of a picture of a kind that is not read, as phones and scanners write.
inline bool has_other_image_suffix(const std::filesystem::path& path) {
  static constexpr std::string_view kOther[] = {".heic", ".heif", ".avif", ".gif", ".tif",
                                                ".tiff", ".jp2",  ".jxl",  ".dng", ".raw",
                                                ".ppm",  ".pgm",  ".pnm"};
  return detail::has_suffix(path, kOther);
}

}  // namespace serpette
