#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/json_cursor.hpp"

namespace serpette {

/// `Detection::category` of a detection whose category the annotations do not list; evaluation
/// passes over it.
inline constexpr int kUnknownCategory = -1;

namespace detail {

/// Translates a file's ids, and checks what both formats share.
class DetectionIds {
 public:
  explicit DetectionIds(const Instances& instances) {
    for (const auto& image : instances.images) images_.insert(image.id);
    for (const auto& category : instances.categories)
      categories_.emplace(category.id, static_cast<int>(categories_.size()));
  }

  template <class Place>
  void image(std::int64_t id, const Place& place) const {
    if (!images_.contains(id))
      fail(place(), "image_id should be one of the {} annotated images, got {}", images_.size(),
           id);
  }
  [[nodiscard]] int category(std::int64_t id) const {
    const auto found = categories_.find(id);
    return found == categories_.end() ? kUnknownCategory : found->second;
  }

 private:
  std::unordered_set<std::int64_t> images_;
  std::unordered_map<std::int64_t, int> categories_;
};

inline std::vector<Detection> read_detections_json(const std::filesystem::path& path,
                                                   const DetectionIds& ids) {
  JsonCursor json(path);
  using Value = JsonCursor::Value;
  std::vector<Detection> found;
  std::error_code code;
  if (const auto size = std::filesystem::file_size(path, code); !code) found.reserve(size / 100);
  json.root([&](auto& document) {
    json.elements(document, [&](Value element) {
      Detection d;
      bool has_image = false, has_category = false, has_box = false, has_score = false;
      json.fields(element, [&](std::string_view key, Value v) {
        if (key == "image_id") d.image_id = json.whole(v), has_image = true;
        if (key == "category_id") d.category = ids.category(json.whole(v)), has_category = true;
        if (key == "bbox") d.box = json.box(v), has_box = true;
        if (key == "score") d.score = json.number(v), has_score = true;
      });
      const auto need = [&](bool is_there, std::string_view key) {
        if (!is_there)
          fail(json.place(), "should have the key \"{}\" as COCO's results files do, got none",
               key);
      };
      need(has_image, "image_id");
      need(has_category, "category_id");
      need(has_box, "bbox");
      need(has_score, "score");
      ids.image(d.image_id, [&] { return json.place(); });
      found.push_back(d);
    });
  });
  return found;
}

inline std::vector<Detection> read_detections_csv(const std::filesystem::path& path,
                                                  const DetectionIds& ids) {
  CsvReader csv(path, {"image_id", "x", "y", "width", "height", "confidence", "category_id"});
  std::vector<Detection> found;
  while (csv.next()) {
    Detection d{csv.integer(0),
                ids.category(csv.integer(6)),
                csv.number(5),
                {csv.number(1), csv.number(2), csv.number(3), csv.number(4)}};
    if (d.box.width < 0 || d.box.height < 0)
      fail(csv.place(), "width and height should not be negative, got {} and {}", d.box.width,
           d.box.height);
    ids.image(d.image_id, [&] { return csv.place(); });
    found.push_back(d);
  }
  return found;
}

inline std::int64_t category_id(const Instances& instances, const Detection& d) {
  return instances.categories.at(static_cast<std::size_t>(d.category)).id;
}

}  // namespace detail

/// Reads detections: COCO results JSON, or CSV if the name ends in .csv.
/// @param instances  the annotations they belong to; its category ids are translated to class
/// indices, ids it does
///                   not list to kUnknownCategory.
/// @throws Error     with file and place, if the file is neither, a key or column is missing, a box
/// has a negative
///                   size, a number is not finite, or an image is not annotated.
inline std::vector<Detection> read_detections(const std::filesystem::path& path,
                                              const Instances& instances) {
  const detail::DetectionIds ids(instances);
  return path.extension() == ".csv" ? detail::read_detections_csv(path, ids)
                                    : detail::read_detections_json(path, ids);
}

/// Writes COCO results JSON, one detection a line; doubles read back to the same value.
inline void write_detections_json(const std::filesystem::path& path,
                                  std::span<const Detection> detections,
                                  const Instances& instances) {
  fmt::memory_buffer out;
  out.push_back('[');
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const auto& d = detections[i];
    fmt::format_to(
        std::back_inserter(out),
        R"({}{{"image_id": {}, "category_id": {}, "bbox": [{}, {}, {}, {}], "score": {}}})",
        i == 0 ? "\n" : ",\n", d.image_id, detail::category_id(instances, d), d.box.x, d.box.y,
        d.box.width, d.box.height, d.score);
  }
  fmt::format_to(std::back_inserter(out), "]\n");
  write_file(path, std::string_view(out.data(), out.size()));
}

/// Writes `image_id,x,y,width,height,confidence,category_id,category`: pixels of the original
/// image, the data set's own category ids and names.
inline void write_detections_csv(const std::filesystem::path& path,
                                 std::span<const Detection> detections,
                                 const Instances& instances) {
  CsvWriter csv;
  csv.row("image_id", "x", "y", "width", "height", "confidence", "category_id", "category");
  for (const auto& d : detections)
    csv.row(d.image_id, d.box.x, d.box.y, d.box.width, d.box.height, d.score,
            detail::category_id(instances, d),
            instances.categories[static_cast<std::size_t>(d.category)].name);
  write_file(path, csv.text());
}

}  // namespace serpette
