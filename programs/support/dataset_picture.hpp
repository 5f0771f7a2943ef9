#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "serpette/data/data_statistics.hpp"

namespace serpette::cli {

/// Statistics as a picture (SVG): boxes of each class, and how large they are in their pictures.
inline std::string statistics_svg(const DataStatistics& s) {
  constexpr int kRow = 22, kLabel = 170, kBar = 420, kWidth = kLabel + kBar + 80, kTop = 34;
  constexpr std::size_t kBins = 10, kMostClasses = 100;
  std::array<std::int64_t, kBins> bins{};
  for (const double side : s.sides)
    ++bins[std::min(kBins - 1, static_cast<std::size_t>(std::max(side, 0.0) * kBins))];
  const auto classes = std::min(kMostClasses, s.classes.size());

  std::string out;
  const auto to = std::back_inserter(out);
  int y = 0;
  const auto escaped = [](std::string_view text) {
    std::string safe;
    for (const char c : text)
      safe += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
    return safe;
  };
  const auto title = [&](std::string_view text) {
    y += kTop;
    fmt::format_to(to, "<text x='8' y='{}' font-weight='bold'>{}</text>\n", y - 10, text);
  };
  const auto bar = [&](const std::string& label, std::int64_t value, std::int64_t most) {
    const double length = most > 0 ? double(kBar) * double(value) / double(most) : 0;
    fmt::format_to(to,
                   "<text x='{}' y='{}' text-anchor='end'>{}</text>"
                   "<rect x='{}' y='{}' width='{:.1f}' height='{}' fill='#3b6ea5'/>"
                   "<text x='{:.1f}' y='{}'>{}</text>\n",
                   kLabel - 8, y + 15, escaped(label), kLabel, y + 3, length, kRow - 6,
                   kLabel + length + 6, y + 15, value);
    y += kRow;
  };
  title(fmt::format("{} boxes in {} pictures, by class", s.boxes, s.images));
  std::int64_t most = 0;
  for (const auto& c : s.classes) most = std::max(most, c.boxes);
  for (std::size_t k = 0; k < classes; ++k) bar(s.classes[k].name, s.classes[k].boxes, most);
  title("Side of a box, part of its picture's");
  most = *std::ranges::max_element(bins);
  for (std::size_t b = 0; b < kBins; ++b)
    bar(fmt::format("{:.1f} to {:.1f}", double(b) / kBins, double(b + 1) / kBins), bins[b], most);
  return fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' viewBox='0 0 {0} {1}' "
      "font-family='sans-serif' font-size='13'>\n<rect width='100%' height='100%' "
      "fill='white'/>\n{2}</svg>\n",
      kWidth, y + 12, out);
}

}  // namespace serpette::cli
