#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/class_names.hpp"

namespace serpette::cli {

/// A network's class names: those of the file that is given, else of the one that travels with it,
/// else none. A file beside it that does not fit is named on standard error and left out.
/// @param given    --names; may be empty.
/// @param beside   names_of_network; may be empty.
/// @param network  what messages call it.
/// @throws Error   if `given` cannot be read, or has not a name per class.
inline std::vector<std::string> network_names(const std::filesystem::path& given,
                                              const std::filesystem::path& beside, int classes,
                                              std::string_view network) {
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
