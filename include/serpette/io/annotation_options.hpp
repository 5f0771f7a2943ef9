#pragma once

#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/few_of.hpp"
#include "serpette/io/json_string.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

/// What annotations do not say themselves.
struct AnnotationOptions {
  std::filesystem::path images{};    ///< Folder of the pictures; none: where the format has it.
  std::vector<std::string> names{};  ///< Classes in their order; none: those of the format.
  /// YOLO's labels of a picture that is not there mean no pixels: it is listed without size and
  /// boxes, for a caller that reports it when it looks for the files; else it is an error.
  bool missing_pictures = false;
};

namespace detail {

inline void require_categories(const Instances& found) {
  require(found.categories.size() <= limits::kCategories, found.source,
          "should have at most {} categories, got {}", limits::kCategories,
          found.categories.size());
}

/// Refuses a folder of annotations that holds some of another data set, which would be read as
/// these are.
/// @param files   those of the kind that are there, paths relative to the folder.
/// @param own     those that are to be written.
inline void require_no_others(const std::filesystem::path& folder,
                              const std::vector<std::filesystem::path>& files,
                              const std::unordered_set<std::string>& own) {
  std::vector<std::string> others;
  for (const auto& file : files)
    if (!own.contains(file.string())) others.push_back(file.string());
  require(others.empty(), folder.string(),
          "should hold annotations of this data set alone, got {} of another ({}): remove them, or "
          "take another folder",
          others.size(), few_of(others));
}

/// Names of the pictures without suffix, each of its own, for formats of one text a picture.
/// @param folders  whether folders in a name tell pictures apart.
/// @throws Error   if two are the same, one is outside its folder or has a line break, which lists
/// of pictures would read as two, or a picture has no size.
inline std::vector<std::string> label_stems(const Instances& instances, bool folders) {
  std::vector<std::string> stems;
  std::unordered_set<std::string> seen;
  for (const auto& image : instances.images) {
    auto name = std::filesystem::path(image.file_name).lexically_normal();
    if (!folders) name = name.filename();
    require(!name.empty() && name.is_relative() && *name.begin() != "..", instances.source,
            "image {} should have a name within its folder, got \"{}\"", image.id, image.file_name);
    if (image.file_name.find_first_of("\n\r") != std::string::npos)
      fail(instances.source, "image {} should have a name of one line, got {}", image.id,
           json_string(image.file_name));
    require(image.width > 0 && image.height > 0, instances.source,
            "image {} should have a width and a height, got {} x {}", image.file_name, image.width,
            image.height);
    stems.push_back(name.replace_extension().string());
    require(seen.insert(stems.back()).second, instances.source,
            "images should differ in their names without suffix, got {} twice", stems.back());
  }
  return stems;
}

}  // namespace detail
}  // namespace serpette
