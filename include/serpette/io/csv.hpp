#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// Reads comma-separated values (RFC 4180: quotes, doubled quotes, line breaks inside quotes; LF or
/// CRLF) row by row. Columns are found by the names in the first line, in whatever order; columns
/// nobody asks for are allowed.
///
///     CsvReader csv(path, {"x", "y"});
///     while (csv.next()) use(csv.number(0), csv.number(1));
class CsvReader {
 public:
  /// @param columns  names that must be there; their positions here are the indices of the
  /// accessors below.
  /// @throws Error   if the file cannot be read, is empty, or lacks a column or has it
  /// twice.
  CsvReader(const std::filesystem::path& path, std::span<const std::string_view> columns)
      : CsvReader(path.string(), read_file(path), columns) {}
  CsvReader(const std::filesystem::path& path, std::initializer_list<std::string_view> columns)
      : CsvReader(path, std::span(columns.begin(), columns.size())) {}

  /// Reads text that is in memory already; `name` stands for the file in errors.
  CsvReader(std::string name, std::string text, std::span<const std::string_view> columns)
      : name_(std::move(name)), text_(std::move(text)) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // the byte order mark that spreadsheets write
    require(split(), name_, "should begin with a line of column names, got an empty file");
    header_.assign(fields_.begin(), fields_.end());
    for (const auto wanted : columns) {
      const auto found = column(wanted);
      require(found.has_value(), place(), "should have the columns {}; \"{}\" is missing in \"{}\"",
              fmt::join(columns, ","), wanted, fmt::join(header_, ","));
      require(std::ranges::count(header_, wanted) == 1, place(),
              "should have the column \"{}\" once, got it {} times", wanted,
              std::ranges::count(header_, wanted));
      order_.push_back(*found);
      names_.emplace_back(wanted);
    }
  }

  /// Position of a column in the file, for those that may be missing.
  [[nodiscard]] std::optional<std::size_t> column(std::string_view name) const {
    for (std::size_t i = 0; i < header_.size(); ++i)
      if (header_[i] == name) return i;
    return std::nullopt;
  }
  [[nodiscard]] const std::vector<std::string>& header() const { return header_; }

  /// Goes to the next row; false at the end. Empty lines are skipped.
  /// @throws Error  if the row has another number of fields than the first line.
  bool next() {
    do {
      if (!split()) return false;
    } while (fields_.size() == 1 && fields_.front().empty() && header_.size() > 1);
    require(fields_.size() == header_.size(), place(), "should have {} fields ({}), got {}",
            header_.size(), fmt::join(header_, ","), fields_.size());
    return true;
  }

  /// A field of the current row, by position in the list of wanted columns; valid until the next
  /// `next()`.
  [[nodiscard]] std::string_view text(std::size_t wanted) const { return fields_[order_[wanted]]; }
  /// A field of the current row, by position in the file.
  [[nodiscard]] std::string_view at(std::size_t position) const { return fields_[position]; }

  /// @throws Error  unless the field is a finite decimal number.
  [[nodiscard]] double number(std::size_t wanted) const {
    const auto value = parse<double>(wanted, "a number");
    require(std::isfinite(value), place(), "{} should be finite, got \"{}\"", names_[wanted],
            text(wanted));
    return value;
  }
  /// As number(), but an empty field or "nan" is NaN: "not measured".
  [[nodiscard]] double number_or_nan(std::size_t wanted) const {
    const auto field = text(wanted);
    if (field.empty() || field == "nan" || field == "NaN")
      return std::numeric_limits<double>::quiet_NaN();
    return number(wanted);
  }
  /// @throws Error  unless the field is a whole number.
  [[nodiscard]] std::int64_t integer(std::size_t wanted) const {
    return parse<std::int64_t>(wanted, "a whole number");
  }
  /// @throws Error  unless the field is a whole number in [0, 2⁶⁴).
  [[nodiscard]] std::uint64_t natural(std::size_t wanted) const {
    return parse<std::uint64_t>(wanted, "a whole number from 0");
  }

  /// file:line of the current row, for errors.
  [[nodiscard]] std::string place() const { return fmt::format("{}:{}", name_, row_line_); }

 private:
  template <class Number>
  [[nodiscard]] Number parse(std::size_t wanted, std::string_view kind) const {
    const auto field = text(wanted);
    Number value{};
    const auto [end, code] = std::from_chars(field.data(), field.data() + field.size(), value);
    const bool whole = end == field.data() + field.size() && !field.empty();
    require(code != std::errc::result_out_of_range || !whole, place(),
            "{} should be {}, got {}, which is out of range", names_[wanted], kind, field);
    require(code == std::errc{} && whole, place(), "{} should be {}, got \"{}\"", names_[wanted],
            kind, field);
    return value;
  }

  /// Splits the next line of the file into fields_; false at its end.
  bool split() {
    fields_.clear();
    unquoted_.clear();
    if (at_ >= text_.size()) return false;
    row_line_ = line_;
    const std::string_view text = text_;
    for (;;) {
      require(fields_.size() < limits::kColumns, place(), "should have at most {} fields, got more",
              limits::kColumns);
      if (at_ < text.size() && text[at_] == '"') {
        quoted_field();
      } else {
        const auto end = std::min(text.find_first_of(",\r\n", at_), text.size());
        fields_.push_back(text.substr(at_, end - at_));
        at_ = end;
      }
      if (at_ >= text.size()) return true;
      if (text[at_] == ',') {
        ++at_;
        continue;
      }
      if (text[at_] == '\r') ++at_;
      if (at_ < text.size() && text[at_] == '\n') ++at_;
      ++line_;
      return true;
    }
  }

  void quoted_field() {
    std::string field;
    for (++at_;;) {
      require(at_ < text_.size(), place(),
              "a quoted field should be closed by \", got the end of the file");
      const char c = text_[at_++];
      if (c == '\n') ++line_;
      if (c != '"') {
        field += c;
      } else if (at_ < text_.size() && text_[at_] == '"') {
        field += '"';
        ++at_;
      } else {
        break;
      }
    }
    require(at_ >= text_.size() || text_[at_] == ',' || text_[at_] == '\n' || text_[at_] == '\r',
            place(), "a closing \" should be followed by a comma or the line's end, got \"{}\"",
            text_[at_]);
    fields_.emplace_back(unquoted_.emplace_back(std::move(field)));
  }

  std::string name_, text_;
  std::size_t at_ = 0;
  int line_ = 1, row_line_ = 1;
  std::vector<std::string> header_, names_;
  std::vector<std::size_t> order_;
  std::vector<std::string_view> fields_;
  std::deque<std::string>
      unquoted_;  // what fields_ sees of quoted fields; a deque does not move its strings
};

/// Writes what is no text as tables have it: numbers with the fewest digits that read back the
/// same, and "nan" whatever sign it got, which depends on the CPU.
template <class Out, class Value>
Out write_value(Out to, const Value& value) {
  if constexpr (std::is_floating_point_v<Value>)
    if (std::isnan(value)) return fmt::format_to(to, "nan");
  return fmt::format_to(to, "{}", value);
}

/// Builds comma-separated text. Texts are quoted where they need it, all else is as write_value has
/// it.
class CsvWriter {
 public:
  template <class... Fields>
  void row(const Fields&... fields) {
    bool first = true;
    ((field(fields, first), first = false), ...);
    text_.push_back('\n');
  }
  /// A row whose length is known at run time.
  void row_of(std::span<const std::string> fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) field(fields[i], i == 0);
    text_.push_back('\n');
  }

  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  template <class Field>
  void field(const Field& value, bool first) {
    if (!first) text_.push_back(',');
    if constexpr (std::is_convertible_v<const Field&, std::string_view>) {
      const std::string_view text = value;
      if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        text_.append(text);
      } else {
        text_.push_back('"');
        for (const char c : text) {
          if (c == '"') text_.push_back('"');
          text_.push_back(c);
        }
        text_.push_back('"');
      }
    } else {
      write_value(std::back_inserter(text_), value);
    }
  }

  // Not fmt's buffer: LibTorch brings an fmt of its own, and what sources with and without LibTorch
  // share in a program must not be laid out by it.
  std::string text_;
};

}  // namespace serpette
