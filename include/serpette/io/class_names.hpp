#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/io/text.hpp"

namespace serpette {

/// Class names from a text, one a line, in the order of a network's classes: darknet's `.names`.
/// Line breaks of any system; blank lines and blanks at the ends of names are passed over.
/// @throws Error  if the file cannot be read, has no name, or has one twice.
inline std::vector<std::string> load_class_names(const std::filesystem::path& path) {
  const auto text = read_file(path);
  std::vector<std::string> names;
  for (const auto line : lines_of(text))
    if (!line.empty()) names.emplace_back(line);
  require(!names.empty(), path.string(), "should hold class names, one a line, got none");
  require(names.size() <= limits::kCategories, path.string(),
          "should hold at most {} class names, got {}", limits::kCategories, names.size());
  auto sorted = names;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    fail(path.string(), "should hold each class name once, got \"{}\" twice", *twice);
  return names;
}

}  // namespace serpette
