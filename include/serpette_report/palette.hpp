#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/scenario/catalogue.hpp"

/// @file
/// Colours of pages and figures. All that is read, and every line that a reader follows, stands out
/// from what is behind it by 4.5 : 1 or more, on light pages and on dark ones; a test computes it.

namespace serpette {

/// One colour on light pages and figures, and its like on dark pages.
struct Hue {
  std::string_view light, dark;
};

/// Series: hues after Okabe and Ito (2008), which colour-blind readers tell apart, darkened for
/// white and lightened for dark pages; a shape and a dash stand besides.
inline constexpr std::array<Hue, 12> kHues{{{"#0072b2", "#5fb5f0"},
                                            {"#b34a00", "#ff9152"},
                                            {"#00795a", "#35c79e"},
                                            {"#a3457f", "#e79cc6"},
                                            {"#595959", "#b4bac1"},
                                            {"#7d5f00", "#dfb33c"},
                                            {"#00707f", "#4fcfdf"},
                                            {"#b3202c", "#ff8088"},
                                            {"#5f3fae", "#b4a1f5"},
                                            {"#1b1f24", "#e6e9ed"},
                                            {"#4d7300", "#a5cf4a"},
                                            {"#a8168f", "#ff8ee6"}}};

/// What a page is made of, beside the hues: name of the CSS variable, and its colours.
struct ThemeColor {
  std::string_view name;
  Hue hue;
};
inline constexpr std::array<ThemeColor, 8> kTheme{{{"bg", {"#f6f7f9", "#0f1318"}},
                                                   {"panel", {"#ffffff", "#171c23"}},
                                                   {"ink", {"#1b1f24", "#e6e9ed"}},
                                                   {"soft", {"#57606a", "#9aa4af"}},
                                                   {"line", {"#d8dee4", "#2c343d"}},
                                                   {"grid", {"#e8ebef", "#252c34"}},
                                                   {"accent", {"#0b5cad", "#6cb0f5"}},
                                                   {"mark", {"#eef4fb", "#1c2733"}}}};

/// The variables of a page's style: `--ink`, …, and `--h0`, `--h1`, … for the hues.
inline std::string theme_style() {
  const auto variables = [](std::string_view Hue::*of) {
    std::string text;
    for (const auto& [name, hue] : kTheme) text += fmt::format("--{}:{};", name, hue.*of);
    for (std::size_t i = 0; i < kHues.size(); ++i)
      text += fmt::format("--h{}:{};", i, kHues[i].*of);
    return text;
  };
  return fmt::format(
      ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n"
      "@media print{{:root{{{}}}}}\n",
      variables(&Hue::light), variables(&Hue::dark), variables(&Hue::light));
}

/// By how much two colours ("#rrggbb") differ in luminance, from 1 (alike) to 21 (black on white).
/// Source: WCAG 2.2, contrast ratio.
inline double contrast(std::string_view a, std::string_view b) {
  const auto luminance = [](std::string_view color) {
    constexpr std::array kWeights{0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      int byte = 0;
      std::from_chars(color.data() + 1 + 2 * i, color.data() + 3 + 2 * i, byte, 16);
      const double v = byte / 255.0;
      sum += kWeights[i] * (v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
  };
  const double u = luminance(a), v = luminance(b);
  return (std::max(u, v) + 0.05) / (std::min(u, v) + 0.05);
}

/// How a series looks.
struct SeriesStyle {
  std::size_t hue = 0;  ///< Index into kHues.
  std::string_view
      marker;             ///< "circle", "square", "triangle", "diamond", "down", "cross"; "" none.
  std::string_view dash;  ///< SVG's stroke-dasharray; "" is solid.
};

/// The looks of a hue: each has a shape and a dash of its own.
inline SeriesStyle series_style(std::size_t hue) {
  constexpr std::array<std::string_view, 6> kMarkers{"circle",  "square", "triangle",
                                                     "diamond", "down",   "cross"};
  constexpr std::array<std::string_view, 5> kDashes{"", "7 3", "2 3", "9 3 2 3", "12 4"};
  return {hue % kHues.size(), kMarkers[hue % kMarkers.size()], kDashes[hue % kDashes.size()]};
}

/// The looks of scenarios that stand together: the catalogue's hue for those that ship, for others
/// a hue that none of them has, as long as there are any.
inline std::vector<SeriesStyle> scenario_styles(std::span<const std::string> ids) {
  std::array<bool, kHues.size()> taken{};
  taken[catalogued(kOriginal)->hue] = true;
  for (const auto& id : ids)
    if (const auto entry = catalogued(id)) taken[entry->hue] = true;
  std::vector<SeriesStyle> styles;
  std::size_t next = 0;
  for (const auto& id : ids) {
    if (const auto entry = catalogued(id)) {
      styles.push_back(series_style(entry->hue));
      continue;
    }
    const auto free = std::ranges::find(taken, false);
    const auto hue = free == taken.end() ? next++ % kHues.size()
                                         : static_cast<std::size_t>(free - taken.begin());
    taken[hue] = true;
    styles.push_back(series_style(hue));
  }
  return styles;
}

/// The untouched network's line: thin, without marks.
inline SeriesStyle original_style() { return {catalogued(kOriginal)->hue, "", "2 4"}; }

}  // namespace serpette
