#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/json_cursor.hpp"
#include "serpette/io/json_string.hpp"
#include "serpette/io/limits.hpp"

namespace serpette {

/// `Detection::category` of a detection whose category the annotations do not list; evaluation
/// passes over it.
inline constexpr int kUnknownCategory = -1;

namespace detail {

/// Translates a file's ids and names, and checks what both formats share. A name tells more than an
/// id, which may have been counted otherwise.
class DetectionIds {
 public:
  /// @param instances  outlives this.
  explicit DetectionIds(const Instances& instances) : instances_(instances) {
    for (const auto& image : instances.images) {
      images_.emplace(image.id, image.file_name);
      if (image.file_name.empty()) continue;
      note(whole_, image.file_name, image.id);
      for (std::string_view part = image.file_name; !part.empty(); part = without_folder(part))
        note(parts_, part, image.id);
    }
  }

  /// @param file_name  of the picture, or empty: matched as a whole, else with as many of its
  /// folders as some picture has; without one the id counts.
  template <class Place>
  [[nodiscard]] std::int64_t image(std::int64_t id, std::string_view file_name,
                                   const Place& place) {
    if (file_name.size() > limits::kNameBytes)  // each of its folders is a name to look up
      fail(place(), "file_name should have at most {} bytes, got {}", limits::kNameBytes,
           file_name.size());
    if (file_name.empty() || parts_.empty()) {
      if (!images_.contains(id))
        fail(place(), "image_id should be one of the {} annotated images, got {}", images_.size(),
             id);
      return id;
    }
    const auto found = named_image(id, file_name, place);
    if (const auto [said, is_new] = said_images_.try_emplace(found, file_name);
        !is_new && said->second != file_name)
      fail(place(),
           "file_name should be of another picture than {}, got {}: one alone is annotated",
           said->second, file_name);
    return found;
  }

  /// What stands for a category until all of the file is known: see `translate`.
  /// @param name  of the category, or empty.
  [[nodiscard]] int category(std::int64_t id, std::string_view name) {
    const auto next = static_cast<int>(said_.size());
    return said_.try_emplace(std::pair(id, std::string(name)), next).first->second;
  }

  /// Makes class indices of what `category` gave. A name itself counts first, then those that are
  /// alike (same_class), each category for one name; without names the id counts.
  /// @param source   what errors call the detections.
  /// @throws Error   if they only number their classes and the annotations do not count theirs.
  void translate(std::vector<Detection>& found, std::string_view source) const {
    const auto& categories = instances_.categories;
    const auto size = categories.size();
    const auto boxes = boxes_of_categories(instances_);
    std::unordered_map<std::int64_t, int> listed;
    std::unordered_map<std::string_view, int> called;
    std::unordered_map<std::string, std::vector<int>> alike;  // by plain_class_name
    for (const bool with_boxes : {true, false})               // of two of a name the one with boxes
      for (std::size_t k = 0; k < size; ++k) {
        if ((boxes[k] > 0) != with_boxes) continue;
        const auto& [id, name] = categories[k];
        listed.emplace(id, static_cast<int>(k));
        if (name.empty()) continue;
        called.emplace(name, static_cast<int>(k));
        alike[plain_class_name(name)].push_back(static_cast<int>(k));
      }
    const auto listed_as = [&](std::int64_t id) {
      const auto at = listed.find(id);
      return at == listed.end() ? kUnknownCategory : at->second;
    };
    const auto name_of = [&](int k) -> const std::string& {
      return categories[static_cast<std::size_t>(k)].name;
    };

    std::vector<int> class_of(said_.size(), kUnknownCategory);
    std::vector<std::string_view> taken_by(size);
    const auto take = [&](int said, int k, std::string_view name) {
      class_of[static_cast<std::size_t>(said)] = k;
      taken_by[static_cast<std::size_t>(k)] = name;
    };
    for (const auto& [key, said] : said_) {
      const auto& [id, name] = key;
      const int k = listed_as(id);
      if (name.empty())
        class_of[static_cast<std::size_t>(said)] = k;
      else if (k >= 0 && name_of(k) == name)
        take(said, k, name);
      else if (const auto same = called.find(name); same != called.end())
        take(said, same->second, name);
    }
    const bool only_numbers = std::ranges::all_of(
        said_, [](const auto& entry) { return is_numbered_class(entry.first.second); });
    const bool are_counted = only_numbers && have_class_order(boxes);
    for (const auto& [key, said] : said_) {
      const std::string& name = key.second;
      if (name.empty() || class_of[static_cast<std::size_t>(said)] >= 0) continue;
      if (only_numbers && !are_counted)
        fail(source,
             "should name classes, as the category ids of {} do not count them as networks do; got "
             "\"{}\": detect with --annotations or with --names",
             instances_.source, name);
      if (is_numbered_class(name)) {
        const auto k = class_number(name);
        if (k < size && (are_counted || categories[k].name.empty()))
          take(said, static_cast<int>(k), name);
        continue;
      }
      if (const auto same = alike.find(plain_class_name(name)); same != alike.end()) {
        const auto one = std::ranges::find_if(same->second, [&](int k) {
          const auto by = taken_by[static_cast<std::size_t>(k)];
          return by.empty() || by == name;
        });
        if (one != same->second.end()) take(said, *one, name);
      } else if (const int k = listed_as(key.first); k >= 0 && name_of(k).empty()) {
        take(said, k, name);
      }
    }
    for (auto& d : found) d.category = class_of.at(static_cast<std::size_t>(d.category));
  }

 private:
  using Names =
      std::unordered_map<std::string_view, std::optional<std::int64_t>>;  // none: of several

  static void note(Names& names, std::string_view name, std::int64_t id) {
    if (const auto [known, is_new] = names.emplace(name, id); !is_new) known->second.reset();
  }

  /// A name without the first of its folders; empty of one that has none.
  static std::string_view without_folder(std::string_view name) {
    const auto end = name.find('/');
    return end == std::string_view::npos ? std::string_view() : name.substr(end + 1);
  }

  /// The index of a numbered class; a number that is too large is one that nobody has.
  static std::size_t class_number(std::string_view name) {
    name.remove_prefix(name.find(' ') + 1);
    std::size_t number = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
    return code == std::errc{} ? number : static_cast<std::size_t>(-1);
  }

  template <class Place>
  [[nodiscard]] std::int64_t named_image(std::int64_t id, std::string_view file_name,
                                         const Place& place) const {
    if (const auto own = images_.find(id); own != images_.end() && own->second == file_name)
      return id;
    if (const auto found = whole_.find(file_name); found != whole_.end() && found->second)
      return *found->second;
    for (auto part = file_name; !part.empty(); part = without_folder(part)) {
      const auto found = parts_.find(part);
      if (found == parts_.end()) continue;
      if (!found->second)
        fail(place(),
             "file_name should be of one annotated picture, got {}, which several folders have",
             file_name);
      return *found->second;
    }
    fail(place(), "file_name should be one of the {} annotated images, got {}", images_.size(),
         file_name);
  }

  /// Whether category k is class k of a network: ids count from 0 or 1 without a gap, and not in
  /// the alphabetical order of Pascal VOC. A first one that is 0 and has no boxes may be the extra
  /// one of Roboflow.
  [[nodiscard]] bool have_class_order(const std::vector<std::size_t>& boxes) const {
    const auto& categories = instances_.categories;
    if (categories.empty() || (!instances_.has_class_order && categories.size() > 1)) return false;
    const auto first = categories.front().id;
    if (first != 1 && (first != 0 || boxes.front() == 0)) return false;
    for (std::size_t k = 0; k < categories.size(); ++k)
      if (categories[k].id != first + static_cast<std::int64_t>(k)) return false;
    return true;
  }

  const Instances& instances_;
  std::unordered_map<std::int64_t, std::string_view> images_;
  Names whole_, parts_;  // names of pictures; those and what is left of them without first folders
  std::unordered_map<std::int64_t, std::string> said_images_;
  std::map<std::pair<std::int64_t, std::string>, int> said_;  // categories
};

inline std::vector<Detection> read_detections_json(const std::filesystem::path& path,
                                                   DetectionIds& ids) {
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
                                                  DetectionIds& ids) {
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

/// Names of pictures by id; empty of one that has none.
class FileNames {
 public:
  /// @param instances  outlives this.
  explicit FileNames(const Instances& instances) {
    for (const auto& image : instances.images) names_.emplace(image.id, image.file_name);
  }
  [[nodiscard]] std::string_view of(std::int64_t id) const {
    const auto found = names_.find(id);
    return found == names_.end() ? std::string_view() : found->second;
  }

 private:
  std::unordered_map<std::int64_t, std::string_view> names_;
};

}  // namespace detail

/// Reads detections: COCO results JSON, or CSV if the name ends in .csv. Where they say a
/// `file_name` or a `category`, these are matched by name with the annotations, else by id. Where
/// all that they say of classes is their numbers ("class 0"), class k is the category at k.
/// @param instances  the annotations they belong to; its categories are translated to class
/// indices, those it does not list to kUnknownCategory.
/// @throws Error     with file and place, if the file is neither, a key or column is missing, a box
/// has a negative size, a number is not finite, an image is not annotated or may be several, or
/// classes are only numbered and the ids of categories do not count them from 0 or 1.
inline std::vector<Detection> read_detections(const std::filesystem::path& path,
                                              const Instances& instances) {
  detail::DetectionIds ids(instances);
  auto found = path.extension() == ".csv" ? detail::read_detections_csv(path, ids)
                                          : detail::read_detections_json(path, ids);
  ids.translate(found, path.string());
  return found;
}

/// Writes COCO results JSON, one detection a line; doubles read back to the same value. Beside
/// COCO's keys stand the name of the `category` and the `file_name` of the picture, which others
/// pass over: ids are counted otherwise where the same data set has another form.
inline void write_detections_json(const std::filesystem::path& path,
                                  std::span<const Detection> detections,
                                  const Instances& instances) {
  const detail::FileNames names(instances);
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
    if (const auto name = names.of(d.image_id); !name.empty())
      fmt::format_to(to, R"(, "file_name": {})", detail::json_string(name));
    out.push_back('}');
  }
  fmt::format_to(to, "]\n");
  write_file(path, std::string_view(out.data(), out.size()));
}

/// Writes `image_id,x,y,width,height,confidence,category_id,category,file_name`: pixels of the
/// original image, the data set's own ids and names.
inline void write_detections_csv(const std::filesystem::path& path,
                                 std::span<const Detection> detections,
                                 const Instances& instances) {
  const detail::FileNames names(instances);
  CsvWriter csv;
  csv.row("image_id", "x", "y", "width", "height", "confidence", "category_id", "category",
          "file_name");
  for (const auto& d : detections) {
    const auto& category = detail::category_of(instances, d);
    csv.row(d.image_id, d.box.x, d.box.y, d.box.width, d.box.height, d.score, category.id,
            category.name, names.of(d.image_id));
  }
  write_file(path, csv.text());
}

}  // namespace serpette
