#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <range/v3/algorithm/unique.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/io/image.hpp"

namespace serpette {

/// What there is to know of a data set before anything is trained on it.
struct DataStatistics {
  struct Class {
    std::string name;
    std::int64_t boxes = 0, images = 0;
  };
  std::int64_t images = 0, boxes = 0;
  std::int64_t empty_images = 0;  ///< Without a box.
  std::int64_t crowds = 0, without_area = 0;
  std::int64_t outside = 0;             ///< Boxes that leave their picture by more than a pixel.
  std::int64_t repeated = 0;            ///< Boxes that stand in their picture twice.
  std::array<std::int64_t, 3> sizes{};  ///< Small, medium, large by COCO's areas.
  std::vector<double> sides;            ///< √(area of box ÷ area of picture) of each, ascending.
  std::vector<std::int64_t> per_image;  ///< Boxes of each picture, ascending.
  std::vector<Class> classes;

  // Known only after the files were read:
  std::vector<std::string> missing, damaged, of_other_size;
};

inline DataStatistics data_statistics(const Instances& instances) {
  DataStatistics s;
  s.images = std::ssize(instances.images);
  s.boxes = std::ssize(instances.annotations);
  for (const auto& category : instances.categories) s.classes.push_back({category.name});
  std::unordered_map<std::int64_t, std::vector<const CocoAnnotation*>> of_image;
  for (const auto& a : instances.annotations) of_image[a.image_id].push_back(&a);
  for (const auto& image : instances.images) {
    const auto& mine = of_image[image.id];
    s.per_image.push_back(std::ssize(mine));
    s.empty_images += mine.empty();
    std::unordered_set<int> seen;
    std::vector<std::tuple<int, double, double, double, double>> boxes;
    for (const auto* const annotation : mine) {
      const auto& a = *annotation;
      auto& own = s.classes.at(static_cast<std::size_t>(a.category));
      ++own.boxes;
      own.images += seen.insert(a.category).second;
      s.crowds += a.is_crowd;
      const double area = a.box.area();
      s.without_area += area <= 0;
      ++s.sizes[area < 32 * 32 ? 0 : area < 96 * 96 ? 1 : 2];
      constexpr double kSlack = 1;
      s.outside += a.box.x < -kSlack || a.box.y < -kSlack ||
                   a.box.x + a.box.width > image.width + kSlack ||
                   a.box.y + a.box.height > image.height + kSlack;
      boxes.emplace_back(a.category, a.box.x, a.box.y, a.box.width, a.box.height);
      if (image.width > 0 && image.height > 0)
        s.sides.push_back(std::sqrt(area / (double(image.width) * image.height)));
    }
    std::ranges::sort(boxes);
    s.repeated += boxes.end() - ranges::unique(boxes);
  }
  std::ranges::sort(s.sides);
  std::ranges::sort(s.per_image);
  return s;
}

/// What a picture's file is known by: its length and a hash of its bytes.
using FileMark = std::pair<std::size_t, std::size_t>;

/// Decodes every picture and notes which are missing, damaged or of another size than annotated.
/// @return        a mark of each file that is there, with its name, to find equal ones by.
/// @throws Error  if a file that is there cannot be read.
inline std::vector<std::pair<FileMark, std::string>> check_files(
    const Instances& instances, const std::filesystem::path& images, DataStatistics& s) {
  std::vector<std::pair<FileMark, std::string>> marks;
  for (const auto& image : instances.images) {
    const auto file = images / image.file_name;
    std::error_code code;
    if (!std::filesystem::exists(file, code)) {
      s.missing.push_back(image.file_name);
      continue;
    }
    const auto bytes = read_file(file);
    marks.emplace_back(FileMark{bytes.size(), std::hash<std::string_view>()(bytes)},
                       image.file_name);
    try {
      const ImageSize annotated{image.width, image.height};
      const Image read = decode_image(bytes, file.string(), annotated);
      if (annotated != ImageSize{} && annotated != ImageSize{read.width, read.height})
        s.of_other_size.push_back(image.file_name);
    } catch (const DamagedImage&) {
      s.damaged.push_back(image.file_name);
    }
  }
  return marks;
}

}  // namespace serpette
