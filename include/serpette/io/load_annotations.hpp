#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/annotation_options.hpp"
#include "serpette/io/coco_json.hpp"
#include "serpette/io/image_files.hpp"
#include "serpette/io/voc_xml.hpp"
#include "serpette/io/yolo_sets.hpp"

namespace serpette {

namespace detail {

/// A file, and behind a colon which part of it is meant.
struct AnnotationPart {
  std::filesystem::path file;
  std::string part = "train";
};

inline AnnotationPart part_of(const std::filesystem::path& path) {
  const auto text = path.string();
  const auto colon = text.rfind(':');
  if (std::filesystem::exists(path) || colon == std::string::npos || colon == 0) return {path};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// Whether a list stands under VOC's ImageSets/Main.
inline bool is_voc_list(const std::filesystem::path& file) {
  const auto main = std::filesystem::absolute(file).parent_path();
  return std::filesystem::is_directory(main.parent_path().parent_path() / "Annotations");
}

}  // namespace detail

/// Reads YOLO's labels: darknet's `.data`, `data.yaml`, a list of pictures, or a folder of labels
/// or with one `data.yaml`.
/// @throws Error  naming the file, if it is none of these or cannot be read.
inline Instances load_yolo(const std::filesystem::path& path,
                           const AnnotationOptions& options = {}) {
  const auto [file, part] = detail::part_of(path);
  const auto ending = [](std::string_view suffix) {
    return [suffix](const std::filesystem::path& entry) { return entry.extension() == suffix; };
  };
  if (std::filesystem::is_directory(file)) {
    if (const auto yaml = files_of(file, ending(".yaml")); yaml.size() == 1)
      return detail::load_yolo_yaml(yaml.front(), part, options);
    if (!files_of(file, ending(".txt")).empty()) return detail::load_yolo_folder(file, options);
    fail(file.string(),
         "should hold annotations: Pascal VOC's XML, YOLO's labels, one data.yaml or one JSON, got "
         "none of them");
  }
  const auto suffix = file.extension();
  if (suffix == ".data") return detail::load_yolo_data(file, part, options);
  if (suffix == ".yaml" || suffix == ".yml") return detail::load_yolo_yaml(file, part, options);
  require(suffix == ".txt", file.string(),
          "should be YOLO's: a .data file, data.yaml, a list of pictures (.txt) or a folder of "
          "labels, got none of these names");
  return detail::load_yolo_list(file, options);
}

/// Reads annotations of any kind that detectors are trained with:
///
/// | path | is read as |
/// | --- | --- |
/// | a file of any other name | COCO's instances JSON |
/// | `*.data`, `*.data:valid` | darknet's data file: the list under `train`, or another key |
/// | `*.yaml`, `*.yaml:val` | `data.yaml`: the pictures under `train`, or another key |
/// | `*.txt` | a list of pictures with YOLO labels, or VOC's under `ImageSets` |
/// | a folder | of what it holds: Pascal VOC's XML (or `Annotations` with it), one `data.yaml`, one
/// JSON, YOLO labels |
///
/// @return        file names relative to `options.images` if given and inside, else whole paths
/// (COCO's as they are).
/// @throws Error  naming the file, if it cannot be read or is not what its name says.
inline Instances load_annotations(const std::filesystem::path& path,
                                  const AnnotationOptions& options = {}) {
  namespace fs = std::filesystem;
  const auto [file, part] = detail::part_of(path);
  if (fs::is_directory(file)) {
    const auto holds = [&](std::string_view suffix) {
      return files_of(file, [&](const fs::path& entry) { return entry.extension() == suffix; });
    };
    if (fs::is_directory(file / "Annotations") || !holds(".xml").empty())
      return load_voc(file, options);
    if (holds(".yaml").size() != 1)
      if (const auto json = holds(".json"); json.size() == 1) return load_instances(json.front());
    return load_yolo(path, options);
  }
  const auto suffix = file.extension();
  if (suffix == ".txt" && detail::is_voc_list(file)) return load_voc(file, options);
  if (suffix == ".data" || suffix == ".yaml" || suffix == ".yml" || suffix == ".txt")
    return load_yolo(path, options);
  require(suffix != ".xml", file.string(),
          "should be the folder of all XML files, got one of them");
  return load_instances(path);
}

/// What identifies annotations, whatever form they have: the text of a COCO file, else of what one
/// would hold.
inline std::string annotations_text(const std::filesystem::path& path,
                                    const AnnotationOptions& options = {}) {
  if (path.extension() == ".json") return read_file(path);
  auto all = options;
  all.missing_pictures = true;  // whoever reads the pictures reports it
  return instances_json(load_annotations(path, all));
}

}  // namespace serpette
