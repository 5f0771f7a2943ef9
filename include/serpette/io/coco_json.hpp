#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/json_cursor.hpp"
#include "serpette/io/json_string.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

/// Reads COCO's instances JSON: images, annotations, categories; everything else in it is passed
/// over.
///
/// Needed are `images[].id`, `annotations[].{id, image_id, category_id, bbox}` and
/// `categories[].id`; a missing `area` is the box's, a missing `iscrowd` means no, missing names
/// and sizes stay empty (evaluation needs none). Categories come back ascending by id;
/// `CocoAnnotation::category` is the position there.
/// @throws Error  if the file is no JSON, no COCO instances, if ids repeat, an annotation names an
/// image or category
///                that is not listed, or a box has a negative size; with `file:
///                annotations[17].bbox`.
inline Instances load_instances(const std::filesystem::path& path) {
  JsonCursor json(path);
  using Value = JsonCursor::Value;
  constexpr std::int64_t kMostPixels = 1 << 24;  // of a side
  Instances found;
  found.source = json.file();
  bool has_images = false, has_annotations = false, has_categories = false;
  std::vector<std::int64_t>
      category_ids;  // per annotation: categories may stand behind annotations in the file

  const auto need = [&](bool is_there, std::string_view key) {
    require(is_there, json.place(),
            "should have the key \"{}\" as COCO's instances files do, got none", key);
  };
  json.root([&](auto& document) {
    json.fields(document, [&](std::string_view list, Value value) {
      if (list == "images") {
        has_images = true;
        json.elements(value, [&](Value element) {
          CocoImage image;
          bool has_id = false;
          json.fields(element, [&](std::string_view key, Value v) {
            if (key == "id") image.id = json.whole(v), has_id = true;
            if (key == "file_name") {
              image.file_name = json.string(v);
              require(image.file_name.size() <= limits::kNameBytes, json.place(),
                      "should have at most {} bytes, got {}", limits::kNameBytes,
                      image.file_name.size());
            }
            if (key == "width" || key == "height") {
              const auto pixels = json.whole(v);
              require(pixels >= 0 && pixels <= kMostPixels, json.place(),
                      "should be a number of pixels up to {}, got {}", kMostPixels, pixels);
              (key == "width" ? image.width : image.height) = static_cast<int>(pixels);
            }
          });
          need(has_id, "id");
          found.images.push_back(std::move(image));
        });
      } else if (list == "annotations") {
        has_annotations = true;
        json.elements(value, [&](Value element) {
          CocoAnnotation a;
          a.area = std::numeric_limits<double>::quiet_NaN();
          std::int64_t category = 0;
          bool has_id = false, has_image = false, has_category = false, has_box = false;
          json.fields(element, [&](std::string_view key, Value v) {
            if (key == "id") a.id = json.whole(v), has_id = true;
            if (key == "image_id") a.image_id = json.whole(v), has_image = true;
            if (key == "category_id") category = json.whole(v), has_category = true;
            if (key == "bbox") a.box = json.box(v), has_box = true;
            if (key == "area") a.area = json.number(v);
            if (key == "iscrowd") a.is_crowd = json.flag(v);
          });
          need(has_id, "id");
          need(has_image, "image_id");
          need(has_category, "category_id");
          need(has_box, "bbox");
          if (a.area != a.area) a.area = a.box.area();
          found.annotations.push_back(a);
          category_ids.push_back(category);
        });
      } else if (list == "categories") {
        has_categories = true;
        json.elements(value, [&](Value element) {
          CocoCategory category;
          bool has_id = false;
          json.fields(element, [&](std::string_view key, Value v) {
            if (key == "id") category.id = json.whole(v), has_id = true;
            if (key == "name") category.name = json.string(v);
          });
          need(has_id, "id");
          found.categories.push_back(std::move(category));
        });
      }
    });
  });
  need(has_images, "images");
  need(has_annotations, "annotations");
  need(has_categories, "categories");
  require(found.categories.size() <= limits::kCategories, json.file(),
          "should have at most {} categories, got {}", limits::kCategories,
          found.categories.size());

  std::ranges::sort(found.categories, {}, &CocoCategory::id);
  std::unordered_map<std::int64_t, int> category_of;
  for (const auto& category : found.categories)
    require(category_of.emplace(category.id, static_cast<int>(category_of.size())).second,
            json.file(), "categories should have distinct ids, got {} twice", category.id);
  std::unordered_map<std::int64_t, const CocoImage*> image_of;
  for (const auto& image : found.images)
    require(image_of.emplace(image.id, &image).second, json.file(),
            "images should have distinct ids, got {} twice", image.id);
  std::unordered_set<std::int64_t> ids;
  for (std::size_t i = 0; i < found.annotations.size(); ++i) {
    auto& a = found.annotations[i];
    const auto place = [&] { return fmt::format("{}: annotations[{}]", json.file(), i); };
    if (!ids.insert(a.id).second)
      fail(place(), "id should be distinct, got {} a second time", a.id);
    if (!image_of.contains(a.image_id))
      fail(place(), "image_id should be one of the {} images, got {}", found.images.size(),
           a.image_id);
    const auto category = category_of.find(category_ids[i]);
    if (category == category_of.end())
      fail(place(), "category_id should be one of the {} categories, got {}",
           found.categories.size(), category_ids[i]);
    a.category = category->second;
  }
  return found;
}

/// Refuses boxes that leave their image by more than `slack` pixels (COCO's own rounding stays
/// below one): what training asks for. Evaluation, like pycocotools, takes boxes as they are.
/// @throws Error  naming annotation, image and box.
inline void require_boxes_inside(const Instances& instances, std::string_view place,
                                 double slack = 1) {
  std::unordered_map<std::int64_t, const CocoImage*> image_of;
  for (const auto& image : instances.images) image_of.emplace(image.id, &image);
  for (const auto& a : instances.annotations) {
    const auto found = image_of.find(a.image_id);
    if (found == image_of.end())
      fail(place, "annotation {} should be of a listed image, got {}", a.id, a.image_id);
    const auto& image = *found->second;
    if (a.box.x < -slack || a.box.y < -slack || a.box.x + a.box.width > image.width + slack ||
        a.box.y + a.box.height > image.height + slack)
      fail(place,
           "the box of annotation {} should lie inside image {} ({} × {}), got [{}, {}, {}, {}]",
           a.id, image.id, image.width, image.height, a.box.x, a.box.y, a.box.width, a.box.height);
  }
}

/// COCO's instances JSON, one entry a line; doubles read back to the same value.
inline std::string instances_json(const Instances& instances) {
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  const auto list = [&](std::string_view key, const auto& entries, auto&& write,
                        std::string_view end) {
    fmt::format_to(to, "\"{}\": [", key);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      fmt::format_to(to, "{}", i == 0 ? "\n" : ",\n");
      write(entries[i]);
    }
    fmt::format_to(to, "]{}\n", end);
  };
  fmt::format_to(to, "{{");
  list(
      "images", instances.images,
      [&](const CocoImage& image) {
        fmt::format_to(to, R"({{"id": {}, "file_name": {}, "width": {}, "height": {}}})", image.id,
                       detail::json_string(image.file_name), image.width, image.height);
      },
      ",");
  list(
      "annotations", instances.annotations,
      [&](const CocoAnnotation& a) {
        fmt::format_to(
            to,
            R"({{"id": {}, "image_id": {}, "category_id": {}, "bbox": [{}, {}, {}, {}], "area": {}, "iscrowd": {}}})",
            a.id, a.image_id, instances.categories.at(static_cast<std::size_t>(a.category)).id,
            a.box.x, a.box.y, a.box.width, a.box.height, a.area, a.is_crowd ? 1 : 0);
      },
      ",");
  list(
      "categories", instances.categories,
      [&](const CocoCategory& category) {
        fmt::format_to(to, R"({{"id": {}, "name": {}}})", category.id,
                       detail::json_string(category.name));
      },
      "}");
  return fmt::to_string(out);
}

inline void save_instances(const std::filesystem::path& path, const Instances& instances) {
  write_file(path, std::string_view(instances_json(instances)));
}

}  // namespace serpette
