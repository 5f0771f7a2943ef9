#pragma once

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
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

namespace detail {

/// Whether bytes are UTF-8, as JSON wants them: no character cut off or longer than it need be, no
/// surrogate.
inline bool is_utf8(std::string_view text) {
  constexpr std::uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};  // of a character of so many more
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const int ones = std::countl_one(byte(i));  // as many as the character has bytes, none of one
    if (ones == 1 || ones > 4) return false;
    const auto more = static_cast<std::size_t>(std::max(ones - 1, 0));
    if (text.size() - i <= more) return false;
    std::uint32_t code = byte(i) & (0x7Fu >> ones);
    for (std::size_t k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
      code = code << 6 | (byte(i + k) & 0x3Fu);
    }
    if (code < kLeast[more] || code > 0x10FFFF || code >> 11 == 0x1B) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace detail

/// Class names from a text, one a line, in the order of a network's classes: darknet's `.names`.
/// Line breaks of any system; blank lines and blanks at the ends of names are passed over.
/// @throws Error  if the file cannot be read, has no name or has one twice; with the line, if one
/// is no UTF-8, which detections as JSON would lose.
inline std::vector<std::string> load_class_names(const std::filesystem::path& path) {
  const auto text = read_file(path);
  std::vector<std::string> names;
  const auto lines = lines_of(text);
  for (std::size_t l = 0; l < lines.size(); ++l) {
    if (lines[l].empty()) continue;
    if (!detail::is_utf8(lines[l]))
      fail(fmt::format("{}:{}", path.string(), l + 1),
           "should hold a class name in UTF-8, got other bytes: save the file as UTF-8");
    names.emplace_back(lines[l]);
  }
  require(!names.empty(), path.string(), "should hold class names, one a line, got none");
  require(names.size() <= limits::kCategories, path.string(),
          "should hold at most {} class names, got {}", limits::kCategories, names.size());
  auto sorted = names;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    fail(path.string(), "should hold each class name once, got \"{}\" twice", *twice);
  return names;
}

/// What a category is written as: its name, or where it has none its number, by which
/// match_categories finds it again.
inline std::string written_name(const std::vector<CocoCategory>& categories, std::size_t k) {
  const auto& name = categories[k].name;
  return name.empty() ? numbered_class(static_cast<std::int64_t>(k)) : name;
}

/// Refuses names that a list of a line each or tags do not give back: what is written by them has
/// to be read as the same classes.
/// @param source   what errors call the data set.
/// @throws Error   if a category has no name, has one that is no line of UTF-8 without blanks at
/// its ends, or has that of another.
inline void require_class_names(const std::vector<CocoCategory>& categories,
                                std::string_view source) {
  std::unordered_set<std::string_view> seen;
  for (const auto& c : categories) {
    if (c.name.empty()) fail(source, "category {} should have a name, got none", c.id);
    if (!detail::is_utf8(c.name))
      fail(source, "the name of category {} should be UTF-8, got other bytes", c.id);
    constexpr std::string_view kBreaks("\n\r\0", 3);
    const auto lines = lines_of(c.name);
    if (lines.size() != 1 || lines.front() != c.name ||
        c.name.find_first_of(kBreaks) != std::string::npos) {
      auto shown = c.name;  // as one line, as errors are
      for (auto at = shown.find_first_of(kBreaks); at != std::string::npos;
           at = shown.find_first_of(kBreaks))
        shown[at] = ' ';
      fail(source,
           "the name of category {} should be one line without blanks at its ends, got \"{}\"",
           c.id, shown);
    }
    if (!seen.insert(c.name).second)
      fail(source, "each category should have a name of its own, got \"{}\" twice", c.name);
  }
}

/// Writes class names as load_class_names reads them. Where there are none no file is left: one
/// that was there is of another network.
/// @throws Unwritable  if the file cannot be written or removed.
inline void write_class_names(const std::filesystem::path& path,
                              const std::vector<std::string>& names) {
  if (!names.empty()) return write_file(path, fmt::format("{}\n", fmt::join(names, "\n")));
  std::error_code code;
  std::filesystem::remove(path, code);
  require<Unwritable>(!code, path.string(), "should be writable, got \"{}\"", code.message());
}

/// The same for categories: none have names if one has none but its number.
inline void write_class_names(const std::filesystem::path& path,
                              const std::vector<CocoCategory>& classes) {
  std::vector<std::string> names;
  for (const auto& c : classes) names.push_back(c.name);
  if (std::ranges::any_of(
          names, [](const std::string& name) { return name.empty() || is_numbered_class(name); }))
    names.clear();
  write_class_names(path, names);
}

/// The file that stands beside a network's: own.names beside own.weights, own.cfg and own.plan. Any
/// other dot belongs to the name, so that net-0.5 and net-0.9 share no file: net-0.5.names.
inline std::filesystem::path beside_network(std::filesystem::path network,
                                            std::string_view extension) {
  const auto own = network.extension();
  if (own == ".weights" || own == ".cfg" || own == ".plan") network.replace_extension();
  network += extension;
  return network;
}

/// The file of class names that travels with a network: own.names beside own.weights, beside
/// own.last.weights, or beside own.cfg. Empty if there is none.
inline std::filesystem::path names_of_network(const std::filesystem::path& weights,
                                              const std::filesystem::path& cfg) {
  std::vector<std::filesystem::path> places;
  if (!weights.empty()) places.push_back(beside_network(weights, ".names"));
  if (weights.extension() == ".weights" && weights.stem().extension() == ".last")
    places.push_back(weights.parent_path() / weights.stem().replace_extension(".names"));
  if (!cfg.empty()) places.push_back(beside_network(cfg, ".names"));
  std::error_code code;
  for (const auto& file : places)
    if (std::filesystem::is_regular_file(file, code)) return file;
  return {};
}

}  // namespace serpette
