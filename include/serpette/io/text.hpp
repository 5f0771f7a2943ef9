#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace serpette {

/// What editors of Windows put before a text.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Text without the mark before it.
inline std::string_view without_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

/// Without blanks, tabs and carriage returns at either end.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\f\v";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

/// The lines of a text from any system (LF, CRLF, with or without a last line break), trimmed;
/// empty ones stay, so that line n is at n − 1. Byte order marks before a line are passed over:
/// files that were put together have them within. Views of `text`.
inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = trimmed(text.substr(0, end));
    while (line.starts_with(kByteOrderMark)) line = trimmed(without_mark(line));
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace serpette
