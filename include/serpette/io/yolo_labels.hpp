#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/few_of.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/io/annotation_options.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/image_files.hpp"
#include "serpette/io/json_string.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/io/text.hpp"

namespace serpette {

/// A label as written: class, centre and size as fractions of the picture.
struct YoloLabel {
  int category = 0;
  double cx = 0, cy = 0, width = 0, height = 0;
};

/// Reads labels, one object a line: `class cx cy width height`, or `class x y x y …`, a polygon,
/// which becomes its box.
/// @throws Error  with file and line, if a line is neither, or a number is none.
inline std::vector<YoloLabel> read_yolo_labels(const std::filesystem::path& path) {
  const auto text = read_file(path);
  std::vector<YoloLabel> labels;
  const auto lines = lines_of(text);
  for (std::size_t l = 0; l < lines.size(); ++l) {
    const auto place = [&] { return fmt::format("{}:{}", path.string(), l + 1); };
    std::vector<double> numbers;
    for (auto rest = lines[l]; !rest.empty();) {
      const auto word = rest.substr(0, rest.find_first_of(" \t,"));
      const auto value = parse_number<double>(word);
      if (!value) fail(place(), "should hold numbers, got \"{}\"", word);
      numbers.push_back(*value);
      rest = trimmed(rest.substr(std::min(word.size() + 1, rest.size())));
    }
    if (numbers.empty()) continue;
    const bool polygon = numbers.size() >= 7 && numbers.size() % 2 == 1;
    if (numbers.size() != 5 && !polygon)
      fail(place(), "should be \"class cx cy width height\" or a polygon, got {} numbers",
           numbers.size());
    constexpr double kMost = limits::kCategories - 1;
    if (numbers[0] != std::floor(numbers[0]) || numbers[0] < 0 || numbers[0] > kMost)
      fail(place(), "should begin with a class from 0 to {}, got {}{}", kMost, numbers[0],
           numbers[0] > kMost ? ", which is too large" : "");
    YoloLabel label{static_cast<int>(numbers[0]), numbers[1], numbers[2], numbers[3], numbers[4]};
    if (polygon) {
      double low[2] = {numbers[1], numbers[2]}, high[2] = {numbers[1], numbers[2]};
      for (std::size_t i = 1; i < numbers.size(); ++i) {
        low[(i + 1) % 2] = std::min(low[(i + 1) % 2], numbers[i]);
        high[(i + 1) % 2] = std::max(high[(i + 1) % 2], numbers[i]);
      }
      label = {label.category, (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[0] - low[0],
               high[1] - low[1]};
    }
    if (label.width < 0 || label.height < 0)
      fail(place(), "width and height should not be negative, got {} and {}", label.width,
           label.height);
    labels.push_back(label);
  }
  return labels;
}

/// Where a picture's labels are: `images` or `JPEGImages` in its path becomes `labels`, its suffix
/// `.txt`; where there is no such file, beside the picture (darknet).
inline std::filesystem::path yolo_label_file(const std::filesystem::path& picture) {
  auto beside = picture;
  beside.replace_extension(".txt");
  const auto text = beside.string();
  for (const std::string_view folder : {"/images/", "/JPEGImages/"})
    if (const auto at = text.rfind(folder); at != std::string::npos) {
      auto swapped = text;
      swapped.replace(at, folder.size(), "/labels/");
      std::error_code code;
      if (std::filesystem::exists(swapped, code)) return swapped;
    }
  return beside;
}

/// Pictures with their labels as annotations in pixels. A picture without a file of labels holds no
/// object; where none has one, the labels are elsewhere.
/// @param pictures  files, in the order that ids follow.
/// @param labels    files of labels by picture; none: `yolo_label_file` of each.
/// @param options   its names are the classes; none: as many as labels name, by their numbers.
/// @param source    what errors call the data set.
/// @throws Error    as read_yolo_labels; if a class has no name, a picture is not there and
/// `missing_pictures` is not set, one cannot be read, or no picture has a file of labels.
inline Instances yolo_instances(const std::vector<std::filesystem::path>& pictures,
                                const std::vector<std::filesystem::path>& labels,
                                const AnnotationOptions& options, std::string source) {
  const auto& names = options.names;
  Instances found{.source = std::move(source), .has_image_ids = false};
  const auto ids = image_ids(pictures);
  std::vector<std::string> missing;
  std::filesystem::path first_looked_for;
  bool any_labels = false;
  int most = -1;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto file =
        labels.empty() ? yolo_label_file(std::filesystem::absolute(pictures[i])) : labels[i];
    std::error_code code;
    std::vector<YoloLabel> read;
    if (i == 0) first_looked_for = file;
    if (std::filesystem::exists(file, code)) {
      any_labels = true;
      read = read_yolo_labels(file);
    }
    const bool is_there = std::filesystem::exists(pictures[i], code);
    if (!is_there) missing.push_back(pictures[i].string());
    const auto size = is_there ? size_of_file(pictures[i]) : ImageSize{};
    found.images.push_back(
        {ids[i], listed_name(pictures[i], options.images), size.width, size.height});
    if (size.width == 0) continue;  // whoever reads the picture reports it
    for (const auto& label : read) {
      require(names.empty() || label.category < static_cast<int>(names.size()), file.string(),
              "should have classes below {}, as there are names for, got {}", names.size(),
              label.category);
      most = std::max(most, label.category);
      const Box box{(label.cx - label.width / 2) * size.width,
                    (label.cy - label.height / 2) * size.height, label.width * size.width,
                    label.height * size.height};
      found.annotations.push_back(
          {std::ssize(found.annotations) + 1, ids[i], label.category, box, box.area(), false});
    }
  }
  require(
      missing.empty() || options.missing_pictures, found.source,
      "should be of pictures that are there, but for {} of {} got no file ({}); `dataset convert "
      "--images` leaves out what is not there",
      missing.size(), pictures.size(), few_of(missing));
  // Where no picture is there either, whoever reads them reports that.
  require(any_labels || missing.size() == pictures.size(), found.source,
          "should be of pictures with files of labels, got none for any of {}: that of the first "
          "was looked for as {}{}",
          pictures.size(), first_looked_for.string(),
          labels.empty() ? ", and in the folder labels for images" : "");
  const auto classes = names.empty() ? std::size_t(most + 1) : names.size();
  require(classes <= limits::kCategories, found.source, "should have at most {} classes, got {}",
          limits::kCategories, classes);
  for (std::size_t k = 0; k < classes; ++k)
    found.categories.push_back(
        {static_cast<std::int64_t>(k) + 1,
         names.empty() ? numbered_class(static_cast<std::int64_t>(k)) : names[k]});
  return found;
}

/// Writes labels for darknet and its kin: `FOLDER/labels/NAME.txt`, beside a link `FOLDER/images`
/// to the pictures; `images.txt`, `obj.names` and `obj.data` for darknet, `data.yaml` for others.
/// Numbers read back to the same value. Crowds and boxes without area have no place in the format.
/// A category without a name is called by its number, so that those behind it keep theirs.
/// @param images  folder of the pictures.
/// @return        boxes left out.
/// @throws Error  as require_class_names; if two pictures differ only by their suffix, a picture
/// has no size or lies in a folder `images` of its own, or `FOLDER/images` is there and another
/// folder, a `data.yaml` that was not written by this, or labels of other pictures.
inline std::int64_t save_yolo(const std::filesystem::path& folder, const Instances& instances,
                              const std::filesystem::path& images) {
  namespace fs = std::filesystem;
  const auto stems = detail::label_stems(instances, true);
  auto categories = instances.categories;
  for (std::size_t k = 0; k < categories.size(); ++k)
    categories[k].name = written_name(categories, k);
  require_class_names(categories, instances.source);
  // Readers put `labels` for the last `images` of a path: beside the pictures, not in this folder.
  for (const auto& stem : stems) {
    const auto inside = fs::path(stem).parent_path();
    require(std::ranges::find(inside, fs::path("images")) == inside.end(), instances.source,
            "pictures should have no folder \"images\" in their names, as labels would be looked "
            "for beside it; got {}: name them relative to that folder, and give it as --images",
            stem);
  }
  const auto whole = fs::absolute(folder).lexically_normal();
  const auto link = whole / "images";
  const auto yaml_head =
      fmt::format("path: {}\ntrain: images.txt\n", detail::json_string(whole.string()));
  if (const auto yaml = whole / "data.yaml"; fs::exists(yaml))
    require(read_file(yaml).starts_with(yaml_head), yaml.string(),
            "should be one that was written by this before, got a data set's own; take another "
            "folder");
  if (const auto written = whole / "labels"; fs::is_directory(written)) {
    std::unordered_set<std::string> own;
    for (const auto& stem : stems) own.insert(stem + ".txt");
    std::vector<fs::path> there;
    for (const auto& file :
         files_of(written, [](const fs::path& f) { return f.extension() == ".txt"; }, true))
      there.push_back(file.lexically_relative(written));
    detail::require_no_others(written, there, own);
  }
  fs::create_directories(whole);
  if (!fs::exists(fs::symlink_status(link)))
    fs::create_directory_symlink(fs::canonical(images), link);
  require(fs::equivalent(link, images), link.string(), "should be the folder {}, got another",
          images.string());
  std::unordered_map<std::int64_t, std::size_t> index;
  for (std::size_t i = 0; i < instances.images.size(); ++i) index[instances.images[i].id] = i;
  std::vector<std::string> labels(stems.size());
  std::int64_t left_out = 0;
  for (const auto& a : instances.annotations) {
    const auto i = index.at(a.image_id);
    if (a.is_crowd || a.box.area() <= 0) {
      ++left_out;
      continue;
    }
    const auto& image = instances.images[i];
    const auto& b = a.box;
    fmt::format_to(std::back_inserter(labels[i]), "{} {} {} {} {}\n", a.category,
                   (b.x + b.width / 2) / image.width, (b.y + b.height / 2) / image.height,
                   b.width / image.width, b.height / image.height);
  }
  std::string list, names, yaml;
  for (std::size_t i = 0; i < stems.size(); ++i) {
    write_file(whole / "labels" / (stems[i] + ".txt"), std::string_view(labels[i]), false);
    list += (link / instances.images[i].file_name).string() + "\n";
  }
  for (const auto& category : categories) {
    names += category.name + "\n";
    yaml += fmt::format("  - {}\n", detail::json_string(category.name));
  }
  write_file(whole / "images.txt", std::string_view(list));
  write_file(whole / "obj.names", std::string_view(names));
  write_file(whole / "obj.data",
             std::string_view(
                 fmt::format("classes = {}\ntrain = {}\nnames = {}\n", instances.categories.size(),
                             (whole / "images.txt").string(), (whole / "obj.names").string())));
  write_file(whole / "data.yaml", std::string_view(fmt::format("{}nc: {}\nnames:\n{}", yaml_head,
                                                               instances.categories.size(), yaml)));
  return left_out;
}

}  // namespace serpette
