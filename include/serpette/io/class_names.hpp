#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/io/text.hpp"

namespace serpette {

/// What a class without a name is called, by its index from 0.
inline std::string numbered_class(std::int64_t index) { return fmt::format("class {}", index); }

/// Whether a name is only a number, as numbered_class gives.
inline bool is_numbered_class(std::string_view name) {
  return name.starts_with("class ") && name.size() > 6 &&
         name.find_first_not_of("0123456789", 6) == std::string_view::npos;
}

/// What a class's name comes to: capitals, blanks, hyphens and underscores apart, and the six that
/// Pascal VOC and darknet's `coco.names` call otherwise than COCO does under COCO's name.
inline std::string plain_class_name(std::string_view name) {
  std::string text;
  for (const unsigned char c : name)
    if (c != ' ' && c != '_' && c != '-') text += static_cast<char>(std::tolower(c));
  constexpr std::pair<std::string_view, std::string_view> kOther[] = {
      {"aeroplane", "airplane"},
      {"motorbike", "motorcycle"},
      {"sofa", "couch"},
      {"tvmonitor", "tv"}};  // "diningtable" and "pottedplant" differ by a blank
  for (const auto& [voc, coco] : kOther)
    if (text == voc) text = coco;
  return text;
}

/// Whether two names mean one class.
inline bool same_class(std::string_view a, std::string_view b) {
  return plain_class_name(a) == plain_class_name(b);
}

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

/// Writes class names as load_class_names reads them; no file if a class has none but its number.
inline void write_class_names(const std::filesystem::path& path,
                              const std::vector<CocoCategory>& classes) {
  std::string text;
  for (const auto& c : classes) {
    if (c.name.empty() || is_numbered_class(c.name)) return;
    text += c.name + '\n';
  }
  write_file(path, text);
}

/// The file of class names that travels with a network: own.names beside own.weights, beside
/// own.last.weights, or beside own.cfg. Empty if there is none.
inline std::filesystem::path names_of_network(const std::filesystem::path& weights,
                                              const std::filesystem::path& cfg) {
  const auto named = [](std::filesystem::path file) { return file.replace_extension(".names"); };
  auto shorter = weights;
  shorter.replace_extension();  // own.last
  std::error_code code;
  for (const auto& file : {named(weights), named(shorter), named(cfg)})
    if (file != ".names" && std::filesystem::is_regular_file(file, code)) return file;
  return {};
}

}  // namespace serpette
