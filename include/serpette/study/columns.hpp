#pragma once

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// What a column of a study's tables tells.
enum class Role {
  kIdentity,  ///< Which row it is.
  kPolicy,    ///< What made it, for people and groups.
  kQuality,   ///< How well it detects.
  kTime,      ///< How long it takes to use [ms]: a clock's word, never the same twice.
  kSize,      ///< How much of it there is.
  kCost,      ///< How long it took to make [s]: a clock's word, too.
};

/// One column of a table: its name, what it means, and the member of a row that it reads and
/// writes. A table is an array of these: writer, reader, reports and the documentation follow.
template <class Row>
struct Column {
  using Member =
      std::variant<std::string Row::*, std::int64_t Row::*, std::uint64_t Row::*, double Row::*>;

  std::string_view name;
  Role role;
  Member member;
  std::string_view unit;     ///< Empty where there is none.
  std::string_view meaning;  ///< One line.
  /// What a text must be, and how it is kept; throws Error.
  std::string (*accept)(std::string_view text) = nullptr;
  bool later = false;  ///< Tables of earlier versions lack it; it then reads as the row's default.

  /// The field of a row as it is written (write_value).
  [[nodiscard]] std::string text(const Row& row) const {
    std::string text;
    std::visit([&](auto field) { write_value(std::back_inserter(text), row.*field); }, member);
    return text;
  }
  /// The field as a number; of a text none.
  [[nodiscard]] std::optional<double> number(const Row& row) const {
    return std::visit(
        [&](auto field) -> std::optional<double> {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(row.*field)>>)
            return static_cast<double>(row.*field);
          else
            return std::nullopt;
        },
        member);
  }
};

/// The table of these rows as comma-separated text, names first.
template <class Row, std::size_t N>
std::string table_text(const std::array<Column<Row>, N>& columns,
                       std::type_identity_t<std::span<const Row>> rows) {
  CsvWriter csv;
  std::vector<std::string> fields;
  for (const auto& column : columns) fields.emplace_back(column.name);
  csv.row_of(fields);
  for (const auto& row : rows) {
    fields.clear();
    for (const auto& column : columns) fields.push_back(column.text(row));
    csv.row_of(fields);
  }
  return std::string(csv.text());
}

/// Reads such a text; columns stand in any order, and others beside them are passed over.
/// @param name    what stands for the file in errors.
/// @throws Error  with file and line, if a column is missing or a field is not what it should be.
template <class Row, std::size_t N>
std::vector<Row> parse_table(const std::array<Column<Row>, N>& columns, const std::string& name,
                             std::string text) {
  const CsvReader head(name, text, {});
  std::vector<const Column<Row>*> there;
  std::vector<std::string_view> names;
  for (const auto& column : columns) {
    if (column.later && !head.column(column.name)) continue;
    there.push_back(&column);
    names.push_back(column.name);
  }
  CsvReader csv(name, std::move(text), names);
  std::vector<Row> rows;
  while (csv.next()) {
    Row row;
    for (std::size_t k = 0; k < there.size(); ++k)
      std::visit(
          [&](auto field) {
            auto& value = row.*field;
            using Value = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<Value, double>) {
              value = csv.number_or_nan(k);
              require(!(std::abs(value) > limits::kMagnitude), csv.place(),
                      "{} should be at most {} in magnitude, got {}", names[k], limits::kMagnitude,
                      value);
            } else if constexpr (std::is_same_v<Value, std::int64_t>) {
              value = csv.integer(k);
            } else if constexpr (std::is_same_v<Value, std::uint64_t>) {
              value = csv.natural(k);
            } else if (const auto accept = there[k]->accept) {
              try {
                value = accept(csv.text(k));
              } catch (const Error& error) {
                fail(csv.place(), "{}", error.what());
              }
            } else {
              value = csv.text(k);
            }
          },
          there[k]->member);
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Reads a table from a file.
template <class Row, std::size_t N>
std::vector<Row> read_table(const std::array<Column<Row>, N>& columns,
                            const std::filesystem::path& path) {
  return parse_table(columns, path.string(), read_file(path));
}

/// The columns for the documentation: a row of a Markdown table each.
template <class Row, std::size_t N>
std::string columns_markdown(const std::array<Column<Row>, N>& columns) {
  std::string text = "| Column | Type | Unit | Meaning |\n| --- | --- | --- | --- |\n";
  for (const auto& c : columns) {
    static constexpr std::string_view kTypes[] = {"text", "whole number", "whole number from 0",
                                                  "number"};
    text += fmt::format("| `{}` | {} | {} | {} |\n", c.name, kTypes[c.member.index()], c.unit,
                        c.meaning);
  }
  return text;
}

}  // namespace serpette
