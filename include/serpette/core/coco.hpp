#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "serpette/core/box.hpp"

namespace serpette {

struct CocoImage {
  std::int64_t id = 0;
  std::string file_name;
  int width = 0, height = 0;  ///< [pixels]
};

struct CocoAnnotation {
  std::int64_t id = 0, image_id = 0;
  int category = 0;  ///< Index into `Instances::categories`.
  Box box;           ///< Pixels of the image.
  double area =
      0;  ///< Of the object's outline, as COCO gives it [pixels²]; decides small, medium, large.
  bool is_crowd = false;
};

struct CocoCategory {
  std::int64_t id =
      0;  ///< The data set's own id (COCO's 80 categories run from 1 to 90 with gaps).
  std::string name;
};

/// A data set's ground truth in COCO's terms.
struct Instances {
  std::vector<CocoImage> images{};
  std::vector<CocoAnnotation> annotations{};
  std::vector<CocoCategory>
      categories{};  ///< As read ascending by id; the position is the network's class index.
  std::string source = "annotations";  ///< What errors call it: the file it was read from.
  bool has_image_ids = true;           ///< False where the reader counted the pictures (VOC, YOLO).
  bool has_class_order = true;         ///< False where classes have no numbers (VOC): alphabetical.
};

/// How many boxes each category has, crowds among them: [categories].
inline std::vector<std::size_t> boxes_of_categories(const Instances& instances) {
  std::vector<std::size_t> boxes(instances.categories.size());
  for (const auto& a : instances.annotations) ++boxes.at(static_cast<std::size_t>(a.category));
  return boxes;
}

}  // namespace serpette
