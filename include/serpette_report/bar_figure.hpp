#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "serpette_report/figure.hpp"
#include "serpette_report/markup.hpp"
#include "serpette_report/palette.hpp"

namespace serpette {

/// One bar: what it is, how long, and the group whose colour it has.
struct Bar {
  std::string label;
  double value = 0;  ///< At least 0.
  std::string group;
};

/// Horizontal bars, one below the other, in their order.
struct BarFigure {
  std::string title, unit;
  std::vector<Bar> bars;
};

/// A bar figure as SVG, with a legend of the groups in the order of their first bars.
inline std::string bar_svg(const BarFigure& figure) {
  constexpr int kWidth = 760, kLeft = 120, kRight = 70, kTop = 64, kStep = 16, kThick = 11;
  std::vector<std::string> groups;
  double most = 0;
  for (const auto& bar : figure.bars) {
    most = std::max(most, bar.value);
    if (std::ranges::find(groups, bar.group) == groups.end()) groups.push_back(bar.group);
  }
  const auto ticks = axis_ticks(0, most);
  const double last = ticks.back() > 0 ? ticks.back() : 1;
  const auto x = [&](double value) { return kLeft + value / last * (kWidth - kLeft - kRight); };
  const auto color = [&](const std::string& group) {
    const auto at = std::ranges::find(groups, group) - groups.begin();
    return kHues[static_cast<std::size_t>(at) % kHues.size()].light;
  };
  const int bottom = kTop + static_cast<int>(figure.bars.size()) * kStep, height = bottom + 44;
  std::string svg;
  const auto out = std::back_inserter(svg);
  fmt::format_to(
      out,
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" )"
      R"(font-family="sans-serif" font-size="11" fill="#1b1f24">)"
      "\n"
      R"(<rect width="{0}" height="{1}" fill="#ffffff"/>)"
      "\n"
      R"(<text x="{2}" y="22" font-size="15">{3}</text>)"
      "\n",
      kWidth, height, kLeft, escape_xml(figure.title));
  double legend = kLeft;
  for (const auto& group : groups) {
    fmt::format_to(
        out,
        R"(<rect x="{:.1f}" y="36" width="11" height="11" fill="{}"/><text x="{:.1f}" y="46">{}</text>)"
        "\n",
        legend, color(group), legend + 16, escape_xml(group));
    legend += 40 + 7.0 * static_cast<double>(group.size());
  }
  for (const double tick : ticks)
    fmt::format_to(
        out,
        R"(<path d="M{0:.1f} {1}V{2}" stroke="#e8ebef"/><text x="{0:.1f}" y="{3}" text-anchor="middle">{4:.6g}</text>)"
        "\n",
        x(tick), kTop - 4, bottom, bottom + 16, tick);
  fmt::format_to(out,
                 R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)"
                 "\n",
                 (x(0) + x(last)) / 2, bottom + 34, escape_xml(figure.unit));
  for (std::size_t i = 0; i < figure.bars.size(); ++i) {
    const auto& bar = figure.bars[i];
    const int y = kTop + static_cast<int>(i) * kStep;
    fmt::format_to(
        out,
        R"(<text x="{}" y="{}" text-anchor="end">{}</text><rect x="{}" y="{}" width="{:.2f}" height="{}" fill="{}"><title>{}: {:.4g} {}</title></rect>)"
        "\n",
        kLeft - 6, y + kThick - 1, escape_xml(bar.label), kLeft, y, x(bar.value) - kLeft, kThick,
        color(bar.group), escape_xml(bar.label), bar.value, escape_xml(figure.unit));
  }
  return svg + "</svg>\n";
}

}  // namespace serpette
