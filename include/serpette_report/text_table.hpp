#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette_report/markup.hpp"

namespace serpette {

/// A table of printed text: the first column names the rows.
struct TextTable {
  std::string name;  ///< File name without extension, e.g. "table_V".
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  ///< As long as the header each.
  std::size_t rule_before = 0;  ///< LaTeX: a rule stands before this row; 0 for none.
};

inline std::string to_csv(const TextTable& table) {
  CsvWriter csv;
  csv.row_of(table.header);
  for (const auto& row : table.rows) csv.row_of(row);
  return std::string(csv.text());
}

/// For a terminal: columns in line, the first to the left and the others to the right.
inline std::string to_text(const TextTable& table) {
  const auto width = [](std::string_view text) {  // characters of UTF-8, not bytes
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  };
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    widths.push_back(width(table.header[i]));
    for (const auto& row : table.rows) widths[i] = std::max(widths[i], width(row[i]));
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string space(widths[i] - width(cells[i]), ' ');
      text += i == 0 ? cells[i] + space : "  " + space + cells[i];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  auto text = line(table.header);
  for (const auto& row : table.rows) text += line(row);
  return text;
}

inline std::string to_markdown(const TextTable& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const auto& cell : cells) {
      text += ' ';
      for (const char c : cell) text += c == '|' ? std::string("\\|") : std::string(1, c);
      text += " |";
    }
    return text + "\n";
  };
  std::string text = table.title.empty() ? std::string() : fmt::format("**{}**\n\n", table.title);
  text += line(table.header) + "|";
  for (std::size_t i = 0; i < table.header.size(); ++i) text += i == 0 ? " :-- |" : " --: |";
  text += '\n';
  for (const auto& row : table.rows) text += line(row);
  return text;
}

/// A `table` environment in the style of booktabs.
inline std::string to_latex(const TextTable& table) {
  const auto escaped = [](std::string_view text) {
    std::string safe;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (text.substr(i).starts_with("×")) {
        safe += "$\\times$", i += std::string_view("×").size() - 1;
      } else if (text.substr(i).starts_with("–")) {
        safe += "--", i += std::string_view("–").size() - 1;
      } else if (text.substr(i).starts_with("±")) {
        safe += "$\\pm$", i += std::string_view("±").size() - 1;
      } else {
        if (std::string_view("%&_#${}").find(c) != std::string_view::npos) safe += '\\';
        safe += c;
      }
    }
    return safe;
  };
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (const auto& cell : cells) text += (text.empty() ? "" : " & ") + escaped(cell);
    return text + " \\\\\n";
  };
  std::string text = fmt::format(
      "\\begin{{table}}\n\\centering\n\\caption{{{}}}\n\\label{{tab:{}}}\n\\begin{{tabular}}{{l{}}}"
      "\n\\toprule\n",
      escaped(table.title), table.name, std::string(table.header.size() - 1, 'r'));
  text += line(table.header) + "\\midrule\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (i > 0 && i == table.rule_before) text += "\\midrule\n";
    text += line(table.rows[i]);
  }
  return text + "\\bottomrule\n\\end{tabular}\n\\end{table}\n";
}

/// Percentages do not break over lines.
/// @param kind  the table's class, for the page's style; "" for none.
inline std::string to_html(const TextTable& table, std::string_view kind = "") {
  const auto cells = [](const std::vector<std::string>& texts, std::string_view tag) {
    std::string row = "<tr>";
    for (const auto& text : texts) {
      auto cell = escape_xml(text);
      for (std::size_t at = 0; (at = cell.find(" %", at)) != std::string::npos;)
        cell.replace(at, 1, "&nbsp;");
      row += fmt::format("<{0}>{1}</{0}>", tag, cell);
    }
    return row + "</tr>";
  };
  std::string text = fmt::format("<div class=\"scroll\"><table{}><thead>{}</thead><tbody>",
                                 kind.empty() ? std::string() : fmt::format(" class=\"{}\"", kind),
                                 cells(table.header, "th"));
  for (const auto& row : table.rows) text += cells(row, "td");
  return text + "</tbody></table></div>";
}

}  // namespace serpette
