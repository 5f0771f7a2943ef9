#pragma once

/// @file
/// The text of darknet's cfg files: sections of `key = value` lines, read by type. Knows no layer.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/io/text.hpp"

namespace serpette::detail {

/// One `[kind]` section of a cfg with its `key = value` lines, read by type. Errors name file and
/// line.
class CfgSection {
 public:
  struct Entry {
    std::string key, value;
    int line;
  };

  CfgSection(std::string_view file, std::string kind, int line)
      : file_(file), kind_(std::move(kind)), line_(line) {}

  void add(std::string_view key, std::string_view value, int line) {
    if (key.empty() || value.empty())
      fail(at(line), "should be key = value, got \"{}={}\"", key, value);
    if (const Entry* earlier = find(key)) {
      require(kind_ == "net" || kind_ == "network", at(line),
              "\"{}\" should be given once, was already in line {}", key, earlier->line);
      repeated_.push_back({std::string(key), std::string(value), line});
      return;  // as in darknet, the first wins
    }
    places_.emplace(key, entries_.size());
    entries_.push_back({std::string(key), std::string(value), line});
  }

  [[nodiscard]] const std::string& kind() const { return kind_; }
  [[nodiscard]] int line() const { return line_; }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  /// Lines of [net] that are passed over, since an earlier one gives their key.
  [[nodiscard]] const std::vector<Entry>& repeated() const { return repeated_; }
  [[nodiscard]] std::string at(int line) const { return fmt::format("{}:{}", file_, line); }
  [[nodiscard]] std::string at(std::string_view key) const {
    return at(find(key) ? find(key)->line : line_);
  }
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise) const {
    return find(key) ? find(key)->value : std::string(otherwise);
  }

  [[nodiscard]] int integer(std::string_view key, int otherwise, int low,
                            int high = 1 << 20) const {
    if (!has(key)) return otherwise;
    const auto value = parse<int>(find(key)->value);
    require(value && *value >= low && *value <= high, at(key),
            "{} of [{}] should be a whole number from {} to {}, got \"{}\"", key, kind_, low, high,
            find(key)->value);
    return *value;
  }

  [[nodiscard]] float number(std::string_view key, float otherwise) const {
    if (!has(key)) return otherwise;
    const auto value = parse<float>(find(key)->value);
    require(value.has_value(), at(key), "{} of [{}] should be a number, got \"{}\"", key, kind_,
            find(key)->value);
    return *value;
  }

  /// Comma-separated numbers; empty if the key is absent.
  template <class Number>
  [[nodiscard]] std::vector<Number> list(std::string_view key) const {
    std::vector<Number> values;
    if (!has(key)) return values;
    for (std::string_view rest = find(key)->value;;) {
      const auto comma = rest.find(',');
      const auto value = parse<Number>(trimmed(rest.substr(0, comma)));
      require(value.has_value(), at(key), "{} of [{}] should be {} separated by commas, got \"{}\"",
              key, kind_, std::is_integral_v<Number> ? "whole numbers" : "numbers",
              find(key)->value);
      values.push_back(*value);
      if (comma == std::string_view::npos || trimmed(rest.substr(comma + 1)).empty()) return values;
      rest.remove_prefix(comma + 1);
    }
  }

  /// Refuses keys that serpette does not know: a misspelt key, or a setting that changes the
  /// network, must not be dropped in silence.
  void require_known(const std::vector<std::string_view>& keys) const {
    for (const auto& e : entries_)
      if (std::ranges::find(keys, e.key) == keys.end())
        fail(at(e.line), "key of [{}] should be one of {}, got \"{}\"", kind_,
             fmt::join(keys, ", "), e.key);
  }

 private:
  [[nodiscard]] const Entry* find(std::string_view key) const {
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &entries_[found->second];
  }

  template <class Number>
  static std::optional<Number> parse(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    return parse_number<Number>(text);
  }

  std::string file_, kind_;
  int line_;
  std::vector<Entry> entries_, repeated_;
  std::map<std::string, std::size_t, std::less<>> places_;  // of the keys among the entries
};

/// The sections of a cfg, `[net]` first.
/// @param file    what errors call it.
/// @throws Error  on a line that is neither a section, nor `key = value`, nor a comment.
inline std::vector<CfgSection> split_cfg(std::string_view text, std::string_view file) {
  std::vector<CfgSection> sections;
  int number = 0;
  text = without_mark(text);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto whole = text.substr(0, end);
    const auto line = trimmed(whole.substr(0, whole.find_first_of("#;")));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const auto place = [&] { return fmt::format("{}:{}", file, number); };
    if (line.find('\0') != std::string_view::npos)
      fail(place(), "should be text, got a zero byte: is this a weights file?");
    if (line.empty()) continue;
    if (line.front() == '[') {
      if (line.back() != ']')
        fail(place(), "should be a section such as [convolutional], got \"{}\"", line);
      sections.emplace_back(file, std::string(trimmed(line.substr(1, line.size() - 2))), number);
      continue;
    }
    if (sections.empty()) fail(place(), "should begin with the section [net], got \"{}\"", line);
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) fail(place(), "should be key = value, got \"{}\"", line);
    sections.back().add(trimmed(line.substr(0, equals)), trimmed(line.substr(equals + 1)), number);
  }
  require(!sections.empty() &&
              (sections.front().kind() == "net" || sections.front().kind() == "network"),
          file, "should begin with the section [net], got {}",
          sections.empty() ? "an empty file" : fmt::format("[{}]", sections.front().kind()));
  return sections;
}

}  // namespace serpette::detail
