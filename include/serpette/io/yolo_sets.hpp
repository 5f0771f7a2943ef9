#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/annotation_options.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/image_files.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/io/text.hpp"
#include "serpette/io/yolo_labels.hpp"

/// @file
/// What says which pictures and classes YOLO's labels are of: darknet's `.data`, `data.yaml`, a
/// list of pictures, a folder.

namespace serpette::detail {

/// A path that a file names: relative to where the program runs (darknet), to the file, or to it
/// without "../" before (Roboflow's), whichever is there first.
inline std::filesystem::path named_path(std::string_view name, const std::filesystem::path& file) {
  namespace fs = std::filesystem;
  const auto folder = fs::absolute(file).parent_path();
  std::error_code code;
  if (fs::path path(name); path.is_absolute()) return path;
  const auto plain = name.starts_with("../") ? name.substr(3) : name;
  for (const auto& place : {folder / name, fs::path(name), folder / plain})
    if (fs::exists(place, code)) return place;
  return folder / name;
}

/// The pictures of a list, one path a line.
inline std::vector<std::filesystem::path> listed_pictures(const std::filesystem::path& list) {
  const auto text = read_file(list);
  std::vector<std::filesystem::path> pictures;
  for (const auto line : lines_of(text))
    if (!line.empty()) pictures.push_back(named_path(line, list));
  require(!pictures.empty(), list.string(), "should list pictures, one path a line, got none");
  return pictures;
}

inline std::vector<std::filesystem::path> pictures_of(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? files_of(path, has_image_suffix, true)
                                             : listed_pictures(path);
}

/// Class names beside a list or folder: its only `.names`, or `classes.txt`, there or one folder
/// up.
inline std::vector<std::string> names_beside(const std::filesystem::path& path) {
  const auto folder =
      std::filesystem::is_directory(path) ? path : std::filesystem::absolute(path).parent_path();
  for (const auto& place : {folder, std::filesystem::absolute(folder / "..").lexically_normal()}) {
    const auto files = files_of(place, [](const std::filesystem::path& file) {
      return file.extension() == ".names" || file.filename() == "classes.txt";
    });
    if (files.size() == 1) return load_class_names(files.front());
  }
  return {};
}

/// Options whose classes are given, else what `otherwise()` gives.
template <class Names>
AnnotationOptions with_names(AnnotationOptions options, Names&& otherwise) {
  if (options.names.empty()) options.names = otherwise();
  return options;
}

/// darknet's `.data`: `key = value` a line, of which `names`, `train` and `valid` are used.
/// @param part  which list: train, valid, or another key.
inline Instances load_yolo_data(const std::filesystem::path& path, std::string_view part,
                                const AnnotationOptions& options) {
  const auto text = read_file(path);
  std::map<std::string_view, std::string_view> values;
  for (const auto line : lines_of(text)) {
    const auto equals = line.find('=');
    if (line.empty() || line.front() == '#') continue;
    require(equals != std::string_view::npos, path.string(), "should hold key = value, got \"{}\"",
            line);
    values[trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
  }
  const auto value = [&](std::string_view key) {
    const auto found = values.find(key);
    require(found != values.end() && !found->second.empty(), path.string(),
            "should have a line \"{} = …\", got none", key);
    return found->second;
  };
  if (part == "val") part = "valid";
  const auto named =
      with_names(options, [&] { return load_class_names(named_path(value("names"), path)); });
  return yolo_instances(pictures_of(named_path(value(part), path)), {}, named, path.string());
}

/// `data.yaml` of the PyTorch YOLOs: `names`, and folders or lists under `train`, `val`, `test`,
/// relative to `path`.
inline Instances load_yolo_yaml(const std::filesystem::path& path, std::string_view part,
                                const AnnotationOptions& options) {
  const auto text = read_file(path);
  AnnotationOptions named = options;
  auto& names = named.names;
  std::vector<std::filesystem::path> pictures;
  try {
    const auto root = YAML::Load(text);
    require(root.IsMap(), path.string(),
            "should hold names and folders by keys, got something else");
    if (names.empty()) {
      require(root["names"].IsDefined() && (root["names"].IsSequence() || root["names"].IsMap()),
              path.string(), "should have names, got none");
      std::map<int, std::string> by_index;
      if (root["names"].IsMap())
        for (const auto& entry : root["names"])
          by_index[entry.first.as<int>()] = entry.second.as<std::string>();
      else
        for (const auto& entry : root["names"])
          by_index.emplace(static_cast<int>(by_index.size()), entry.as<std::string>());
      for (const auto& [index, name] : by_index) {
        require(index == static_cast<int>(names.size()), path.string(),
                "names should be numbered from 0 without a gap, got {} after {} names", index,
                names.size());
        names.push_back(name);
      }
    }
    auto base = path;
    if (root["path"].IsDefined() && !root["path"].IsNull())
      base = named_path(root["path"].as<std::string>(), path) / path.filename();
    const std::string key(part == "valid" ? "val" : part);
    const auto sources = root[key];
    require(sources.IsDefined() && !sources.IsNull(), path.string(),
            "should have pictures under \"{}\", got none", key);
    const auto add = [&](const YAML::Node& source) {
      const auto more = pictures_of(named_path(source.as<std::string>(), base));
      pictures.insert(pictures.end(), more.begin(), more.end());
    };
    if (sources.IsSequence())
      for (const auto& source : sources) add(source);
    else
      add(sources);
  } catch (const YAML::Exception& error) {
    fail(path.string(), "should be YAML as data sets for YOLO have it, got \"{}\"", error.what());
  }
  return yolo_instances(pictures, {}, named, path.string());
}

/// A folder of labels; its pictures are in `options.images`, else where `labels` in its path is
/// replaced by `images`, else beside the labels.
inline Instances load_yolo_folder(const std::filesystem::path& path,
                                  const AnnotationOptions& options) {
  namespace fs = std::filesystem;
  auto images = options.images;
  if (images.empty()) {
    images = path;
    auto text = (fs::absolute(path).lexically_normal() / "").string();
    if (const auto at = text.rfind("/labels/"); at != std::string::npos) {
      text.replace(at, 8, "/images/");
      if (fs::is_directory(text)) images = text;
    }
  }
  const auto pictures = files_of(images, has_image_suffix, true);
  require(!pictures.empty(), images.string(), "should hold the pictures of {}, got none",
          path.string());
  std::vector<fs::path> labels;
  for (const auto& picture : pictures)  // by its name: where a link leads has no labels
    labels.push_back((path / picture.lexically_relative(images)).replace_extension(".txt"));
  return yolo_instances(pictures, labels, with_names(options, [&] { return names_beside(path); }),
                        path.string());
}

/// A list of pictures.
inline Instances load_yolo_list(const std::filesystem::path& path,
                                const AnnotationOptions& options) {
  return yolo_instances(listed_pictures(path), {},
                        with_names(options, [&] { return names_beside(path); }), path.string());
}

}  // namespace serpette::detail
