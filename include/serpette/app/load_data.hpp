#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/data/match_categories.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/load_annotations.hpp"

namespace serpette::cli {

/// What --help says of every option that takes annotations.
inline constexpr std::string_view kAnnotationsHelp =
    "COCO's JSON, a folder of Pascal VOC's XML or of YOLO's labels,\na .data file or data.yaml "
    "(behind a colon which part of it: obj.data:valid)";

/// Annotations in the order of a network's classes; what had to be changed for that is said.
/// @param names  the network's class names, [classes]; empty: those of the .names file beside its
/// cfg, if it is one of so many classes.
/// @throws Error  as load_annotations and match_categories.
inline Instances load_matched(const std::filesystem::path& annotations,
                              const std::filesystem::path& images, int classes,
                              std::vector<std::string> names, const std::filesystem::path& cfg) {
  auto instances = load_annotations(annotations, {.images = images});
  if (const auto beside = names.empty() ? names_of_network({}, cfg) : std::filesystem::path();
      !beside.empty())
    if (auto known = load_class_names(beside); static_cast<int>(known.size()) == classes)
      names = std::move(known);
  for (const auto& note : match_categories(instances, classes, names, cfg.string()))
    fmt::print(stderr, "note: {}\n", note);
  return instances;
}

}  // namespace serpette::cli
