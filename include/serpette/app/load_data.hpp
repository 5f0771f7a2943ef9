#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
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

/// The names of a data set's classes in their order; none if one has no name.
inline std::vector<std::string> class_names(const Instances& instances) {
  std::vector<std::string> names;
  for (const auto& c : instances.categories) names.push_back(c.name);
  if (std::ranges::any_of(names, [](const auto& n) { return n.empty() || is_numbered_class(n); }))
    names.clear();
  return names;
}

/// Whether a network's classes are still to be learnt, so that any order of them is right.
enum class Heads { trained, fresh };

/// Annotations in the order of a network's classes; what had to be changed for that is said.
/// @param names    the network's class names, [classes] or none.
/// @param network  its cfg, which errors name.
/// @param heads    fresh ones take classes without an order of their own as they come.
/// @throws Error  as load_annotations and match_categories.
inline Instances load_matched(const std::filesystem::path& annotations,
                              const std::filesystem::path& images, int classes,
                              const std::vector<std::string>& names, const std::string& network,
                              Heads heads = Heads::trained) {
  auto instances = load_annotations(annotations, {.images = images, .missing_pictures = true});
  if (heads == Heads::fresh) instances.has_class_order = true;
  for (const auto& note : match_categories(instances, classes, names, network))
    fmt::print(stderr, "note: {}\n", note);
  return instances;
}

}  // namespace serpette::cli
