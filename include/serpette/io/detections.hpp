#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/json_cursor.hpp"
#include "serpette/io/json_string.hpp"

namespace serpette {

/// `Detection::category` of a detection whose category the annotations do not list; evaluation
/// passes over it.
inline constexpr int kUnknownCategory = -1;

namespace detail {

/// Translates a file's ids and names, and checks what both formats share. A name tells more than an
/// id, which may have been counted otherwise.
class DetectionIds {
 public:
  explicit DetectionIds(const Instances& instances) : instances_(instances) {
    for (const auto& image : instances.images) {
      images_.insert(image.id);
      if (image.file_name.empty()) continue;
      note(whole_, image.file_name, image.id);
      note(named_, std::filesystem::path(image.file_name).filename().string(), image.id);
    }
    for (const auto& category : instances.categories) {
      const auto k = static_cast<int>(categories_.size());
      categories_.emplace(category.id, k);
      called_.emplace(plain_class_name(category.name), k);
    }
  }

  /// @param file_name  of the picture, or empty: matched with its folders, else without, else
  /// (where several have it) the id counts.
  template <class Place>
  [[nodiscard]] std::int64_t image(std::int64_t id, std::string_view file_name,
                                   const Place& place) const {
    if (const auto name = std::filesystem::path(file_name).filename().string();
        !name.empty() && !named_.empty()) {
      if (const auto found = whole_.find(std::string(file_name));
          found != whole_.end() && found->second)
        return *found->second;
      const auto found = named_.find(name);
      if (found == named_.end())
        fail(place(), "file_name should be one of the {} annotated images, got {}", images_.size(),
             name);
      if (found->second) return *found->second;
    }
    if (!images_.contains(id))
      fail(place(), "image_id should be one of the {} annotated images, got {}", images_.size(),
           id);
    return id;
  }

  /// @param name  of the category, or empty.
  [[nodiscard]] int category(std::int64_t id, std::string_view name) const {
    const auto found = categories_.find(id);
    const int listed = found == categories_.end() ? kUnknownCategory : found->second;
    if (name.empty() || is_numbered_class(name)) return listed;
    if (listed >= 0) {
      const auto& own = instances_.categories[static_cast<std::size_t>(listed)].name;
      if (own.empty() || own == name) return listed;
    }
    const auto called = called_.find(plain_class_name(name));
    return called == called_.end() ? kUnknownCategory : called->second;
  }

 private:
  using Names = std::unordered_map<std::string, std::optional<std::int64_t>>;  // none: of several

  static void note(Names& names, const std::string& name, std::int64_t id) {
    if (const auto [known, is_new] = names.emplace(name, id); !is_new) known->second.reset();
  }

  const Instances& instances_;
  std::unordered_set<std::int64_t> images_;
  Names whole_, named_;  // with their folders, without
  std::unordered_map<std::int64_t, int> categories_;
  std::unordered_map<std::string, int> called_;  // plain_class_name → category
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
      std::int64_t category = 0;
      std::string file_name, category_name;
      bool has_image = false, has_category = false, has_box = false, has_score = false;
      json.fields(element, [&](std::string_view key, Value v) {
        if (key == "image_id") d.image_id = json.whole(v), has_image = true;
        if (key == "category_id") category = json.whole(v), has_category = true;
        if (key == "file_name") file_name = json.string(v);
        if (key == "category") category_name = json.string(v);
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
      d.image_id = ids.image(d.image_id, file_name, [&] { return json.place(); });
      d.category = ids.category(category, category_name);
      found.push_back(d);
    });
  });
  return found;
}

inline std::vector<Detection> read_detections_csv(const std::filesystem::path& path,
                                                  const DetectionIds& ids) {
  CsvReader csv(path, {"image_id", "x", "y", "width", "height", "confidence", "category_id"});
  const auto file_name = csv.column("file_name"), category = csv.column("category");
  std::vector<Detection> found;
  while (csv.next()) {
    const auto optional = [&](const std::optional<std::size_t>& column) {
      return column ? csv.at(*column) : std::string_view();
    };
    Detection d{ids.image(csv.integer(0), optional(file_name), [&] { return csv.place(); }),
                ids.category(csv.integer(6), optional(category)),
                csv.number(5),
                {csv.number(1), csv.number(2), csv.number(3), csv.number(4)}};
    if (d.box.width < 0 || d.box.height < 0)
      fail(csv.place(), "width and height should not be negative, got {} and {}", d.box.width,
           d.box.height);
    found.push_back(d);
  }
  return found;
}

inline const CocoCategory& category_of(const Instances& instances, const Detection& d) {
  return instances.categories.at(static_cast<std::size_t>(d.category));
}

/// Names of pictures by id.
inline std::unordered_map<std::int64_t, std::string_view> file_names(const Instances& instances) {
  std::unordered_map<std::int64_t, std::string_view> names;
  for (const auto& image : instances.images) names.emplace(image.id, image.file_name);
  return names;
}

}  // namespace detail

/// Reads detections: COCO results JSON, or CSV if the name ends in .csv. Where they say a
/// `file_name` or a `category`, these are matched by name with the annotations, else by id.
/// @param instances  the annotations they belong to; its categories are translated to class
/// indices, those it does not list to kUnknownCategory.
/// @throws Error     with file and place, if the file is neither, a key or column is missing, a box
/// has a negative size, a number is not finite, or an image is not annotated.
inline std::vector<Detection> read_detections(const std::filesystem::path& path,
                                              const Instances& instances) {
  const detail::DetectionIds ids(instances);
  return path.extension() == ".csv" ? detail::read_detections_csv(path, ids)
                                    : detail::read_detections_json(path, ids);
}

/// Writes COCO results JSON, one detection a line; doubles read back to the same value. Beside
/// COCO's keys stands the name of the `category`, which others pass over; where the pictures have
/// no ids but the reader's (`has_image_ids`), also their `file_name`.
inline void write_detections_json(const std::filesystem::path& path,
                                  std::span<const Detection> detections,
                                  const Instances& instances) {
  const auto names = detail::file_names(instances);
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  out.push_back('[');
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const auto& d = detections[i];
    const auto& category = detail::category_of(instances, d);
    fmt::format_to(
        to, R"({}{{"image_id": {}, "category_id": {}, "bbox": [{}, {}, {}, {}], "score": {})",
        i == 0 ? "\n" : ",\n", d.image_id, category.id, d.box.x, d.box.y, d.box.width, d.box.height,
        d.score);
    if (!category.name.empty())
      fmt::format_to(to, R"(, "category": {})", detail::json_string(category.name));
    if (!instances.has_image_ids)
      fmt::format_to(to, R"(, "file_name": {})", detail::json_string(names.at(d.image_id)));
    out.push_back('}');
  }
  fmt::format_to(to, "]\n");
  write_file(path, std::string_view(out.data(), out.size()));
}

/// Writes `image_id,x,y,width,height,confidence,category_id,category[,file_name]`: pixels of the
/// original image, the data set's own category ids and names, and those of pictures as above.
inline void write_detections_csv(const std::filesystem::path& path,
                                 std::span<const Detection> detections,
                                 const Instances& instances) {
  const auto names = detail::file_names(instances);
  CsvWriter csv;
  std::vector<std::string> header{"image_id", "x",          "y",           "width",
                                  "height",   "confidence", "category_id", "category"};
  if (!instances.has_image_ids) header.emplace_back("file_name");
  csv.row_of(header);
  for (const auto& d : detections) {
    const auto& category = detail::category_of(instances, d);
    if (!instances.has_image_ids)
      csv.row(d.image_id, d.box.x, d.box.y, d.box.width, d.box.height, d.score, category.id,
              category.name, names.at(d.image_id));
    else
      csv.row(d.image_id, d.box.x, d.box.y, d.box.width, d.box.height, d.score, category.id,
              category.name);
  }
  write_file(path, csv.text());
}

}  // namespace serpette
