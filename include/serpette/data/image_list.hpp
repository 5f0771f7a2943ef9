#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/image.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

namespace detail {

/// The number a file is named by, as COCO's are: 000000000139.jpg → 139.
inline std::optional<std::int64_t> number_of(const std::filesystem::path& path) {
  const auto stem = path.stem().string();
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
  if (code != std::errc{} || end != stem.data() + stem.size() || number < 0) return {};
  return number;
}

}  // namespace detail

/// Pictures without annotations as a data set's images: one file, or the pictures of a folder
/// (`has_image_suffix`) in the order of their names. Ids are the numbers they are named by if all
/// are and no two are the same, as in COCO; else 1, 2, 3, …. A picture whose header is damaged has
/// size 0 × 0.
/// @return        no categories, no annotations; file names relative to `path` or, for a file, to
/// its folder.
/// @throws Error  if there is no such file or folder, no picture in it, or one that cannot be
/// opened or read.
inline Instances list_images(const std::filesystem::path& path) {
  require(std::filesystem::exists(path), path.string(),
          "should be an image or a folder of images, got nothing of that name");
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.is_regular_file() && has_image_suffix(entry.path())) files.push_back(entry.path());
    std::ranges::sort(files);
    require(!files.empty(), path.string(),
            "should hold pictures (.jpg, .jpeg, .jfif, .png, .webp, .bmp), got none");
  } else {
    files.push_back(path);
  }
  std::unordered_set<std::int64_t> numbers;
  const bool numbered = std::ranges::all_of(files, [&](const auto& file) {
    const auto number = detail::number_of(file);
    return number && numbers.insert(*number).second;
  });
  Instances found;
  for (const auto& file : files) {
    ImageSize size;
    try {
      size = image_size(read_file(file), file.string());
    } catch (const DamagedImage&) {
      // Whoever reads the picture reports it.
    }
    const auto id = numbered ? *detail::number_of(file) : std::ssize(found.images) + 1;
    found.images.push_back({id, file.filename().string(), size.width, size.height});
  }
  return found;
}

}  // namespace serpette
