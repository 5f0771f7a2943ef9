#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/few_of.hpp"
#include "serpette/io/image_files.hpp"

namespace serpette {

/// Names the pictures of a folder that are of kinds that are not read, a few of them.
/// @param none  what is said where there are none, and of a single file.
/// @throws Error  if the folder cannot be read.
inline std::string unread_pictures_text(const std::filesystem::path& path,
                                        std::string_view none = {}) {
  if (!std::filesystem::is_directory(path)) return std::string(none);
  const auto files = files_of(path, has_other_image_suffix);
  if (files.empty()) return std::string(none);
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.filename().string());
  return fmt::format("{} pictures of kinds that are not read ({}): convert them to JPEG or PNG",
                     names.size(), few_of(names));
}

/// What names of pictures are relative to: a folder itself, or that of a single picture.
inline std::filesystem::path folder_of(const std::filesystem::path& pictures) {
  if (std::filesystem::is_directory(pictures)) return pictures;
  return pictures.has_parent_path() ? pictures.parent_path() : ".";
}

/// Pictures without annotations as a data set's images: one file, or the pictures of a folder
/// (`has_image_suffix`) in the order of their names, with the ids of `image_ids`. A picture whose
/// header is damaged has size 0 × 0.
/// @return        no categories, no annotations; file names relative to `path` or, for a file, to
/// its folder.
/// @throws Error  if there is no such file or folder, no picture in it, or one that cannot be
/// opened or read.
inline Instances list_images(const std::filesystem::path& path) {
  require(std::filesystem::exists(path), path.string(),
          "should be an image or a folder of images, got nothing of that name");
  std::vector<std::filesystem::path> files{path};
  if (std::filesystem::is_directory(path)) {
    files = files_of(path, has_image_suffix);
    require(!files.empty(), path.string(),
            "should hold pictures (.jpg, .jpeg, .jfif, .png, .webp, .bmp), got {}",
            unread_pictures_text(path, "none"));
  }
  const auto ids = image_ids(files);
  Instances found{.has_image_ids = false};
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto size = size_of_file(files[i]);
    found.images.push_back({ids[i], files[i].filename().string(), size.width, size.height});
  }
  return found;
}

}  // namespace serpette
