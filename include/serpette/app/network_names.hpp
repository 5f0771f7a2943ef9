#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/formats/darknet/weights_file.hpp"
#include "serpette/io/class_names.hpp"

namespace serpette::cli {

/// A network's class names: those of the file that is given, else of the one that travels with it,
/// beside its weights or its cfg, else none. A file beside it that does not fit is named on
/// standard error and left out; what travels with a part of a network (a name ending in .conv.N) is
/// another network's.
/// @param given    --names; may be empty.
/// @param weights  or a plan; may be empty.
/// @param cfg      may be empty.
/// @param network  what messages call it.
/// @throws Error   if `given` cannot be read, or has not a name per class.
inline std::vector<std::string> network_names(const std::filesystem::path& given,
                                              const std::filesystem::path& weights,
                                              const std::filesystem::path& cfg, int classes,
                                              std::string_view network) {
  const auto beside =
      names_of_network(partial_cutoff(weights) ? std::filesystem::path() : weights, cfg);
  if (given.empty() && beside.empty()) return {};
  auto names = load_class_names(given.empty() ? beside : given);
  if (static_cast<int>(names.size()) == classes) return names;
  require(given.empty(), given.string(), "should hold {} names, one per class of {}, got {}",
          classes, network, names.size());
  fmt::print(stderr, "note: {} holds {} names and is not this network's, of {} classes\n",
             beside.string(), names.size(), classes);
  return {};
}

}  // namespace serpette::cli
