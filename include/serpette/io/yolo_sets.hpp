#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/annotation_options.hpp"
#include "serpette/io/atomic_file.hpp"
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

/// The paths of a list, one a line.
inline std::vector<std::filesystem::path> listed_paths(const std::filesystem::path& list) {
  const auto text = read_file(list);
  std::vector<std::filesystem::path> paths;
  for (const auto line : lines_of(text))
    if (!line.empty()) paths.push_back(named_path(line, list));
  return paths;
}

inline std::vector<std::filesystem::path> listed_pictures(const std::filesystem::path& list) {
  auto pictures = listed_paths(list);
  require(!pictures.empty(), list.string(), "should list pictures, one path a line, got none");
  return pictures;
}

inline std::vector<std::filesystem::path> pictures_of(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? files_of(path, has_image_suffix, true)
                                             : listed_pictures(path);
}

/// Files of class names beside a list or folder: `.names` and `classes.txt`, there or one folder
/// up. What travels with a network is a data set's only where no other stands there.
inline std::vector<std::filesystem::path> names_files_beside(const std::filesystem::path& path) {
  const auto folder =
      std::filesystem::is_directory(path) ? path : std::filesystem::absolute(path).parent_path();
  for (const auto& place : {folder, std::filesystem::absolute(folder / "..").lexically_normal()}) {
    auto files = files_of(place, [](const std::filesystem::path& file) {
      return file.extension() == ".names" || file.filename() == "classes.txt";
    });
    if (!std::ranges::all_of(files, is_names_of_network)) std::erase_if(files, is_names_of_network);
    if (!files.empty()) return files;
  }
  return {};
}

/// Class names beside a list or folder; none if there is no file of them.
/// @throws Error  if two files are as good and hold other names: boxes would get the wrong ones.
inline std::vector<std::string> names_beside(const std::filesystem::path& path) {
  const auto files = names_files_beside(path);
  if (files.empty()) return {};
  auto names = load_class_names(files.front());
  for (const auto& other : std::span(files).subspan(1))
    require(load_class_names(other) == names, path.string(),
            "should stand beside one list of class names, got {} and {}, which differ: keep one, "
            "or give the right one to `dataset convert` as --names",
            files.front().string(), other.string());
  return names;
}

/// Options whose classes are given, else what `otherwise()` gives.
template <class Names>
AnnotationOptions with_names(AnnotationOptions options, Names&& otherwise) {
  if (options.names.empty()) options.names = otherwise();
  return options;
}

/// What darknet's `.data` says: `key = value` a line.
inline std::map<std::string, std::string, std::less<>> data_values(
    const std::filesystem::path& path) {
  const auto text = read_file(path);
  std::map<std::string, std::string, std::less<>> values;
  for (const auto line : lines_of(text)) {
    const auto equals = line.find('=');
    if (line.empty() || line.front() == '#') continue;
    require(equals != std::string_view::npos, path.string(), "should hold key = value, got \"{}\"",
            line);
    values[std::string(trimmed(line.substr(0, equals)))] = trimmed(line.substr(equals + 1));
  }
  return values;
}

/// darknet's `.data`, of which `names`, `train` and `valid` are used.
/// @param part  which list: train, valid, or another key.
inline Instances load_yolo_data(const std::filesystem::path& path, std::string_view part,
                                const AnnotationOptions& options) {
  const auto values = data_values(path);
  const auto value = [&](std::string_view key) -> std::string_view {
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

/// Folders and lists of pictures that `data.yaml` has under a key, relative to its `path`.
inline std::vector<std::filesystem::path> yaml_sources(const YAML::Node& root,
                                                       const std::string& key,
                                                       const std::filesystem::path& path) {
  auto base = path;
  if (root["path"].IsDefined() && !root["path"].IsNull())
    base = named_path(root["path"].as<std::string>(), path) / path.filename();
  std::vector<std::filesystem::path> places;
  const auto add = [&](const YAML::Node& source) {
    places.push_back(named_path(source.as<std::string>(), base));
  };
  const auto sources = root[key];
  if (!sources.IsDefined() || sources.IsNull()) return places;
  if (sources.IsSequence())
    for (const auto& source : sources) add(source);
  else
    add(sources);
  return places;
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
    const std::string key(part == "valid" ? "val" : part);
    const auto sources = yaml_sources(root, key, path);
    require(!sources.empty(), path.string(), "should have pictures under \"{}\", got none", key);
    for (const auto& source : sources) {
      const auto more = pictures_of(source);
      pictures.insert(pictures.end(), more.begin(), more.end());
    }
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

/// Which YAML a folder of annotations is read by: `data.yaml`, else its only one; others, as those
/// of a training's settings, say nothing. Empty if there is none.
inline std::filesystem::path yaml_of(const std::filesystem::path& folder) {
  std::error_code code;
  if (auto file = folder / "data.yaml"; std::filesystem::is_regular_file(file, code)) return file;
  const auto files = files_of(
      folder, [](const std::filesystem::path& file) { return file.extension() == ".yaml"; });
  return files.size() == 1 ? files.front() : std::filesystem::path();
}

/// The pictures of a list or folder, their labels and the list, for files_of_annotations. A place
/// that is not there has none: whoever reads that part reports it.
inline void add_files_of(const std::filesystem::path& place,
                         std::vector<std::filesystem::path>& files) {
  namespace fs = std::filesystem;
  std::error_code code;
  std::vector<fs::path> pictures;
  if (fs::is_directory(place, code)) {
    pictures = files_of(place, has_image_suffix, true);
  } else if (fs::is_regular_file(place, code)) {
    files.push_back(place);
    pictures = listed_paths(place);
  }
  for (const auto& picture : pictures) {
    files.push_back(picture);
    files.push_back(yolo_label_file(fs::absolute(picture)));
  }
}

/// What a YOLO data set is made of: what its door names, in all its parts, and whatever beside the
/// door says which pictures and classes there are.
/// @param door  a `.data`, YAML or list that is there, or a folder of labels.
inline std::vector<std::filesystem::path> files_of_yolo(const std::filesystem::path& door) {
  namespace fs = std::filesystem;
  const bool is_folder = fs::is_directory(door);
  auto files =
      files_of(is_folder ? door : fs::absolute(door).parent_path(), [](const fs::path& file) {
        const auto suffix = file.extension();
        return suffix == ".yaml" || suffix == ".yml" || suffix == ".data" ||
               (suffix == ".names" && !is_names_of_network(file));
      });
  const auto suffix = door.extension();
  if (is_folder || suffix == ".txt") {
    for (const auto& names : names_files_beside(door))
      if (!is_names_of_network(names)) files.push_back(names);
    if (!is_folder) add_files_of(door, files);
  } else if (suffix == ".data") {
    for (const auto& [key, value] : data_values(door)) {
      if (value.empty()) continue;
      if (key == "names")
        files.push_back(named_path(value, door));
      else if (key != "backup" && key != "results")  // where darknet writes
        add_files_of(named_path(value, door), files);
    }
  } else {
    const auto text = read_file(door);
    try {
      if (const auto root = YAML::Load(text); root.IsMap())
        for (const char* key : {"train", "val", "test"})
          for (const auto& source : yaml_sources(root, key, door)) add_files_of(source, files);
    } catch (const YAML::Exception&) {
      // Whoever reads that part of it reports this.
    }
  }
  return files;
}

}  // namespace serpette::detail
