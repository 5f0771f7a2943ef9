#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/fingerprint.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// A small text that says what files are and what they depend on, one `name: value` a line, the
/// last of them its own checksum. It is written after the files; where it is missing or damaged,
/// or the files are not those it tells of, they count as not there.
class Seal {
 public:
  /// @param value  one line.
  void set(std::string_view name, std::string_view value) {
    entries_.emplace_back(name, value);
    for (char& c : entries_.back().second)
      if (c == '\n' || c == '\r') c = ' ';
  }
  void set(std::string_view name, std::int64_t value) { set(name, fmt::to_string(value)); }
  void set(std::string_view name, double value) { set(name, fmt::format("{}", value)); }
  /// Records a file beside the seal as it is now.
  /// @throws Error  if it cannot be read.
  void set_file(const std::filesystem::path& file) { set_file(file, read_file(file)); }
  /// Records what a file is, or may come to be: of several records any holds.
  void set_file(const std::filesystem::path& file, std::string_view bytes) {
    set(file.filename().string(), record(bytes));
  }

  /// The value of that name; empty if there is none.
  [[nodiscard]] std::string_view text(std::string_view name) const {
    for (const auto& [key, value] : entries_)
      if (key == name) return value;
    return {};
  }
  /// @throws Error  if there is no such number.
  template <class Number>
  [[nodiscard]] Number number(std::string_view name) const {
    const auto field = text(name);
    const auto value = parse_number<Number>(field);
    require(value.has_value(), name, "should be a number, got \"{}\"", field);
    return *value;
  }

  /// Whether a file is there in a size that was recorded.
  [[nodiscard]] bool has_size_of(const std::filesystem::path& file) const {
    std::error_code code;
    const auto size = std::filesystem::file_size(file, code);
    return !code && any_record(file, [start = fmt::format("{} bytes ", size)](const auto& text) {
      return text.starts_with(start);
    });
  }
  /// Whether a file is there, byte for byte as it was recorded.
  [[nodiscard]] bool holds(const std::filesystem::path& file) const {
    if (!has_size_of(file)) return false;
    return any_record(file,
                      [now = record(read_file(file))](const auto& text) { return text == now; });
  }

  void write(const std::filesystem::path& path) const {
    const auto told = lines();
    write_file(path, fmt::format("{}checksum: {}\n", told, fingerprint(told)));
  }
  /// None if there is no such file, or it was changed since it was written.
  static std::optional<Seal> read(const std::filesystem::path& path) {
    std::error_code code;
    if (!std::filesystem::is_regular_file(path, code)) return std::nullopt;
    const auto all = read_file(path);
    Seal seal;
    for (std::string_view rest = all; !rest.empty();) {
      const auto end = rest.find('\n'), colon = rest.find(": ");
      if (end == std::string_view::npos || colon == std::string_view::npos || colon > end)
        return std::nullopt;
      seal.set(rest.substr(0, colon), rest.substr(colon + 2, end - colon - 2));
      rest.remove_prefix(end + 1);
    }
    if (seal.entries_.empty() || seal.entries_.back().first != "checksum") return std::nullopt;
    const auto checksum = seal.entries_.back().second;
    seal.entries_.pop_back();
    if (checksum != fingerprint(seal.lines())) return std::nullopt;
    return seal;
  }

 private:
  static std::string record(std::string_view bytes) {
    return fmt::format("{} bytes {}", bytes.size(), fingerprint(bytes));
  }
  template <class Predicate>
  [[nodiscard]] bool any_record(const std::filesystem::path& file, const Predicate& is_it) const {
    return std::ranges::any_of(entries_, [&, name = file.filename().string()](const auto& entry) {
      return entry.first == name && is_it(entry.second);
    });
  }

  [[nodiscard]] std::string lines() const {
    std::string text;
    for (const auto& [name, value] : entries_) text += fmt::format("{}: {}\n", name, value);
    return text;
  }

  std::vector<std::pair<std::string, std::string>> entries_;
};

}  // namespace serpette
