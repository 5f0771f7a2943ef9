#pragma once

#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

/// What annotations do not say themselves.
struct AnnotationOptions {
  std::filesystem::path images{};    ///< Folder of the pictures; none: where the format has it.
  std::vector<std::string> names{};  ///< Classes in their order; none: those of the format.
};

namespace detail {

inline void require_categories(const Instances& found) {
  require(found.categories.size() <= limits::kCategories, found.source,
          "should have at most {} categories, got {}", limits::kCategories,
          found.categories.size());
}

/// Names of the pictures without suffix, each of its own, for formats of one text a picture.
/// @param folders  whether folders in a name tell pictures apart.
/// @throws Error   if two are the same, one is outside its folder, or a picture has no size.
inline std::vector<std::string> label_stems(const Instances& instances, bool folders) {
  std::vector<std::string> stems;
  std::unordered_set<std::string> seen;
  for (const auto& image : instances.images) {
    auto name = std::filesystem::path(image.file_name).lexically_normal();
    if (!folders) name = name.filename();
    require(!name.empty() && name.is_relative() && *name.begin() != "..", instances.source,
            "image {} should have a name within its folder, got \"{}\"", image.id, image.file_name);
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
