#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

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

/// Whether a folder holds Pascal VOC's annotations, or is that of their XML itself.
inline bool is_voc_folder(const std::filesystem::path& folder) {
  return std::filesystem::is_directory(folder / "Annotations") || !files_of(folder, is_xml).empty();
}

/// The only JSON of a folder that no YAML describes; empty if there is none.
inline std::filesystem::path json_of(const std::filesystem::path& folder) {
  if (!yaml_of(folder).empty()) return {};
  const auto files = files_of(
      folder, [](const std::filesystem::path& file) { return file.extension() == ".json"; });
  return files.size() == 1 ? files.front() : std::filesystem::path();
}

}  // namespace detail

/// Reads YOLO's labels: darknet's `.data`, `data.yaml`, a list of pictures, or a folder of labels
/// or with `data.yaml` or one other YAML.
/// @throws Error  naming the file, if it is none of these or cannot be read, or if no picture has a
/// file of labels.
inline Instances load_yolo(const std::filesystem::path& path,
                           const AnnotationOptions& options = {}) {
  const auto [file, part] = detail::part_of(path);
  if (std::filesystem::is_directory(file)) {
    if (const auto yaml = detail::yaml_of(file); !yaml.empty())
      return detail::load_yolo_yaml(yaml, part, options);
    const auto texts = files_of(
        file, [](const std::filesystem::path& entry) { return entry.extension() == ".txt"; });
    require(!texts.empty(), file.string(),
            "should hold annotations: Pascal VOC's XML, YOLO's labels, one data.yaml or one JSON, "
            "got none of them");
    return detail::load_yolo_folder(file, options);
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
/// | a folder | of what it holds: Pascal VOC's XML (or `Annotations` with it), `data.yaml` or one
/// other YAML, one JSON, YOLO labels |
///
/// @return        file names relative to `options.images` if given and inside, else whole paths
/// (COCO's as they are, and bare where Pascal VOC's picture was not found).
/// @throws Error  naming the file, if it cannot be read or is not what its name says.
inline Instances load_annotations(const std::filesystem::path& path,
                                  const AnnotationOptions& options = {}) {
  namespace fs = std::filesystem;
  const auto [file, part] = detail::part_of(path);
  if (fs::is_directory(file)) {
    if (detail::is_voc_folder(file)) return load_voc(file, options);
    if (const auto json = detail::json_of(file); !json.empty()) return load_instances(json);
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

/// The files and folders that annotations are made of, all their parts: an output among them would
/// replace some of the data set, or change what its labels mean. For `require_no_input`.
/// @param path    as of load_annotations; what is not there is made of itself.
/// @throws Error  if a file that names others cannot be read.
inline std::vector<std::filesystem::path> files_of_annotations(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  if (path.empty()) return {};
  const auto file = detail::part_of(path).file;
  std::vector<fs::path> files{file};
  std::error_code code;
  auto door = file;
  if (fs::is_directory(file, code)) {
    if (detail::is_voc_folder(file)) {
      files.push_back(file / "Annotations");  // which may be a link
      return files;
    }
    if (auto json = detail::json_of(file); !json.empty()) {
      files.push_back(std::move(json));
      return files;
    }
    if (auto yaml = detail::yaml_of(file); !yaml.empty()) door = std::move(yaml);
  } else if (!fs::is_regular_file(file, code)) {
    return files;  // nothing, or a pipe, which is read once
  }
  const auto suffix = door.extension();
  if (door == file && suffix == ".txt" && detail::is_voc_list(file)) {
    files.push_back(fs::absolute(file).parent_path().parent_path().parent_path() / "Annotations");
  } else if (fs::is_directory(door, code) || suffix == ".data" || suffix == ".yaml" ||
             suffix == ".yml" || suffix == ".txt") {
    const auto more = detail::files_of_yolo(door);
    files.insert(files.end(), more.begin(), more.end());
  }
  return files;
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
