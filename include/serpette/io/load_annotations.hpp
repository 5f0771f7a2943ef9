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
  auto file = path;
  std::string part = "train";
  if (const auto text = path.string(); !fs::exists(path))
    if (const auto colon = text.rfind(':'); colon != std::string::npos && colon > 0) {
      file = text.substr(0, colon);
      part = text.substr(colon + 1);
    }
  if (fs::is_directory(file)) {
    const auto holds = [&](auto&& wanted) { return files_of(file, wanted); };
    const auto ends = [](std::string_view suffix) {
      return [suffix](const fs::path& entry) { return entry.extension() == suffix; };
    };
    if (fs::is_directory(file / "Annotations") || !holds(ends(".xml")).empty())
      return load_voc(file, options);
    if (const auto yaml = holds(ends(".yaml")); yaml.size() == 1)
      return detail::load_yolo_yaml(yaml.front(), part, options);
    if (const auto json = holds(ends(".json")); json.size() == 1)
      return load_instances(json.front());
    if (!holds(ends(".txt")).empty()) return detail::load_yolo_folder(file, options);
    fail(file.string(),
         "should hold annotations: Pascal VOC's XML, YOLO's labels, one data.yaml or one JSON, got "
         "none of them");
  }
  const auto suffix = file.extension();
  if (suffix == ".data") return detail::load_yolo_data(file, part, options);
  if (suffix == ".yaml" || suffix == ".yml") return detail::load_yolo_yaml(file, part, options);
  if (suffix == ".txt") {
    if (fs::is_directory(fs::absolute(file).parent_path().parent_path().parent_path() /
                         "Annotations"))
      return load_voc(file, options);
    return yolo_instances(detail::listed_pictures(file), {},
                          options.names.empty() ? detail::names_beside(file) : options.names,
                          options.images, file.string());
  }
  require(suffix != ".xml", file.string(),
          "should be the folder of all XML files, got one of them");
  return load_instances(path);
}

/// What identifies annotations, whatever form they have: the text of a COCO file, else of what one
/// would hold.
inline std::string annotations_text(const std::filesystem::path& path,
                                    const AnnotationOptions& options = {}) {
  if (path.extension() == ".json") return read_file(path);
  return instances_json(load_annotations(path, options));
}

}  // namespace serpette
