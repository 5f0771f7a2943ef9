#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/data/match_categories.hpp"
#include "serpette/io/load_annotations.hpp"

namespace serpette::cli {

/// What --help says of every option that takes annotations.
inline constexpr std::string_view kAnnotationsHelp =
    "COCO's JSON, a folder of Pascal VOC's XML or of YOLO's labels,\na .data file or data.yaml "
    "(behind a colon which part of it: obj.data:valid)";

/// Annotations in the order of a network's classes; what had to be changed for that is said.
/// @throws Error  as load_annotations and match_categories.
inline Instances load_matched(const std::filesystem::path& annotations,
                              const std::filesystem::path& images, int classes,
                              const std::vector<std::string>& names, std::string_view network) {
  auto instances = load_annotations(annotations, {.images = images});
  for (const auto& note : match_categories(instances, classes, names, network))
    fmt::print(stderr, "note: {}\n", note);
  return instances;
}

}  // namespace serpette::cli
